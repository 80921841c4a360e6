//! Voices.

mod fetch;
mod list;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![list::operation(), fetch::operation()]
}
