//! Endpoints, one a file.

mod agents;
mod audit;
mod billing;
mod calls;
mod keys;
mod members;
mod operator;
mod organization;
mod requests;
mod telephony;
mod voices;

use crate::operation::Operation;

/// The public surface, the same under both base paths.
pub(crate) fn public() -> Vec<Operation> {
    let resources = [
        agents::operations(),
        voices::operations(),
        telephony::operations(),
        calls::operations(),
    ];
    resources.into_iter().flatten().collect()
}

/// What only administrators do, under `/api/v1`.
pub(crate) fn administration() -> Vec<Operation> {
    let resources = [
        organization::operations(),
        members::operations(),
        keys::operations(),
        billing::operations(),
        requests::operations(),
        audit::operations(),
    ];
    resources.into_iter().flatten().collect()
}

/// What is known by a signature of its own; with whole paths, and no gate before it.
pub(crate) fn signed() -> Vec<Operation> {
    billing::signed_operations()
}

/// What operators of the platform do, under `/api/operator/v1`, across organisations.
pub(crate) fn operator() -> Vec<Operation> {
    operator::operations()
}
