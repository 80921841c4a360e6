//! For tests only: the whole application on a socket of its own, fakes for what lies outside, and a client that
//! fails the test on any answer that breaks the error contract.
//!
//! Panics are how this crate reports: each says which promise was broken.

mod app;
mod client;
mod fakes;
mod logs;

pub use app::{TestApp, TestAppBuilder};
pub use client::{Answer, Client};
pub use fakes::{BrokenRecordings, FakeCarrier, FakeServices, Outcome};
pub use logs::Logs;
/// The real store and recordings, for crates whose tests may not name `store` themselves.
pub use store::{FileRecordings, SqliteStore};
