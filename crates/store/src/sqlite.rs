//! `SQLite`: one connection that writes, some that read beside it (WAL).
//!
//! Writers take turns at one connection, and each of their transactions is immediate: a deferred one that reads and
//! then writes fails with `SQLITE_BUSY_SNAPSHOT` when another process wrote in between, and no timeout helps.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::ports::{Store, StoreError};
use sqlx::{
    Row, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    row::{Outcome, doing, failed},
    seal::Sealer,
};

mod agents;
mod calls;
mod organizations;
mod telephony;
mod voices;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Connections that read.
const READERS: u32 = 4;
/// Longest wait for a connection, and for the lock that another process holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of the store in one `SQLite` file.
#[derive(Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    sealer: Arc<Sealer>,
}

impl SqliteStore {
    /// Opens the database, made if there is none, and brings its schema up to date. `secret.key` lies beside it, made
    /// at the first start; without it the passwords in the database can't be read.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let store = Self::open_without_migrating(path).await?;
        store.migrate().await?;
        store.key_opens_secrets().await?;
        Ok(store)
    }

    /// Opens the database, made if there is none, and leaves its schema as it is.
    pub async fn open_without_migrating(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let sealer = sealer_beside(path.clone()).await?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
        };
        // The writer comes first: it makes the file and its journal, which readers must find.
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(failed("open the database"))?;
        let reading = options.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool(READERS)
            .connect_with(reading)
            .await
            .map_err(failed("open the database for reading"))?;
        Ok(Self {
            writer,
            readers,
            sealer: Arc::new(sealer),
        })
    }

    /// Brings the schema up to date; fine when it is.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS
            .run(&self.writer)
            .await
            .map_err(failed("migrate the database"))
    }

    /// Migrations that were not run yet, in their order, e.g. `0001 initial`.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let applied = doing("list migrations", self.applied_migrations()).await?;
        let pending = MIGRATIONS
            .iter()
            .filter(|migration| !applied.contains(&migration.version));
        Ok(pending
            .map(|migration| format!("{:04} {}", migration.version, migration.description))
            .collect())
    }

    /// Whether the database answers; for readiness probes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.readers)
            .await
            .map(drop)
            .map_err(failed("ping the database"))
    }

    /// Closes all connections, once what runs on them is done.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write.
    async fn write(&self) -> Outcome<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that only reads, so that a page and its count agree.
    async fn read(&self) -> Outcome<Transaction<'static, Sqlite>> {
        Ok(self.readers.begin().await?)
    }

    async fn applied_migrations(&self) -> Outcome<HashSet<i64>> {
        let known = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
        if sqlx::query_scalar::<_, i64>(known).fetch_one(&self.readers).await? == 0 {
            return Ok(HashSet::new());
        }
        let applied = "SELECT version FROM _sqlx_migrations WHERE success";
        Ok(sqlx::query_scalar(applied)
            .fetch_all(&self.readers)
            .await?
            .into_iter()
            .collect())
    }

    /// Says at the start, not at the first call, that `secret.key` was lost or exchanged.
    async fn key_opens_secrets(&self) -> Result<(), StoreError> {
        let others = "SELECT COUNT(*) AS sealed FROM trunks WHERE password_key <> ?1";
        let row = sqlx::query(others)
            .bind(self.sealer.key_id())
            .fetch_one(&self.readers)
            .await
            .map_err(failed("check the sealed secrets"))?;
        match row
            .try_get::<i64, _>("sealed")
            .map_err(failed("check the sealed secrets"))?
        {
            0 => Ok(()),
            sealed => {
                let cause =
                    format!("{sealed} trunk password(s) were sealed with another key than the one in secret.key");
                Err(failed("check the sealed secrets")(cause))
            }
        }
    }
}

/// The sealer with the key beside the database, whose directory is made if need be.
async fn sealer_beside(database: PathBuf) -> Result<Sealer, StoreError> {
    let open = move || {
        if let Some(directory) = database.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Sealer::open(&database.with_file_name("secret.key"))
    };
    let opened = tokio::task::spawn_blocking(open)
        .await
        .map_err(failed("open secret.key"))?;
    opened.map_err(failed("open secret.key"))
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }
}
