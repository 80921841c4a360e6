//! Money: standing, trial, ledger and usage; only under `/api/v1`. What payment providers tell comes in elsewhere.

mod fetch;
mod ledger;
mod stripe;
mod trial;
mod usage;

use crate::operation::Operation;

/// All endpoints for people.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        fetch::operation(),
        trial::operation(),
        ledger::operation(),
        usage::operation(),
    ]
}

/// Endpoints for payment providers, which sign what they send.
pub(super) fn signed_operations() -> Vec<Operation> {
    vec![stripe::operation()]
}
