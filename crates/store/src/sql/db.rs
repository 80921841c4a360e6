//! Connections.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::ports::StoreError;
use sqlx::{SqlitePool, postgres::PgConnectOptions};

use super::{
    Outcome, Row, Statement, Tx, Value,
    direct::{Direct, Found},
    server::Server,
    sqlite,
    tx::bounded,
    value::{for_postgres, for_sqlite},
    watch::{Moment, Watch},
};

/// Which database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Connections to the database, opened with a patience. A wait for a connection or a lock ends after once of it, each
/// answer must come within twice, and a transaction begins nothing more after four times.
#[derive(Clone)]
pub(crate) struct Db {
    pub(super) connections: Connections,
    patience: Duration,
}

#[derive(Clone)]
pub(crate) enum Connections {
    /// One connection that writes, some that read beside it (WAL).
    ///
    /// Writers take turns at one connection, and each of their transactions is immediate: a deferred one that reads
    /// and then writes fails with `SQLITE_BUSY_SNAPSHOT` when another process wrote in between, and no timeout helps.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        /// For single rows.
        direct: Direct,
        /// For what was read before.
        watch: Watch,
    },
    /// All connections are alike.
    Postgres(Arc<Server>),
}

impl Db {
    /// Opens a file, made if there is none.
    pub(crate) async fn sqlite(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let connections = sqlite::open(path, patience).await?;
        Ok(Self { connections, patience })
    }

    /// Connects to a server.
    pub(crate) async fn postgres(options: &PgConnectOptions, patience: Duration) -> Result<Self, StoreError> {
        let server = Server::connect(options, patience).await?;
        Ok(Self {
            connections: Connections::Postgres(Arc::new(server)),
            patience,
        })
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.connections {
            Connections::Sqlite { .. } => Engine::Sqlite,
            Connections::Postgres(_) => Engine::Postgres,
        }
    }

    /// The present moment of the database, where that costs less than a read: what was read at it need not be read
    /// again while it lasts.
    pub(crate) fn moment(&self) -> Option<Moment> {
        match &self.connections {
            Connections::Sqlite { watch, .. } => watch.moment(Instant::now()),
            Connections::Postgres(_) => None,
        }
    }

    /// A transaction that may write.
    pub(crate) async fn write(&self) -> Outcome<Tx> {
        let deadline = self.deadline();
        match &self.connections {
            Connections::Sqlite { writer, direct, .. } => {
                let tx = bounded(deadline, Box::pin(writer.begin_with("BEGIN IMMEDIATE"))).await?;
                Ok(Tx::sqlite(tx, Some(direct.make_way()), deadline))
            }
            Connections::Postgres(server) => Tx::postgres(server, "BEGIN", deadline).await,
        }
    }

    /// A transaction that only reads, all of it from one moment.
    pub(crate) async fn read(&self) -> Outcome<Tx> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let deadline = self.deadline();
        match &self.connections {
            Connections::Sqlite { readers, .. } => {
                let tx = bounded(deadline, Box::pin(readers.begin())).await?;
                Ok(Tx::sqlite(tx, None, deadline))
            }
            Connections::Postgres(server) => Tx::postgres(server, SNAPSHOT, deadline).await,
        }
    }

    /// Makes what was committed outlast a power cut. A server sees to that at each commit; a file is told of it here,
    /// since it costs a write to the disk, which most changes can do without.
    pub(crate) async fn outlast_power(&self) -> Outcome<()> {
        match &self.connections {
            Connections::Sqlite { direct, .. } => {
                let synced = tokio::time::timeout(self.deadline(), sqlite::sync_journal(direct.path().to_owned()));
                Ok(synced.await??)
            }
            Connections::Postgres(_) => Ok(()),
        }
    }

    /// The row that a read finds by an index, if any; in `SQLite` it is read on this thread, so it must be quick.
    pub(crate) async fn fetch_optional(
        &self,
        sql: impl Into<Statement> + Send,
        args: Vec<Value>,
    ) -> Outcome<Option<Row>> {
        let sql = sql.into();
        if let Connections::Sqlite { direct, .. } = &self.connections
            && let Found::Row(row) = direct.fetch_optional(sql.sqlite.as_str(), &args)?
        {
            return Ok(row.map(Row::Direct));
        }
        // Kept apart, so that reads on this thread do not carry its room.
        Box::pin(self.fetch_optional_afar(sql, args)).await
    }

    async fn fetch_optional_afar(&self, sql: Statement, args: Vec<Value>) -> Outcome<Option<Row>> {
        let deadline = self.deadline();
        Ok(match &self.connections {
            Connections::Sqlite { readers, .. } => {
                let query = sqlx::query_with(sql.sqlite, for_sqlite(args)?);
                let row = bounded(deadline, query.fetch_optional(readers)).await?;
                row.map(Row::Sqlite)
            }
            Connections::Postgres(server) => {
                let (query, now) = (sqlx::query_with(sql.postgres, for_postgres(args)?), server.generation());
                let mut connection = server.connected(&now, deadline, Box::pin(now.pool.acquire())).await?;
                let row = server
                    .answer(&now, deadline, query.fetch_optional(&mut *connection))
                    .await?;
                row.map(Row::Postgres)
            }
        })
    }

    /// All rows that a read finds; for what is known to be few.
    pub(crate) async fn fetch_all(&self, sql: impl Into<Statement> + Send, args: Vec<Value>) -> Outcome<Vec<Row>> {
        let (sql, deadline) = (sql.into(), self.deadline());
        Ok(match &self.connections {
            Connections::Sqlite { readers, .. } => {
                let query = sqlx::query_with(sql.sqlite, for_sqlite(args)?);
                let rows = bounded(deadline, query.fetch_all(readers)).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Connections::Postgres(server) => {
                let (query, now) = (sqlx::query_with(sql.postgres, for_postgres(args)?), server.generation());
                let mut connection = server.connected(&now, deadline, Box::pin(now.pool.acquire())).await?;
                let rows = server.answer(&now, deadline, query.fetch_all(&mut *connection)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Closes all connections, once what runs on them is done.
    pub(crate) async fn close(&self) {
        match &self.connections {
            Connections::Sqlite {
                writer,
                readers,
                direct,
                ..
            } => {
                direct.close();
                readers.close().await;
                writer.close().await;
            }
            // What does not end within the deadline never will.
            Connections::Postgres(server) => {
                let _ = tokio::time::timeout(self.deadline(), server.generation().pool.close()).await;
            }
        }
    }

    fn deadline(&self) -> Duration {
        self.patience * 2
    }
}
