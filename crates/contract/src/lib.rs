//! What crosses a wire: resource types, typed ids, and the catalogue of errors.
//!
//! Serde and schema only. No rules that need a database, no HTTP types, no clocks.

mod agent;
mod audit;
mod billing;
mod call;
pub mod catalogue;
pub mod challenge;
pub mod docs;
mod empty;
mod error;
pub mod facts;
pub mod golden;
mod id;
mod key;
mod limits;
mod list;
mod member;
mod organization;
mod request;
mod script;
mod telephony;
mod time;
mod voice;

pub use agent::*;
pub use audit::*;
pub use billing::*;
pub use call::*;
pub use catalogue::{Code, Reason};
pub use empty::*;
pub use error::*;
pub use id::*;
pub use key::*;
pub use limits::*;
pub use list::*;
pub use member::*;
pub use organization::*;
pub use request::*;
pub use script::*;
pub use telephony::*;
pub use time::*;
pub use voice::*;
