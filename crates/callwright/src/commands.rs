//! What the operator can type.

pub(crate) mod admin;
pub(crate) mod billing;
pub(crate) mod call;
pub(crate) mod contract;
pub(crate) mod copy_database;
#[cfg(feature = "local")]
pub(crate) mod demo;
pub(crate) mod doctor;
mod limits;
pub(crate) mod migrate;
pub(crate) mod models;
pub(crate) mod serve;
#[cfg(feature = "local")]
pub(crate) mod speech;

use std::{io::Write, process::ExitCode};

use anyhow::{Result, anyhow};
use domain::Error;

#[expect(
    clippy::unnecessary_wraps,
    reason = "the last words of commands, which may fail before"
)]
/// A command's result on standard output. A reader that went away is no failure.
pub(crate) fn show(text: &str) -> Result<ExitCode> {
    line(text);
    Ok(ExitCode::SUCCESS)
}

/// What a use case says went wrong, in the words of the API: field by field, where fields are.
pub(crate) fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Invalid(faults) => {
            let told: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.field, fault.message))
                .collect();
            anyhow!(told.join("\n"))
        }
        Error::NotFound { resource, id, .. } => anyhow!("there is no {resource} with this id: {id}"),
        error => error.into(),
    }
}

/// One line on standard output.
pub(crate) fn line(text: &str) {
    // Whoever closed the pipe does not want to hear of it.
    let _ = writeln!(std::io::stdout(), "{text}");
}
