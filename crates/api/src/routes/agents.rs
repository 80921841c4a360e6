//! Agents.

mod create;
mod delete;
mod fetch;
mod list;
mod numbers;
mod update;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        create::operation(),
        list::operation(),
        fetch::operation(),
        update::operation(),
        delete::operation(),
        numbers::operation(),
    ]
}
