//! What Callwright is, apart from how it is reached, stored and carried: entities, rules, use cases,
//! and the ports through which the rest of the program does what a use case asks.
//!
//! No HTTP, no SQL, no sockets, no models.

pub mod agents;
pub mod audit;
pub mod billing;
pub mod brain;
pub mod calls;
pub mod change;
pub mod clock;
pub mod error;
pub mod events;
pub mod guide;
pub mod idempotency;
pub mod keys;
pub mod limits;
pub mod nodes;
pub mod organizations;
pub mod places;
pub mod ports;
pub mod quick;
pub mod records;
pub mod requests;
pub mod rules;
pub mod sentences;
pub mod snapshot;
pub mod telephony;
pub mod tokens;
pub mod voices;

pub use change::{Actor, Alongside, Change};
pub use error::{Error, ProviderFailure, ProviderFault};
