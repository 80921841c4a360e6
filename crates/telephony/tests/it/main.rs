//! Endpoint against endpoint, on loopback sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

mod calls;
mod digest;
mod hostile;
mod requests;
mod softphone;
mod support;
