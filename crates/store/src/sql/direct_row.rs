//! Rows of point reads, taken out of the database.

use std::{ops::Range, sync::Arc};

use rusqlite::types::ValueRef;
use uuid::Uuid;

use super::Outcome;

/// What the columns of a statement are called.
pub(super) type Names = Arc<[String]>;

/// Room for the texts and bytes of most rows.
const BYTES: usize = 1024;

/// A row, taken out of the database as it lies there: most rows are only compared with what was read before.
#[derive(PartialEq)]
pub(crate) struct DirectRow {
    names: Names,
    cells: Vec<Cell>,
    /// All texts and blobs, one after the other.
    bytes: Vec<u8>,
}

/// A value, or where it lies.
#[derive(PartialEq)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Range<usize>),
    Blob(Range<usize>),
}

impl DirectRow {
    /// What a statement found, which has as many columns as there are names.
    pub(super) fn of(names: Names, row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let mut taken = Self {
            cells: Vec::with_capacity(names.len()),
            names,
            bytes: Vec::with_capacity(BYTES),
        };
        for index in 0..taken.names.len() {
            taken.push(row.get_ref(index)?);
        }
        Ok(taken)
    }

    fn push(&mut self, value: ValueRef<'_>) {
        let mut put = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        self.cells.push(match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Integer(value),
            ValueRef::Real(value) => Cell::Real(value),
            ValueRef::Text(text) => Cell::Text(put(text)),
            ValueRef::Blob(blob) => Cell::Blob(put(blob)),
        });
    }

    /// A row of one text.
    #[cfg(test)]
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        let mut row = Self {
            names: Arc::new([name.to_owned()]),
            cells: Vec::new(),
            bytes: Vec::new(),
        };
        row.push(ValueRef::Text(text.as_bytes()));
        row
    }

    /// What its values take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.cells.as_slice()) + self.bytes.capacity()
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
            ValueRef::Null => Ok(None),
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
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => Ok(Some(str::from_utf8(text)?)),
            _ => Err(format!("{column} is no text").into()),
        }
    }

    fn raw(&self, column: &str) -> Outcome<ValueRef<'_>> {
        let place = self.names.iter().position(|name| name == column);
        let cell = place.and_then(|place| self.cells.get(place));
        Ok(match cell.ok_or_else(|| format!("no column {column}"))? {
            Cell::Null => ValueRef::Null,
            Cell::Integer(value) => ValueRef::Integer(*value),
            Cell::Real(value) => ValueRef::Real(*value),
            Cell::Text(place) => ValueRef::Text(&self.bytes[place.clone()]),
            Cell::Blob(place) => ValueRef::Blob(&self.bytes[place.clone()]),
        })
    }
}

/// What a value can be read as; `None` when it is of another type.
pub(super) trait FromRaw: Sized {
    fn from_raw(value: ValueRef<'_>) -> Option<Self>;
}

macro_rules! from_raw {
    ($($ty:ty: $($pattern:pat => $read:expr),+;)+) => {$(
        impl FromRaw for $ty {
            fn from_raw(value: ValueRef<'_>) -> Option<Self> {
                match value {
                    $($pattern => $read,)+
                    _ => None,
                }
            }
        }
    )+};
}

from_raw! {
    bool: ValueRef::Integer(value) => Some(value != 0);
    i64: ValueRef::Integer(value) => Some(value);
    f64: ValueRef::Real(value) => Some(value), ValueRef::Integer(value) => Some(value as f64);
    String: ValueRef::Text(value) => str::from_utf8(value).ok().map(str::to_owned);
    Vec<u8>: ValueRef::Blob(value) => Some(value.to_vec());
    Uuid: ValueRef::Blob(value) => Uuid::from_slice(value).ok();
}
