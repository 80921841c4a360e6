//! Trunks and numbers.

mod number_assign;
mod number_fetch;
mod number_import;
mod number_list;
mod number_release;
mod number_unassign;
mod trunk_create;
mod trunk_delete;
mod trunk_fetch;
mod trunk_list;
mod trunk_update;

use crate::operation::Operation;

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        trunk_create::operation(),
        trunk_list::operation(),
        trunk_fetch::operation(),
        trunk_update::operation(),
        trunk_delete::operation(),
        number_list::operation(),
        number_fetch::operation(),
        number_import::operation(),
        number_assign::operation(),
        number_unassign::operation(),
        number_release::operation(),
    ]
}
