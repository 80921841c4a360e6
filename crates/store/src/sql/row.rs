//! What comes out of a statement.

use contract::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{Column as _, Row as _, postgres::PgRow, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{Outcome, direct_row::DirectRow};

/// A row of either engine.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Direct(DirectRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a statement that asks for one.
    pub(super) fn only<T: Column>(&self) -> Outcome<T> {
        let name = match self {
            Self::Sqlite(row) => row.columns().first().map(|column| column.name().to_owned()),
            Self::Direct(row) => row.first().map(ToOwned::to_owned),
            Self::Postgres(row) => row.columns().first().map(|column| column.name().to_owned()),
        };
        T::read(self, &name.ok_or("a row without columns")?)
    }
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    fn read(row: &Row, column: &str) -> Outcome<Self>;
}

macro_rules! columns {
    ($($ty:ty),+) => {$(
        impl Column for $ty {
            fn read(row: &Row, column: &str) -> Outcome<Self> {
                Ok(match row {
                    Row::Sqlite(row) => row.try_get(column)?,
                    Row::Direct(row) => row.get(column)?,
                    Row::Postgres(row) => row.try_get(column)?,
                })
            }
        }

        impl Column for Option<$ty> {
            fn read(row: &Row, column: &str) -> Outcome<Self> {
                Ok(match row {
                    Row::Sqlite(row) => row.try_get(column)?,
                    Row::Direct(row) => row.maybe(column)?,
                    Row::Postgres(row) => row.try_get(column)?,
                })
            }
        }
    )+};
}
columns!(bool, i64, f64, String, Vec<u8>, Uuid);

/// Whole numbers that are kept as 64 bits; out of range is a failure.
macro_rules! narrow_columns {
    ($($ty:ty),+) => {$(
        impl Column for $ty {
            fn read(row: &Row, column: &str) -> Outcome<Self> {
                Ok(i64::read(row, column)?.try_into()?)
            }
        }

        impl Column for Option<$ty> {
            fn read(row: &Row, column: &str) -> Outcome<Self> {
                Ok(Option::<i64>::read(row, column)?.map(<$ty>::try_from).transpose()?)
            }
        }
    )+};
}
narrow_columns!(u16, u32, u64);

/// A column.
pub(crate) fn get<T: Column>(row: &Row, column: &str) -> Outcome<T> {
    T::read(row, column)
}

/// A column of milliseconds.
pub(crate) fn time(row: &Row, column: &str) -> Outcome<Timestamp> {
    get(row, column).map(Timestamp::from_millis)
}

/// A column of milliseconds that may be empty.
pub(crate) fn maybe_time(row: &Row, column: &str) -> Outcome<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A column that holds the JSON name of a plain enum.
pub(crate) fn named<T: DeserializeOwned>(row: &Row, column: &str) -> Outcome<T> {
    Ok(serde_json::from_value(serde_json::Value::String(get(row, column)?))?)
}

/// A column that holds the JSON name of a plain enum, or nothing.
pub(crate) fn maybe_named<T: DeserializeOwned>(row: &Row, column: &str) -> Outcome<Option<T>> {
    let name = get::<Option<String>>(row, column)?.map(serde_json::Value::String);
    Ok(name.map(serde_json::from_value).transpose()?)
}

/// A column of JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Outcome<T> {
    maybe_json(row, column)?.ok_or_else(|| format!("{column} is empty").into())
}

/// A column of JSON that may be empty.
pub(crate) fn maybe_json<T: DeserializeOwned>(row: &Row, column: &str) -> Outcome<Option<T>> {
    Ok(match row {
        Row::Sqlite(row) => (row.try_get::<Option<&str>, _>(column)?)
            .map(serde_json::from_str)
            .transpose()?,
        Row::Direct(row) => row.text(column)?.map(serde_json::from_str).transpose()?,
        Row::Postgres(row) => row.try_get::<Option<Json<T>>, _>(column)?.map(|json| json.0),
    })
}
