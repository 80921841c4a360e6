//! Calls.

mod create;
mod delete;
mod end;
mod events;
mod fetch;
mod list;
mod recording;
mod transcript;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        create::operation(),
        list::operation(),
        fetch::operation(),
        delete::operation(),
        end::operation(),
        transcript::operation(),
        recording::operation(),
        events::operation(),
    ]
}
