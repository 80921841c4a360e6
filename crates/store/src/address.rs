//! Which database, as an operator writes it.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::postgres::PgConnectOptions;

/// A file for `SQLite`, or the address of a PostgreSQL database. Shown without its password.
#[derive(Clone)]
pub enum DatabaseAddress {
    /// A file on the local disk.
    Sqlite(PathBuf),
    /// A server, database and role.
    Postgres(Box<PgConnectOptions>),
}

/// Why an address can't be one. Says nothing of the address, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing is there.
    #[error("a database is a path, or postgres://user:password@host:port/database")]
    Empty,
    /// It begins like an address of PostgreSQL.
    #[error("not a valid address of PostgreSQL; it looks like postgres://user:password@host:port/database")]
    NotPostgres,
    /// It begins like an address of something else.
    #[error("databases are SQLite files and postgres:// addresses, nothing else")]
    UnknownKind,
}

impl FromStr for DatabaseAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => match text.parse() {
                Ok(options) => Ok(Self::Postgres(Box::new(options))),
                Err(_) => Err(AddressError::NotPostgres),
            },
            Some("sqlite") => (text.trim_start_matches("sqlite://")).parse(),
            Some(_) => Err(AddressError::UnknownKind),
            None if text.is_empty() => Err(AddressError::Empty),
            None => Ok(Self::Sqlite(PathBuf::from(text))),
        }
    }
}

impl From<&Path> for DatabaseAddress {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(to),
            Self::Postgres(options) => write!(
                to,
                "postgres://{}@{}:{}/{}",
                options.get_username(),
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or(options.get_username()),
            ),
        }
    }
}

/// As it is displayed: what sqlx derives for its options would show the password.
impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "DatabaseAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_says_which_engine() {
        for path in ["data/callwright.db", "sqlite://data/callwright.db"] {
            let address: DatabaseAddress = path.parse().unwrap();
            assert!(matches!(address, DatabaseAddress::Sqlite(file) if file == Path::new("data/callwright.db")));
        }
        for url in [
            "postgres://a:b@db.internal/callwright",
            "postgresql://db.internal:5432/x",
        ] {
            assert!(matches!(url.parse().unwrap(), DatabaseAddress::Postgres(_)), "{url}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused_without_repeating_it() {
        for (text, error) in [
            ("", AddressError::Empty),
            ("mysql://root:hunter2@db/x", AddressError::UnknownKind),
            ("postgres://a:hunter2@db:notaport/x", AddressError::NotPostgres),
        ] {
            assert_eq!(text.parse::<DatabaseAddress>().unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address: DatabaseAddress = "postgres://callwright:hunter2@db.internal:5433/prod".parse().unwrap();
        assert_eq!(address.to_string(), "postgres://callwright@db.internal:5433/prod");
        assert!(!format!("{address:?}").contains("hunter2"), "nor to who looks for bugs");
    }
}
