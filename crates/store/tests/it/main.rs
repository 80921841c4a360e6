//! What the store promises, checked on both engines, and the use cases through it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod calls;
mod claims;
mod copying;
mod faults;
mod keys;
mod ledger;
mod ledger_writers;
mod limits;
mod lists;
mod members;
mod nodes;
mod numbers;
mod opening;
mod proxy;
mod recordings;
mod requests;
mod rolling;
mod settings;
mod tenants;
mod text;
mod totals;
