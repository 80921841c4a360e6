//! The store: opened, migrated, probed and closed.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    nodes::NodeId,
    ports::{Store, StoreError},
    records::{AgentRecord, KeyRecord},
};
use sqlx::migrate::Migrator;

use crate::{
    DatabaseAddress, migrations,
    node::node_in,
    seal::Sealer,
    sql::{Connections, Db, Engine, Made, Outcome, Seen, args, doing, failed, get},
};

/// Longest wait for a connection, and for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of the store in one database.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) db: Db,
    pub(crate) sealer: Arc<Sealer>,
    /// Keys by their prefix: nearly every request asks for one.
    pub(crate) keys_seen: Seen<String, Arc<KeyRecord>>,
    /// Agents by their id, as they were read.
    pub(crate) agents_made: Made<AgentRecord>,
    /// Which node calls that are created here belong to.
    pub(crate) node: NodeId,
}

impl SqlStore {
    /// Opens the database and brings its schema up to date. A file is made if there is none; a PostgreSQL database
    /// must be there. `secret.key` lies in the data folder, made when a database is opened for the first time; a
    /// database that knows another is refused, as secrets in it could not be read.
    pub async fn open(address: &DatabaseAddress, data_folder: &Path) -> Result<Self, StoreError> {
        let store = Self::open_without_migrating(address, data_folder).await?;
        store.migrate().await?;
        let applied = doing("list migrations", store.applied_migrations()).await?;
        migrations::tell_later_ones(&store.known_migrations(), &applied);
        store.key_opens_secrets().await?;
        store.key_claims_database().await?;
        Ok(store)
    }

    /// Opens a file whose folder is also the data folder; otherwise as [`Self::open`].
    pub async fn open_file(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::open(&path.into(), path.parent().unwrap_or(Path::new(""))).await
    }

    /// Opens the database and leaves its schema as it is.
    pub async fn open_without_migrating(address: &DatabaseAddress, data_folder: &Path) -> Result<Self, StoreError> {
        Self::open_with_patience(address, data_folder, PATIENCE).await
    }

    /// As [`Self::open_without_migrating`]; every wait ends after so long, every answer comes within twice that.
    pub(crate) async fn open_with_patience(
        address: &DatabaseAddress,
        data_folder: &Path,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        make_folders([Some(data_folder), parent(address)]).await?;
        let db = match address {
            DatabaseAddress::Sqlite(path) => Db::sqlite(path, patience).await?,
            DatabaseAddress::Postgres(options) => Db::postgres(options, patience).await?,
        };
        let known = doing("look for the database's key", known_key(&db)).await?;
        let sealer = sealer(data_folder.join("secret.key"), known.is_some()).await?;
        Ok(Self {
            db,
            sealer: Arc::new(sealer),
            keys_seen: Seen::default(),
            agents_made: Made::default(),
            node: node(data_folder.join("node.id")).await?,
        })
    }

    /// Brings the schema up to date; fine when it is. Those that do so at once take turns, and nodes that work on the
    /// database meanwhile go on.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_to(None).await
    }

    /// As [`Self::migrate`], no further than a version.
    pub(crate) async fn migrate_to(&self, version: Option<i64>) -> Result<(), StoreError> {
        match self.db.connections() {
            Connections::Sqlite { writer, direct, .. } => {
                let _change = direct.make_way();
                migrations::sqlite(writer, version).await
            }
            Connections::Postgres(server) => migrations::postgres(&server.options(), version).await,
        }
    }

    /// Migrations that were not run yet, in their order, e.g. `0001 initial`.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let applied = doing("list migrations", self.applied_migrations()).await?;
        let migrations = self.known_migrations();
        let pending = migrations
            .iter()
            .filter(|migration| !applied.contains(&migration.version));
        Ok(pending
            .map(|migration| format!("{:04} {}", migration.version, migration.description))
            .collect())
    }

    /// Whether the database can be read, and a server written to; for readiness probes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        doing("ping the database", async {
            // In SQLite a page of the file, which `SELECT 1` would not touch.
            let sql = crate::sql::each(
                "SELECT COUNT(*) < 0 AS read_only FROM sqlite_master",
                "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only",
            );
            let row = self.db.fetch_optional(sql, args![]).await?;
            match row.map(|row| get::<bool>(&row, "read_only")).transpose()? {
                Some(false) => Ok(()),
                _ => Err("the database takes no writes".into()),
            }
        })
        .await
    }

    /// Closes all connections, once what runs on them is done.
    pub async fn close(&self) {
        self.db.close().await;
    }

    fn known_migrations(&self) -> Migrator {
        match self.db.engine() {
            Engine::Sqlite => migrations::of_sqlite(),
            Engine::Postgres => migrations::of_postgres(),
        }
    }

    async fn applied_migrations(&self) -> Outcome<HashSet<i64>> {
        if !has_table(&self.db, "_sqlx_migrations").await? {
            return Ok(HashSet::new());
        }
        let applied = "SELECT version FROM _sqlx_migrations WHERE success";
        let rows = self.db.fetch_all(applied, args![]).await?;
        rows.iter().map(|row| get(row, "version")).collect()
    }

    /// Says at the start, not at the first call, that `secret.key` was lost or exchanged.
    pub(crate) async fn key_opens_secrets(&self) -> Result<(), StoreError> {
        doing("check the sealed secrets", async {
            self.key_is_known_one().await?;
            let sql = "SELECT COUNT(*) AS sealed FROM trunks WHERE password_key <> $1";
            let mut tx = self.db.read().await?;
            match tx.scalar::<i64>(sql, args![self.sealer.key_id()]).await? {
                0 => Ok(()),
                sealed => Err(format!(
                    "{sealed} trunk password(s) were sealed with another key than the one in secret.key"
                )
                .into()),
            }
        })
        .await
    }

    /// Whoever opens a database first says with which key; with another one nobody opens it, lest two nodes write what
    /// the other can't read.
    async fn key_claims_database(&self) -> Result<(), StoreError> {
        doing("compare the key of the database", async {
            if known_key(&self.db).await?.is_none() {
                let mut tx = self.db.write().await?;
                let sql = "INSERT INTO sealing_key (only_row, key_id) VALUES (1, $1) ON CONFLICT DO NOTHING";
                tx.execute(sql, args![self.sealer.key_id()]).await?;
                tx.commit().await?;
            }
            self.key_is_known_one().await
        })
        .await
    }

    /// Fails when somebody opened the database with another key before.
    async fn key_is_known_one(&self) -> Outcome<()> {
        match known_key(&self.db).await? {
            Some(known) if known != self.sealer.key_id() => Err("the database was first opened with another \
                 secret.key; put that one into the data folder (see docs/databases.md)"
                .into()),
            _ => Ok(()),
        }
    }
}

/// The name of the key with which secrets in the database are sealed, once somebody opened it.
async fn known_key(db: &Db) -> Outcome<Option<String>> {
    if !has_table(db, "sealing_key").await? {
        return Ok(None);
    }
    let row = db.fetch_optional("SELECT key_id FROM sealing_key", args![]).await?;
    row.map(|row| get(&row, "key_id")).transpose()
}

async fn has_table(db: &Db, name: &str) -> Outcome<bool> {
    let sql = crate::sql::each(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1",
        "SELECT table_name::text AS name FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_name = $1",
    );
    Ok(!db.fetch_all(sql, args![name]).await?.is_empty())
}

fn parent(address: &DatabaseAddress) -> Option<&Path> {
    match address {
        DatabaseAddress::Sqlite(path) => path.parent(),
        DatabaseAddress::Postgres(_) => None,
    }
}

async fn make_folders(folders: [Option<&Path>; 2]) -> Result<(), StoreError> {
    for folder in folders.into_iter().flatten() {
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(failed("make the data folder"))?;
    }
    Ok(())
}

/// Makes a key for a database that knows none.
async fn sealer(path: PathBuf, is_known: bool) -> Result<Sealer, StoreError> {
    let open = move || {
        if is_known {
            Sealer::open_known(&path)
        } else {
            Sealer::open(&path)
        }
    };
    let opened = tokio::task::spawn_blocking(open)
        .await
        .map_err(failed("open secret.key"))?;
    opened.map_err(failed("open secret.key"))
}

async fn node(path: PathBuf) -> Result<NodeId, StoreError> {
    let read = tokio::task::spawn_blocking(move || node_in(&path)).await;
    read.map_err(failed("read node.id"))?.map_err(failed("read node.id"))
}

impl Store for SqlStore {
    fn name(&self) -> &'static str {
        match self.db.engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        }
    }
}
