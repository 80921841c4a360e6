//! The organisation itself; only under `/api/v1`.

mod fetch;
mod update;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![fetch::operation(), update::operation()]
}
