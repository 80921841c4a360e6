//! Endpoints, one a file.

mod agents;
mod calls;
mod keys;
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
    keys::operations()
}
