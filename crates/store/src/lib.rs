//! Where things are kept: `SQLite` for what is asked for, files for recordings.
//!
//! The only crate that knows SQL. Rules live in `domain`; here only those a database alone can keep: what is unique,
//! what refers to what, and how many calls fit at once.

mod row;
mod seal;
mod sqlite;
mod wav;

pub mod recordings;

pub use recordings::FileRecordings;
pub use sqlite::SqliteStore;
