//! Changes that this process makes to `SQLite` files.
//!
//! Who reads need not look into a file for what this process itself would have changed there. They are counted for all
//! files together: a program has one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static MADE: AtomicU64 = AtomicU64::new(0);

/// A change; it is over, whatever came of it, when this is dropped.
#[derive(Debug)]
pub(super) struct Change(());

impl Change {
    /// From now on [`is_under_way`].
    pub(super) fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        MADE.fetch_add(1, Ordering::SeqCst);
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether something is being changed.
pub(super) fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::SeqCst) > 0
}

/// How many changes were made until now. What is told of one as done is among them.
pub(super) fn made() -> u64 {
    MADE.load(Ordering::SeqCst)
}
