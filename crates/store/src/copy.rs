//! Moves everything from an `SQLite` file into PostgreSQL, and proves that it arrived.
//!
//! Tables and columns are found in the databases themselves, so that a new one can't be forgotten: a table that only
//! one side has, or a type that is not known here, is refused before anything is written.

mod catalog;
mod digest;

use domain::{
    error::BoxError,
    ports::{Store, StoreError},
};
use futures_util::TryStreamExt;

use crate::{
    SqlStore,
    sql::{Outcome, Row, Statement, Tx, Value, args, doing},
};
use catalog::{Catalog, Table};
use digest::Digest;

/// Rows that travel in one statement, at most.
const BATCH_ROWS: usize = 500;
/// Arguments of one statement; PostgreSQL takes 65,535.
const BATCH_ARGUMENTS: usize = 30_000;

/// One table on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableComparison {
    /// Its name.
    pub table: String,
    /// Rows in the source and in the target.
    pub rows: [u64; 2],
    /// SHA-256 over all values of all rows in the order of the primary key, in the source and in the target.
    pub hashes: [String; 2],
}

impl TableComparison {
    /// Whether both sides hold the same.
    pub fn is_equal(&self) -> bool {
        self.rows[0] == self.rows[1] && self.hashes[0] == self.hashes[1]
    }
}

/// Copies one moment of `source` into the empty `target` and compares both; what was not found equal is not kept. Both
/// must be migrated; `source` is an `SQLite` store and `target` one on PostgreSQL.
pub async fn copy_database(source: &SqlStore, target: &SqlStore) -> Result<Vec<TableComparison>, StoreError> {
    doing("copy the database", async {
        let mut from = source.db.read().await?;
        let catalog = catalog_of_both(source, target, &mut from).await?;
        let mut to = target.db.write().await?;
        take_time(&mut to).await?;
        // Nobody may write between the look at the empty tables and the end.
        for table in &catalog.tables {
            run(&mut to, format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.quoted())).await?;
        }
        must_be_empty(&mut to, &catalog).await?;
        // A total that each row adds to leaves a version behind for each row of one transaction, and the next row
        // walks past all of them. The totals are copied like every other table.
        triggers(&mut to, &catalog, "DISABLE").await?;
        for table in &catalog.tables {
            table_copy(&mut from, &mut to, table).await.map_err(in_table(table))?;
        }
        triggers(&mut to, &catalog, "ENABLE").await?;
        let compared = compare(&mut from, &mut to, &catalog).await?;
        if compared.iter().all(TableComparison::is_equal) {
            to.commit().await?;
        }
        Ok(compared)
    })
    .await
}

/// Compares two databases as they are now and changes nothing.
pub async fn compare_databases(source: &SqlStore, target: &SqlStore) -> Result<Vec<TableComparison>, StoreError> {
    doing("compare the databases", async {
        let mut from = source.db.read().await?;
        let catalog = catalog_of_both(source, target, &mut from).await?;
        let mut to = target.db.read().await?;
        take_time(&mut to).await?;
        compare(&mut from, &mut to, &catalog).await
    })
    .await
}

/// The tables, once it is sure that both sides have the same and that the secrets stay readable.
async fn catalog_of_both(source: &SqlStore, target: &SqlStore, from: &mut Tx) -> Outcome<Catalog> {
    if source.name() != "sqlite" || target.name() != "postgres" {
        return Err("the source must be an SQLite file and the target a PostgreSQL database".into());
    }
    for (store, side) in [(source, "source"), (target, "target")] {
        let pending = store.pending_migrations().await?;
        if let Some(first) = pending.first() {
            return Err(format!("the {side} lacks the migration {first}; run `callwright migrate` on it first").into());
        }
    }
    source.key_opens_secrets().await?;
    let mut to = target.db.read().await?;
    catalog::of_both(from, &mut to).await
}

/// Lifts the limits that keep requests short.
async fn take_time(to: &mut Tx) -> Outcome<()> {
    to.take_time().await?;
    // Else the server keeps a note of every row until the commit.
    to.execute("SET CONSTRAINTS ALL IMMEDIATE", args![]).await.map(drop)
}

/// Switches the triggers of all tables but those that keep references.
async fn triggers(to: &mut Tx, catalog: &Catalog, switch: &str) -> Outcome<()> {
    for table in &catalog.tables {
        run(to, format!("ALTER TABLE {} {switch} TRIGGER USER", table.quoted())).await?;
    }
    Ok(())
}

async fn run(to: &mut Tx, sql: String) -> Outcome<()> {
    to.execute(Statement::built(sql), args![]).await.map(drop)
}

async fn must_be_empty(to: &mut Tx, catalog: &Catalog) -> Outcome<()> {
    for table in catalog.tables.iter().filter(|table| !table.is_of_the_opener()) {
        let sql = format!("SELECT 1 AS there FROM {} LIMIT 1", table.quoted());
        if to.fetch_optional(Statement::built(sql), args![]).await?.is_some() {
            return Err(format!("the target is not empty: the table {} has rows", table.name).into());
        }
    }
    Ok(())
}

async fn table_copy(from: &mut Tx, to: &mut Tx, table: &Table) -> Outcome<()> {
    if table.is_of_the_opener() {
        run(to, format!("DELETE FROM {}", table.quoted())).await?;
    }
    let width = table.columns.len();
    let batch_rows = BATCH_ROWS.min(BATCH_ARGUMENTS / width);
    let mut batch: Vec<Value> = Vec::with_capacity(batch_rows * width);
    let mut rows = from.stream(table.select(), args![]);
    while let Some(row) = rows.try_next().await? {
        batch.extend(table.values(&row)?);
        if batch.len() == batch_rows * width {
            insert(to, table, std::mem::take(&mut batch)).await?;
        }
    }
    insert(to, table, batch).await
}

async fn insert(to: &mut Tx, table: &Table, batch: Vec<Value>) -> Outcome<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let sql = table.insert(batch.len() / table.columns.len());
    to.execute(sql, batch).await.map(drop)
}

async fn compare(from: &mut Tx, to: &mut Tx, catalog: &Catalog) -> Outcome<Vec<TableComparison>> {
    let mut compared = Vec::new();
    for table in &catalog.tables {
        let (from_rows, from_hash) = summary(from, table).await.map_err(in_table(table))?;
        let (to_rows, to_hash) = summary(to, table).await.map_err(in_table(table))?;
        compared.push(TableComparison {
            table: table.name.clone(),
            rows: [from_rows, to_rows],
            hashes: [from_hash, to_hash],
        });
    }
    Ok(compared)
}

/// How many rows, and the hash of all.
async fn summary(tx: &mut Tx, table: &Table) -> Outcome<(u64, String)> {
    let mut rows = tx.stream(table.select(), args![]);
    let (mut count, mut digest) = (0, Digest::default());
    while let Some(row) = rows.try_next().await? {
        count += 1;
        for value in table.values(&row)? {
            digest.add(&value);
        }
    }
    Ok((count, digest.finish()))
}

fn in_table(table: &Table) -> impl FnOnce(BoxError) -> BoxError {
    let name = table.name.clone();
    move |error| format!("table {name}: {error}").into()
}
