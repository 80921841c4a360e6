//! Endpoint against endpoint, and whole calls against a switchboard, on loopback sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

mod admission;
mod calls;
mod conversation;
mod digest;
mod failures;
mod hostile;
mod interruption;
mod office;
mod outbound;
mod paying;
mod people;
mod records;
mod requests;
mod softphone;
mod support;
