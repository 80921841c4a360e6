//! Rows of point reads, taken out of the database.

use std::sync::Arc;

use rusqlite::types::Value as Raw;
use uuid::Uuid;

use super::Outcome;

/// What the columns of a statement are called.
pub(super) type Names = Arc<[String]>;

/// A row, taken out of the database.
#[derive(PartialEq)]
pub(crate) struct DirectRow {
    names: Names,
    values: Vec<Raw>,
}

impl DirectRow {
    /// A row of as many values as there are names of columns.
    pub(super) fn new(names: Names, values: Vec<Raw>) -> Self {
        Self { names, values }
    }

    /// A row of one text.
    #[cfg(test)]
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self {
            names: Arc::new([name.to_owned()]),
            values: vec![Raw::Text(text.to_owned())],
        }
    }

    /// What its values take.
    pub(super) fn bytes(&self) -> usize {
        let of_one = |value: &Raw| match value {
            Raw::Text(text) => text.len(),
            Raw::Blob(bytes) => bytes.len(),
            Raw::Null | Raw::Integer(_) | Raw::Real(_) => 0,
        };
        size_of_val(self.values.as_slice()) + self.values.iter().map(of_one).sum::<usize>()
    }

    /// The name of the first column.
    pub(super) fn first(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    /// A value that must be there.
    pub(super) fn get<T: FromRaw>(&self, column: &str) -> Outcome<T> {
        self.maybe(column)?.ok_or_else(|| format!("{column} is empty").into())
    }

    /// A value, `None` for null.
    pub(super) fn maybe<T: FromRaw>(&self, column: &str) -> Outcome<Option<T>> {
        match self.raw(column)? {
            Raw::Null => Ok(None),
            value => {
                let read = T::from_raw(value);
                read.map(Some)
                    .ok_or_else(|| format!("{column} is of another type").into())
            }
        }
    }

    /// A text as it lies there, `None` for null.
    pub(super) fn text(&self, column: &str) -> Outcome<Option<&str>> {
        match self.raw(column)? {
            Raw::Null => Ok(None),
            Raw::Text(text) => Ok(Some(text)),
            _ => Err(format!("{column} is no text").into()),
        }
    }

    fn raw(&self, column: &str) -> Outcome<&Raw> {
        let place = self.names.iter().position(|name| name == column);
        let value = place.and_then(|place| self.values.get(place));
        value.ok_or_else(|| format!("no column {column}").into())
    }
}

/// What a value can be read as; `None` when it is of another type.
pub(super) trait FromRaw: Sized {
    fn from_raw(value: &Raw) -> Option<Self>;
}

macro_rules! from_raw {
    ($($ty:ty: $($pattern:pat => $read:expr),+;)+) => {$(
        impl FromRaw for $ty {
            fn from_raw(value: &Raw) -> Option<Self> {
                match value {
                    $($pattern => $read,)+
                    _ => None,
                }
            }
        }
    )+};
}

from_raw! {
    bool: Raw::Integer(value) => Some(*value != 0);
    i64: Raw::Integer(value) => Some(*value);
    f64: Raw::Real(value) => Some(*value), Raw::Integer(value) => Some(*value as f64);
    String: Raw::Text(value) => Some(value.clone());
    Vec<u8>: Raw::Blob(value) => Some(value.clone());
    Uuid: Raw::Blob(value) => Uuid::from_slice(value).ok();
}
