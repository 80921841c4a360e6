//! Records, for as long as the rows that they were made of read the same.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{quick::QuickMap, snapshot::Snapshot};
use uuid::Uuid;

use super::{Outcome, Row, direct_row::DirectRow};

/// Bytes of rows that are kept; beyond it the memory starts afresh. A record and its text take about three times that.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What one takes beside the row's bytes.
const PLACE_BYTES: usize = 512;

/// Records by their id, each with the row that it was made of. What is given out is always what the row says that was
/// just read: only the making is saved.
#[derive(Clone)]
pub(crate) struct Made<T>(Arc<Mutex<Things<T>>>);

type Kept<T> = QuickMap<Uuid, (DirectRow, Arc<Snapshot<T>>)>;

struct Things<T> {
    by_id: Kept<T>,
    bytes: usize,
}

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Things {
            by_id: Kept::default(),
            bytes: 0,
        })))
    }
}

impl<T> Made<T> {
    /// The record of a row, made by `make` unless it was made of the same row before.
    pub(crate) fn of(&self, id: Uuid, row: Row, make: impl FnOnce(&Row) -> Outcome<T>) -> Outcome<Arc<Snapshot<T>>> {
        // Rows of the others are not taken out of what they came in, and a server's answer costs far more than this.
        if let Row::Direct(direct) = &row
            && let Some((known, snapshot)) = self.things().by_id.get(&id)
            && known == direct
        {
            return Ok(Arc::clone(snapshot));
        }
        let snapshot = Arc::new(Snapshot::new(make(&row)?));
        if let Row::Direct(row) = row {
            // Let go of once others can go on.
            let _forgotten = self.things().keep(id, row, Arc::clone(&snapshot));
        }
        Ok(snapshot)
    }

    /// Forgets what is gone.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut things = self.things();
        if let Some((row, _)) = things.by_id.remove(&id) {
            things.bytes -= weight(&row);
        }
    }

    fn things(&self) -> MutexGuard<'_, Things<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Things<T> {
    /// Keeps one; gives back what it took the place of.
    fn keep(&mut self, id: Uuid, row: DirectRow, snapshot: Arc<Snapshot<T>>) -> Kept<T> {
        let bytes = weight(&row);
        let mut forgotten = Kept::default();
        if let Some(before) = self.by_id.remove(&id) {
            self.bytes -= weight(&before.0);
            forgotten.insert(id, before);
        }
        if bytes > BYTES_MAX {
            return forgotten;
        }
        if self.bytes + bytes > BYTES_MAX {
            forgotten.extend(mem::take(&mut self.by_id));
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.by_id.insert(id, (row, snapshot));
        forgotten
    }
}

/// What a row and its place take.
fn weight(row: &DirectRow) -> usize {
    row.bytes() + PLACE_BYTES
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn row(text: &str) -> Row {
        Row::Direct(DirectRow::of_text("text", text))
    }

    fn length(row: &Row) -> Outcome<usize> {
        Ok(super::super::get::<String>(row, "text")?.len())
    }

    #[test]
    fn a_row_that_reads_the_same_is_not_read_into_a_record_again_and_another_is() {
        let (made, id) = (Made::default(), Uuid::now_v7());
        let first = made.of(id, row("four"), length).unwrap();
        let again = made.of(id, row("four"), |_| Err("was made again".into())).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let changed = made.of(id, row("eleven"), length).unwrap();
        assert_eq!((*first.record(), *changed.record()), (4, 6));
        assert!(
            made.of(Uuid::now_v7(), row("four"), |_| Err("another id".into()))
                .is_err()
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let made = Made::default();
        let megabyte = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            made.of(Uuid::now_v7(), row(&megabyte), length).unwrap();
            let things = made.things();
            let kept: usize = things.by_id.values().map(|(row, _)| weight(row)).sum();
            assert!(kept == things.bytes && kept <= BYTES_MAX, "{kept}");
        }
        let count = || made.things().by_id.len();
        let (before, id) = (count(), *made.things().by_id.keys().next().unwrap());
        made.of(Uuid::now_v7(), row(&"x".repeat(BYTES_MAX)), length).unwrap();
        assert_eq!(count(), before, "one that is too large takes nobody's place");
        made.of(id, row("short"), length).unwrap();
        made.forget(id);
        assert_eq!(count(), before - 1);
        let kept: usize = made.things().by_id.values().map(|(row, _)| weight(row)).sum();
        assert_eq!(kept, made.things().bytes);
    }
}
