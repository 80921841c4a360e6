//! How values stand in columns, and how failures become the port's.

use std::{error::Error, future::Future};

use contract::Timestamp;
use domain::{
    error::BoxError,
    ports::{StoreError, Stored},
    records::{Listing, Page},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{Decode, Row, Sqlite, Type, sqlite::SqliteRow};
use uuid::Uuid;

/// Result of the inside of a store method.
pub(crate) type Outcome<T> = Result<T, BoxError>;

/// Runs a method's inside and names the method in its failure.
pub(crate) async fn doing<T>(method: &'static str, work: impl Future<Output = Outcome<T>> + Send) -> Stored<T> {
    work.await.map_err(|source| StoreError { doing: method, source })
}

/// A column.
pub(crate) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, column: &str) -> Outcome<T> {
    Ok(row.try_get(column)?)
}

/// A column of milliseconds.
pub(crate) fn time(row: &SqliteRow, column: &str) -> Outcome<Timestamp> {
    get(row, column).map(Timestamp::from_millis)
}

/// A column of milliseconds that may be empty.
pub(crate) fn maybe_time(row: &SqliteRow, column: &str) -> Outcome<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A column that holds the JSON name of a plain enum.
pub(crate) fn named<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Outcome<T> {
    Ok(serde_json::from_value(Value::String(get(row, column)?))?)
}

/// A column of JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Outcome<T> {
    Ok(serde_json::from_str(get(row, column)?)?)
}

/// A column of JSON that may be empty.
pub(crate) fn maybe_json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Outcome<Option<T>> {
    Ok(get::<Option<&str>>(row, column)?
        .map(serde_json::from_str)
        .transpose()?)
}

/// The JSON name of a plain enum.
pub(crate) fn name_of(value: &impl Serialize) -> Outcome<String> {
    match serde_json::to_value(value)? {
        Value::String(name) => Ok(name),
        other => Err(format!("not a plain name: {other}").into()),
    }
}

/// JSON text.
pub(crate) fn json_of(value: &impl Serialize) -> Outcome<String> {
    Ok(serde_json::to_string(value)?)
}

/// JSON text of what may be absent.
pub(crate) fn maybe_json_of<T: Serialize>(value: Option<&T>) -> Outcome<Option<String>> {
    value.map(json_of).transpose()
}

/// The id before which a page begins; the greatest of all ids for the first page.
pub(crate) fn before(page: Page) -> Uuid {
    page.before.unwrap_or(Uuid::max())
}

/// Rows skipped, as `SQLite` counts.
pub(crate) fn offset(page: Page) -> i64 {
    i64::try_from(page.offset).unwrap_or(i64::MAX)
}

/// A page from its rows and the count of all.
pub(crate) fn listing<T>(
    rows: &[SqliteRow],
    total: i64,
    read: impl FnMut(&SqliteRow) -> Outcome<T>,
) -> Outcome<Listing<T>> {
    let items = rows.iter().map(read).collect::<Outcome<Vec<T>>>()?;
    Ok(Listing {
        items,
        total: u64::try_from(total)?,
    })
}

/// A failure outside any port's method.
pub(crate) fn failed<E: Into<Box<dyn Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |source| StoreError {
        doing,
        source: source.into(),
    }
}
