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

/// Where the cells of a column stand.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows under the names of their columns, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(columns: [(&str, Side); N], rows: &[[String; N]]) -> String {
    let named = columns.map(|(name, _)| name.to_owned());
    let rows: Vec<_> = std::iter::once(&named).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(columns).zip(widths);
        let cells = cells.map(|((cell, (_, side)), width)| match side {
            Side::Left => format!("{cell:<width$}"),
            Side::Right => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One line on standard output.
pub(crate) fn line(text: &str) {
    // Whoever closed the pipe does not want to hear of it.
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_columns_and_stands_straight() {
        let row = |name: &str, size: &str, note: &str| [name, size, note].map(ToOwned::to_owned);
        let columns = [("name", Side::Left), ("size", Side::Right), ("note", Side::Left)];
        let rows = [row("a", "10.5 MB", ""), row("längere", "1", "here")];
        assert_eq!(
            table(columns, &rows),
            "name        size  note\na        10.5 MB\nlängere        1  here"
        );
        assert_eq!(table(columns, &[]), "name  size  note");
    }
}
