//! What crosses a wire: resource types, typed ids, and the catalogue of errors.
//!
//! Serde and schema only. No rules that need a database, no HTTP types, no clocks.

mod agent;
mod call;
pub mod catalogue;
pub mod docs;
mod error;
mod id;
mod key;
mod list;
mod script;
mod telephony;
mod time;
mod voice;

pub use agent::*;
pub use call::*;
pub use catalogue::{Code, Reason};
pub use error::*;
pub use id::*;
pub use key::*;
pub use list::*;
pub use script::*;
pub use telephony::*;
pub use time::*;
pub use voice::*;
