//! What was read, for as long as it stays as it was.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use domain::quick::QuickMap;

use super::watch::Moment;

/// Things that were read at one moment of the database; forgotten with the first write after it.
#[derive(Clone)]
pub(crate) struct Seen<K, V>(Arc<Mutex<Things<K, V>>>);

struct Things<K, V> {
    at: Option<Moment>,
    by_key: QuickMap<K, V>,
}

/// Things that are kept; beyond it the memory starts afresh.
const KEPT_MAX: usize = 10_000;

impl<K, V> Default for Seen<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Things {
            at: None,
            by_key: QuickMap::default(),
        })))
    }
}

impl<K: Eq + Hash, V: Clone> Seen<K, V> {
    /// What was read, if nothing was written since.
    pub(crate) fn recall<Q>(&self, now: Moment, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (things.at == Some(now)).then(|| things.by_key.get(key).cloned())?
    }

    /// Keeps what was read after `at`. If something was written in between, `at` is over and nobody asks for it.
    pub(crate) fn keep(&self, at: Moment, key: K, value: V) {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if things.at != Some(at) || things.by_key.len() >= KEPT_MAX {
            things.by_key.clear();
            things.at = Some(at);
        }
        things.by_key.insert(key, value);
    }
}
