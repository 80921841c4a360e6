//! One way to `SQLite` and PostgreSQL.
//!
//! # How to write a repository
//!
//! A repository is an `impl SomeStore for SqlStore` in `repositories/`. Its statements run on both engines:
//!
//! ```text
//! async fn agent_fetch(&self, scope: Scope, id: AgentId) -> Stored<Option<AgentRecord>> {
//!     doing("agent_fetch", async {
//!         let sql = concat!("SELECT ", columns!(), " FROM agents WHERE organization_id = $1 AND id = $2");
//!         let row = self.db.fetch_optional(sql, args![scope.organization.0, id.0]).await?;
//!         row.as_ref().map(agent).transpose()
//!     })
//!     .await
//! }
//! ```
//!
//! - Placeholders are `$1`, `$2` …; each may stand more than once. [`args!`] takes whatever [`Value`] can be made from.
//!   JSON goes in by [`json_of`] and comes out by [`json`]: it is `TEXT` in one engine and `jsonb` in the other.
//! - Columns are named, never `*`: PostgreSQL refuses a statement that it prepared before a node of the next release
//!   added a column, when that changes what the statement returns.
//! - A single read goes to `self.db`; several that must agree go into one `self.db.read()`, which is a snapshot. Every
//!   change goes into a `self.db.write()` and ends with `commit`; dropped without it, nothing happened.
//! - In `SQLite` writers take turns. In PostgreSQL they don't: what is read in a write transaction may change before
//!   the commit. A check and its write are one statement (`UPDATE … WHERE version = $3`, `INSERT … ON CONFLICT DO
//!   NOTHING`), or the row is held first ([`Tx::fetch_for_update`], [`Tx::hold_organization`]).
//! - A failed statement ends a PostgreSQL transaction. Don't catch a broken constraint: avoid it (`ON CONFLICT`).
//! - Nothing waits for long: see [`Db`]. A database that is locked, full, silent or gone is a failure of the method
//!   like any other, which the API answers as `internal_error`, and the next attempt starts afresh.
//! - All whole numbers are `BIGINT`/`INTEGER` and arrive as `i64`; `SUM` of them is `CAST(… AS BIGINT)`, for in
//!   PostgreSQL it is a `numeric`. The greater of two is a `CASE`: `MAX(a, b)` and `GREATEST` exist in one engine each.
//!   A comparison with a parameter that may be null is `IS NOT DISTINCT FROM`.
//! - Where the engines differ, [`each`] takes both statements side by side.
//! - A list is a [`Selection`] and `self.db.page(…)`: newest first, with its total. A list that may grow long takes its
//!   total from the table `totals`, which triggers keep, and has an index for every set of its filters, ending in `id`.
//! - A new table or column is a migration in both folders under the same number, expanding only. Types: id
//!   `BLOB`/`uuid`, time and money `INTEGER`/`bigint`, truth `INTEGER`/`boolean`, JSON `TEXT`/`jsonb`.

use std::{error::Error, future::Future};

use domain::{
    error::BoxError,
    ports::{StoreError, Stored},
};

mod change;
mod db;
mod direct;
mod direct_row;
mod made;
mod page;
mod row;
mod seen;
mod server;
mod sqlite;
mod statement;
mod tx;
mod value;
mod watch;

pub(crate) use db::{Connections, Db, Engine};
pub(crate) use made::Made;
pub(crate) use page::{Kept, Selection};
pub(crate) use row::{Row, get, json, maybe_json, maybe_named, maybe_time, named, time};
pub(crate) use seen::Seen;
pub(crate) use statement::{Statement, each};
pub(crate) use tx::Tx;
pub(crate) use value::{Value, args, json_of, keepable, keepable_json, maybe_json_of, name_of};

/// Result of the inside of a store method.
pub(crate) type Outcome<T> = Result<T, BoxError>;

/// Runs a method's inside and names the method in its failure.
pub(crate) async fn doing<T>(method: &'static str, work: impl Future<Output = Outcome<T>> + Send) -> Stored<T> {
    work.await.map_err(|source| StoreError { doing: method, source })
}

/// A failure outside any port's method.
pub(crate) fn failed<E: Into<Box<dyn Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |source| StoreError {
        doing,
        source: source.into(),
    }
}
