//! Endings that the store did not take yet. They wait here and are written as soon as it does, for as long as the
//! program lives: a record that stays open holds one of its organisation's places, and its credits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::CallId;

use super::{Calls, live::logged};
use crate::{
    Error,
    records::{CallEnding, Scope},
};

/// Endings that may wait. A store that takes nothing takes no new calls either, so there are seldom more than calls
/// were live when it went away.
const WAITING_MAX: usize = 10_000;
/// Between tries: first so long, then twice as long each time, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What could not be written.
#[derive(Clone)]
struct Unwritten {
    scope: Scope,
    id: CallId,
    ending: Arc<CallEnding>,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Unwritten>,
    /// Whether a task writes them.
    is_tended: bool,
}

/// The endings that wait.
#[derive(Default)]
pub(super) struct Endings(Mutex<Waiting>);

impl Endings {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holds(&self, id: CallId) -> bool {
        self.lock().queue.iter().any(|waiting| waiting.id == id)
    }

    fn find(&self, id: CallId) -> Option<Unwritten> {
        self.lock().queue.iter().find(|waiting| waiting.id == id).cloned()
    }

    /// Whether it found a place, and nobody tends the queue yet.
    fn add(&self, unwritten: Unwritten) -> (bool, bool) {
        let mut waiting = self.lock();
        if waiting.queue.len() >= WAITING_MAX {
            return (false, false);
        }
        // The first ending of a call counts.
        if !waiting.queue.iter().any(|other| other.id == unwritten.id) {
            waiting.queue.push_back(unwritten);
        }
        (true, !std::mem::replace(&mut waiting.is_tended, true))
    }

    /// The next one; with `None` whoever asked has stopped tending the queue.
    fn next(&self) -> Option<Unwritten> {
        let mut waiting = self.lock();
        let next = waiting.queue.front().cloned();
        waiting.is_tended = next.is_some();
        next
    }

    fn remove(&self, id: CallId) {
        self.lock().queue.retain(|waiting| waiting.id != id);
    }

    /// Behind the others: one that can't be written must not keep them waiting.
    fn put_back(&self, id: CallId) {
        let mut waiting = self.lock();
        if waiting.queue.front().is_some_and(|first| first.id == id) {
            waiting.queue.rotate_left(1);
        }
    }
}

impl Calls {
    /// Ends the record of a call; the first ending stays. What the store does not take now is written later.
    pub async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) {
        let written = self.setup.store.call_finish(scope, id, ending).await;
        if written.is_ok() {
            return;
        }
        logged(id, written.map(drop));
        let unwritten = Unwritten {
            scope,
            id,
            ending: Arc::new(ending.clone()),
        };
        let (kept, is_first) = self.endings.add(unwritten);
        if !kept {
            tracing::error!(call_id = %id, "too many endings of calls wait; this one is lost, and its call with it");
        }
        if is_first {
            tokio::spawn(self.clone().endings_tend());
        }
    }

    /// Writes what waits until nothing does.
    async fn endings_tend(self) {
        let mut pause = PAUSE_FIRST;
        tokio::time::sleep(pause).await;
        while let Some(next) = self.endings.next() {
            let written = self.setup.store.call_finish(next.scope, next.id, &next.ending).await;
            if written.is_ok() {
                self.endings.remove(next.id);
                pause = PAUSE_FIRST;
                continue;
            }
            logged(next.id, written.map(drop));
            self.endings.put_back(next.id);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Writes the ending of a call that waits, at once.
    pub(super) async fn ending_write(&self, id: CallId) -> Result<(), Error> {
        if let Some(found) = self.endings.find(id) {
            self.setup.store.call_finish(found.scope, id, &found.ending).await?;
            self.endings.remove(id);
        }
        Ok(())
    }

    /// Waits until all endings are written, at most so long; how many were not.
    pub async fn endings_written(&self, patience: Duration) -> usize {
        const LOOK: Duration = Duration::from_millis(20);
        let empty = async {
            while !self.endings.lock().queue.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Those that are left are counted below.
        let _ = tokio::time::timeout(patience, empty).await;
        self.endings.lock().queue.len()
    }
}
