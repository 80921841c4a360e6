//! Changes that this process makes to `SQLite` files.
//!
//! Who reads need not look into a file for what this process itself would have changed there.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Of all files together: a program has one, and where it opens it twice, each sees the other's changes.
static MADE: AtomicU64 = AtomicU64::new(0);

/// How many changes were made until now. What is told of one as done is among them.
pub(super) fn made() -> u64 {
    MADE.load(Ordering::SeqCst)
}

/// Changes under way through one store, whose snapshots would be in their way. Where the same file is opened a second
/// time, its snapshots there are not let go of when a change begins; they end with the next read after it.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// One that begins now.
    pub(super) fn begin(&self) -> Change {
        self.0.fetch_add(1, Ordering::SeqCst);
        Change(self.clone())
    }
}

/// A change; it is over, whatever came of it, when this is dropped. Where it was given up (cancelled, or too long), its
/// connection may still commit or roll back after that: then it is seen as if another process had made it.
#[derive(Debug)]
pub(crate) struct Change(UnderWay);

impl Drop for Change {
    fn drop(&mut self) {
        MADE.fetch_add(1, Ordering::SeqCst);
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
