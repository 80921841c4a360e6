//! API keys; only under `/api/v1`.

mod create;
mod fetch;
mod list;
mod revoke;
mod update;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        create::operation(),
        list::operation(),
        fetch::operation(),
        update::operation(),
        revoke::operation(),
    ]
}
