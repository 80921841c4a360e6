//! What the operator can type.

pub(crate) mod admin;
pub(crate) mod call;
#[cfg(feature = "local")]
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod models;
pub(crate) mod serve;
#[cfg(feature = "local")]
pub(crate) mod speech;

use std::{io::Write, process::ExitCode};

use anyhow::Result;

#[expect(
    clippy::unnecessary_wraps,
    reason = "the last words of commands, which may fail before"
)]
/// A command's result on standard output. A reader that went away is no failure.
pub(crate) fn show(text: &str) -> Result<ExitCode> {
    line(text);
    Ok(ExitCode::SUCCESS)
}

/// One line on standard output.
pub(crate) fn line(text: &str) {
    // Whoever closed the pipe does not want to hear of it.
    let _ = writeln!(std::io::stdout(), "{text}");
}
