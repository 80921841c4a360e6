//! Point reads of `SQLite`, on the thread that asks.
//!
//! sqlx gives each connection a thread of its own and crosses over to it three times for one query of a pool: to see
//! whether the connection lives, for the query, and to see again. A row by its key takes a few microseconds to find,
//! and the crossings take many times that. So the statement that finds at most one row runs right here, on a connection
//! that is lent for as long. Lists, and whatever may take long, stay with sqlx.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Statement,
    types::{ToSql, ToSqlOutput, Value as Raw, ValueRef},
};
use uuid::Uuid;

use super::{Outcome, Value, sqlite::Identity};

/// Connections kept for the next read; at most as many are lent as there are threads that ask.
const IDLE_MAX: usize = 16;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

/// Connections for point reads of one file.
#[derive(Clone)]
pub(crate) struct Direct(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Lent>>>,
    identity: Identity,
}

/// A connection, when it was made, and what the columns of its statements are called.
struct Lent {
    connection: Connection,
    made: Instant,
    names: HashMap<String, Names>,
}

type Names = Arc<[String]>;

/// What came of a point read.
pub(crate) enum Found {
    Row(Option<DirectRow>),
    /// Another process has the file for itself right now, and who can wait without holding up a thread should; or
    /// the store is closed, and who knows how to say so should.
    NotHere,
}

impl Direct {
    /// Reads of this file, which must be there by the first of them.
    pub(super) fn new(path: PathBuf, identity: Identity) -> Self {
        let idle = Mutex::new(Some(Vec::new()));
        Self(Arc::new(Inner { path, idle, identity }))
    }

    /// The first row that a statement finds.
    pub(crate) fn fetch_optional(&self, sql: &str, args: &[Value]) -> Outcome<Found> {
        let Some(idle) = self.idle().as_mut().map(Vec::pop) else {
            return Ok(Found::NotHere);
        };
        let idle = idle.filter(|lent| {
            self.0
                .identity
                .was_of_present_file(&self.0.path, lent.made, Instant::now())
        });
        let lent = idle.map_or_else(|| self.open(), Ok);
        let found = lent.and_then(|mut lent| {
            let row = lent.fetch(sql, args)?;
            self.put(lent);
            Ok(row)
        });
        match found {
            Ok(row) => Ok(Found::Row(row)),
            Err(error) if is_busy(&error) => Ok(Found::NotHere),
            Err(error) => Err(error.into()),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Closes what is not lent.
    pub(crate) fn close(&self) {
        *self.idle() = None;
    }

    fn open(&self) -> rusqlite::Result<Lent> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0.path, flags)?;
        // In WAL mode readers wait for nobody, but for the moment in which another process recovers or closes the file.
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(Lent {
            connection,
            made: Instant::now(),
            names: HashMap::new(),
        })
    }

    /// A connection on which something failed is not put back.
    fn put(&self, lent: Lent) {
        if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < IDLE_MAX) {
            idle.push(lent);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Vec<Lent>>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    fn fetch(&mut self, sql: &str, args: &[Value]) -> rusqlite::Result<Option<DirectRow>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for index in 1..=statement.parameter_count() {
            // `$2` is a name to SQLite, which numbers names as they come.
            let number = statement.parameter_name(index).and_then(|name| name[1..].parse().ok());
            let value = args.get(number.unwrap_or(index) - 1);
            statement.raw_bind_parameter(index, value)?;
        }
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        let names = names_of(&mut self.names, sql, row);
        let values = (0..names.len()).map(|index| row.get(index));
        let values = values.collect::<rusqlite::Result<_>>()?;
        Ok(Some(DirectRow { names, values }))
    }
}

/// The names of a row's columns. A migration adds columns to the end of a table and takes none away, so a statement
/// whose columns are as many as before has the same ones.
fn names_of(known: &mut HashMap<String, Names>, sql: &str, row: &rusqlite::Row<'_>) -> Names {
    let statement: &Statement<'_> = row.as_ref();
    match known.get(sql) {
        Some(names) if names.len() == statement.column_count() => Arc::clone(names),
        _ => {
            let names: Names = statement.column_names().into_iter().map(str::to_owned).collect();
            if known.len() >= STATEMENTS_MAX {
                known.clear();
            }
            known.insert(sql.to_owned(), Arc::clone(&names));
            names
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Bool(value) => value.map(|value| ValueRef::Integer(value.into())),
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Float(value) => value.map(ValueRef::Real),
            Self::Text(value) | Self::Json(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.as_deref().map(ValueRef::Blob),
            Self::Id(value) => value.as_ref().map(|id| ValueRef::Blob(id.as_bytes())),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

/// A row, taken out of the database.
#[derive(PartialEq)]
pub(crate) struct DirectRow {
    names: Names,
    values: Vec<Raw>,
}

impl DirectRow {
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
