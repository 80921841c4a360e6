//! Whether anything was written to an `SQLite` file since an earlier moment, by whichever process.
//!
//! The index of the write-ahead log lies beside the database (`-shm`), mapped by every process that has it open. Its
//! header changes with each commit, and stands there twice, so that a reader knows when it was read in the middle of a
//! change (<https://sqlite.org/walformat.html>, section 2.1). `SQLite` itself compares it with its own copy to know
//! whether the pages that it holds are still good. So what was read under a header is what would be read again for as
//! long as the header is the same, and to look costs one system call in place of a read.
//!
//! A look is good for [`FRESH`], unless this process changes something: its own changes are seen at once, and those of
//! another one after that time at most.

use std::{
    fs::File,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    change,
    sqlite::{BELIEVED, Identity},
};

/// How long a look is good where nothing of ours was changed. Who was told of another process's change needs longer to
/// connect and to ask.
const FRESH: Duration = Duration::from_micros(200);

/// Indexes that were opened, and stay so until the process ends. To close one would give up all locks that this process
/// holds on the file, `SQLite`'s own included (<https://sqlite.org/howtocorrupt.html>, section 2.2). There is one for each
/// database that was ever opened.
static OPENED: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());

/// Bytes of one of the two copies.
const HEADER_BYTES: usize = 48;

/// A moment of the database: as long as it is the same, so is all that is in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment([u8; HEADER_BYTES]);

/// Looks at the index of one file.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    database: PathBuf,
    index: PathBuf,
    identity: Identity,
    opened: Mutex<Option<Opened>>,
    last: Mutex<Option<Look>>,
}

/// What was seen, when, and after how many changes of our own.
#[derive(Clone, Copy)]
struct Look {
    moment: Moment,
    at: Instant,
    changes: u64,
}

struct Opened {
    file: Arc<File>,
    since: Instant,
    /// When it was last seen to stand in a folder.
    linked: Instant,
}

impl Watch {
    pub(super) fn new(database: &Path, identity: Identity) -> Self {
        let mut index = database.as_os_str().to_owned();
        index.push("-shm");
        Self(Arc::new(Inner {
            database: database.to_owned(),
            index: index.into(),
            identity,
            opened: Mutex::default(),
            last: Mutex::default(),
        }))
    }

    /// The present moment, or one that was so less than [`FRESH`] ago; `None` while somebody writes, or where there is
    /// nothing to look at.
    pub(crate) fn moment(&self, now: Instant) -> Option<Moment> {
        let mut last = self.last();
        let changes = change::made();
        if let Some(look) = *last
            && look.changes == changes
            && now.saturating_duration_since(look.at) < FRESH
        {
            return Some(look.moment);
        }
        self.look_again(&mut last, now)
    }

    /// The present moment.
    pub(super) fn look(&self, now: Instant) -> Option<Moment> {
        self.look_again(&mut self.last(), now)
    }

    /// Looks while nobody else does: what is seen later is never older.
    fn look_again(&self, last: &mut Option<Look>, now: Instant) -> Option<Moment> {
        let changes = change::made();
        let seen = self.header(now);
        *last = seen.map(|moment| Look {
            moment,
            at: now,
            changes,
        });
        seen
    }

    fn header(&self, now: Instant) -> Option<Moment> {
        let index = self.index(now)?;
        let mut headers = [0; 2 * HEADER_BYTES];
        index.read_exact_at(&mut headers, 0).ok()?;
        let (first, second) = headers.split_at(HEADER_BYTES);
        let first: [u8; HEADER_BYTES] = first.try_into().ok()?;
        (first == second).then_some(Moment(first))
    }

    fn last(&self) -> MutexGuard<'_, Option<Look>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, now: Instant) -> Option<Arc<File>> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = opened.as_mut()
            && self.0.identity.was_of_present_file(&self.0.database, opened.since, now)
        {
            return opened.is_linked(now).then(|| Arc::clone(&opened.file));
        }
        if !self.0.identity.was_of_present_file(&self.0.database, now, now) {
            return None;
        }
        let file = open_for_good(&self.0.index)?;
        *opened = Some(Opened {
            file: Arc::clone(&file),
            since: now,
            linked: now,
        });
        Some(file)
    }
}

impl Opened {
    /// One that was taken away from under everybody changes no more. That is looked for as often as the database.
    fn is_linked(&mut self, now: Instant) -> bool {
        if now.duration_since(self.linked) < BELIEVED {
            return true;
        }
        let is_linked = self.file.metadata().is_ok_and(|file| file.nlink() > 0);
        if is_linked {
            self.linked = now;
        }
        is_linked
    }
}

/// Opens a file unless it is open already.
fn open_for_good(path: &Path) -> Option<Arc<File>> {
    let there = std::fs::metadata(path).ok()?;
    let is_it = |file: &&Arc<File>| {
        let known = file.metadata();
        known.is_ok_and(|known| (known.dev(), known.ino()) == (there.dev(), there.ino()))
    };
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = opened.iter().find(is_it) {
        return Some(Arc::clone(file));
    }
    let file = Arc::new(File::open(path).ok()?);
    opened.push(Arc::clone(&file));
    Some(file)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_descriptor_of_the_index_outlives_whoever_opened_it_and_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("some.db");
        std::fs::write(&database, "").unwrap();
        std::fs::write(folder.path().join("some.db-shm"), [7; 2 * HEADER_BYTES]).unwrap();
        let is_open = || {
            let held = std::fs::read_dir("/proc/self/fd").unwrap();
            let files = held.filter_map(|held| std::fs::read_link(held.unwrap().path()).ok());
            files.filter(|file| file.ends_with("some.db-shm")).count()
        };
        for _ in 0..2 {
            let watch = Watch::new(&database, Identity::default());
            assert_eq!(watch.look(Instant::now()), Some(Moment([7; HEADER_BYTES])));
            drop(watch);
            assert_eq!(is_open(), 1);
        }
    }

    #[test]
    fn an_index_in_the_middle_of_a_change_or_taken_away_is_no_moment() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("some.db");
        let index = folder.path().join("some.db-shm");
        std::fs::write(&database, "").unwrap();
        let watch = Watch::new(&database, Identity::default());
        assert_eq!(watch.look(Instant::now()), None, "there is none yet");
        std::fs::write(&index, [[1; HEADER_BYTES], [2; HEADER_BYTES]].concat()).unwrap();
        assert_eq!(watch.look(Instant::now()), None);
        std::fs::write(&index, [3; 2 * HEADER_BYTES]).unwrap();
        assert_eq!(watch.look(Instant::now()), Some(Moment([3; HEADER_BYTES])));
        std::fs::remove_file(&index).unwrap();
        assert_eq!(watch.look(Instant::now() + BELIEVED), None);
    }
}
