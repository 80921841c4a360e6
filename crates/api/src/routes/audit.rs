//! The audit log; only under `/api/v1`.

mod list;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![list::operation()]
}
