//! What the ports of `domain` ask for, as statements.

use domain::records::{Version, Versioned};

use crate::sql::{Outcome, Row, get};

mod agents;
mod billing;
mod calls;
mod changes;
mod ledger;
mod ledger_report;
mod limits;
mod members;
mod nodes;
mod organizations;
mod requests;
mod telephony;
mod voices;

/// A record with the version of its row.
fn versioned<T>(row: &Row, read: impl FnOnce(&Row) -> Outcome<T>) -> Outcome<Versioned<T>> {
    Ok(Versioned {
        record: read(row)?,
        version: Version(get(row, "version")?),
    })
}
