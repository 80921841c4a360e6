//! For tests only: the whole application on a socket of its own, fakes for what lies outside, and a client that
//! fails the test on any answer that breaks the error contract.
//!
//! Panics are how this crate reports: each says which promise was broken.

mod app;
mod client;
mod fakes;
mod issuer;
mod logs;
mod proxy;

/// The API document.
pub use api::openapi;
pub use app::{TestApp, TestAppBuilder};
pub use client::{Answer, Client};
pub use fakes::{BrokenRecordings, FakeCarrier, FakeServices, Outcome};
pub use issuer::{Issuer, Manner, Signer};
pub use logs::Logs;
/// What tests set about tokens, for crates whose tests may not name `providers` themselves.
pub use providers::JwtConfig;
pub use providers::{Secret, Stripe, StripeConfig, StripePrice};
pub use proxy::TcpProxy;
/// The real store and recordings, for crates whose tests may not name `store` themselves.
pub use store::{
    FileRecordings, RedisCounters, RedisLimitsSetup, SqlStore,
    testing::{Engine, Outsider, TestDatabase},
};
