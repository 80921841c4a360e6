//! API keys; only under `/api/v1`.

mod create;
mod list;
mod revoke;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![create::operation(), list::operation(), revoke::operation()]
}
