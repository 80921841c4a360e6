//! What the store promises, checked on the `SQLite` store, and the use cases through it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

mod calls;
mod keys;
mod lists;
mod numbers;
mod opening;
mod recordings;
mod settings;
mod tenants;
