//! Members of the organisation; only under `/api/v1`.

mod create;
mod fetch;
mod list;
mod remove;
mod update;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        create::operation(),
        list::operation(),
        fetch::operation(),
        update::operation(),
        remove::operation(),
    ]
}
