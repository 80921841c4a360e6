//! Where things are kept: `SQLite` or PostgreSQL for what is asked for, files for recordings.
//!
//! The only crate that knows SQL. Rules live in `domain`; here only those a database alone can keep: what is unique,
//! what refers to what, and how many calls fit at once. How a repository is written is said in the module `sql`.

mod address;
mod copy;
mod migrations;
mod node;
mod repositories;
mod seal;
mod sql;
mod store;
mod wav;

pub mod recordings;
pub mod redis_limits;
#[cfg(feature = "testing")]
pub mod testing;

pub use address::{AddressError, DatabaseAddress};
pub use copy::{TableComparison, compare_databases, copy_database};
pub use recordings::FileRecordings;
pub use redis_limits::{RedisCounters, RedisLimitsSetup};
pub use store::SqlStore;
