//! Places that somebody holds for a while, at most so many for each holder: connections of an address, streams of
//! an organisation.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use crate::quick::QuickMap;

/// How many places each holder has. Memory is bounded by the places that are held.
pub struct Places<K>(Arc<Mutex<QuickMap<K, usize>>>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A place, given back when it drops.
pub struct Place<K: Copy + Eq + Hash> {
    places: Arc<Mutex<QuickMap<K, usize>>>,
    holder: K,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// A place for `holder`, unless it has `max` already.
    pub fn take(&self, holder: K, max: usize) -> Option<Place<K>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&holder).copied().unwrap_or_default();
        if count >= max {
            return None;
        }
        held.insert(holder, count + 1);
        Some(Place {
            places: Arc::clone(&self.0),
            holder,
        })
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_own_places_and_gets_them_back() {
        let places = Places::default();
        let (first, second) = (places.take("a", 2), places.take("a", 2));
        assert!(first.is_some() && second.is_some());
        assert!(places.take("a", 2).is_none());
        assert!(places.take("b", 2).is_some());
        drop(first);
        assert!(places.take("a", 2).is_some());
        drop(second);
        assert!(places.0.lock().is_ok_and(|held| held.is_empty()));
    }
}
