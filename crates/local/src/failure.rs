//! Failures of local engines in the words of the domain.

use contract::ProviderKind;
use domain::{ProviderFailure, ProviderFault};

use crate::PROVIDER;

/// The engine broke; the next request may well succeed.
pub(crate) fn of<E: std::error::Error + Send + Sync + 'static>(
    kind: ProviderKind,
    operation: &'static str,
) -> impl Fn(E) -> ProviderFailure {
    move |error| ProviderFailure::new(PROVIDER, kind, operation, ProviderFault::BadResponse).with_source(error)
}

/// The request can't be served, now or later.
pub(crate) fn rejected(kind: ProviderKind, operation: &'static str, why: String) -> ProviderFailure {
    ProviderFailure::new(PROVIDER, kind, operation, ProviderFault::Rejected).with_source(why)
}
