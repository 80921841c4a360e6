//! What answers say of limits, which is the same for all that have the same limits.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{
    limits::{Span, Window},
    quick::QuickMap,
};
use hyper::header::HeaderValue;

/// Policies that are remembered; beyond it the memory starts afresh. Operators set limits, and administrators those of
/// their keys: whoever sets many only makes it start afresh.
const REMEMBERED_MAX: usize = 1000;

/// The limit in each span, 0 where there is none.
type Limits = [u32; Span::ALL.len()];

/// Policies by their limits.
#[derive(Default)]
pub(super) struct Policies(Mutex<QuickMap<Limits, Arc<Policy>>>);

/// The limits of one asker, as headers.
pub(super) struct Policy {
    /// `RateLimit-Policy`.
    pub(super) text: HeaderValue,
    limits: [HeaderValue; Span::ALL.len()],
}

impl Policies {
    /// That of the windows that bind, one in each span at most.
    pub(super) fn of(&self, binding: impl Iterator<Item = Window>) -> Arc<Policy> {
        let mut limits = Limits::default();
        for window in binding {
            limits[window.span as usize] = window.limit;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = known.get(&limits) {
            return Arc::clone(policy);
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let policy = Arc::new(Policy::new(limits));
        known.insert(limits, Arc::clone(&policy));
        policy
    }
}

impl Policy {
    fn new(limits: Limits) -> Self {
        let told = Span::ALL.into_iter().zip(limits).filter(|(_, limit)| *limit > 0);
        let told: Vec<_> = told
            .map(|(span, limit)| format!("\"{}\";q={limit};w={}", span.name(), span.seconds()))
            .collect();
        Self {
            // Names and numbers of ours always make a header.
            text: HeaderValue::try_from(told.join(", ")).unwrap_or(HeaderValue::from_static("")),
            limits: limits.map(HeaderValue::from),
        }
    }

    /// `X-RateLimit-Limit`, where the window of this span is the tightest.
    pub(super) fn limit(&self, span: Span) -> &HeaderValue {
        &self.limits[span as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(span: Span, limit: u32) -> Window {
        Window {
            subject: domain::limits::Subject::Organization(contract::OrganizationId::new()),
            span,
            limit,
        }
    }

    #[test]
    fn who_has_the_same_limits_has_the_same_policy_and_others_have_their_own() {
        let policies = Policies::default();
        let of = |day| policies.of([window(Span::Minute, 60), window(Span::Day, day)].into_iter());
        assert!(Arc::ptr_eq(&of(100), &of(100)));
        assert_eq!(of(100).text, "\"minute\";q=60;w=60, \"day\";q=100;w=86400");
        assert_eq!(of(200).text, "\"minute\";q=60;w=60, \"day\";q=200;w=86400");
        assert_eq!(
            (of(200).limit(Span::Minute), of(200).limit(Span::Day)),
            (&60.into(), &200.into())
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let policies = Policies::default();
        for limit in 1..=5000 {
            policies.of([window(Span::Minute, limit)].into_iter());
            assert!(policies.0.lock().is_ok_and(|known| known.len() <= REMEMBERED_MAX));
        }
    }
}
