//! Refusals, counted by the limit that they come from.

use std::sync::{Mutex, PoisonError};

use domain::quick::QuickMap;
use metrics::Counter;

use crate::Problem;

/// A counter for each limit. There are few, and all are ours; each is looked up once among all metrics.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<QuickMap<String, Counter>>);

impl Refusals {
    /// Counts a problem, if it is a refusal by a limit.
    pub(crate) fn note(&self, problem: &Problem) {
        let Some(policy) = problem.policy() else { return };
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get(policy) {
            return counter.increment(1);
        }
        let counter = metrics::counter!("callwright_limited_total", "policy" => policy.to_owned());
        counter.increment(1);
        counters.insert(policy.to_owned(), counter);
    }
}
