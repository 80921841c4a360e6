//! The API through real HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod calls;
mod credentials;
mod document;
mod events;
mod failures;
mod fields;
mod limits;
mod lists;
mod order;
mod ratchet;
mod recordings;
mod resources;
mod secrets;
mod shapes;
mod sockets;
mod tenancy;
