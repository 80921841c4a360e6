//! The client of OpenAI-compatible servers against servers of our own on loopback.

#![expect(clippy::unwrap_used, reason = "tests")]

mod chat;
mod failures;
mod server;
mod speech;
mod tokens;
