//! A database for one test, on either engine.
//!
//! On PostgreSQL each test gets a schema in one database for all tests: a tenth of the time that a database takes,
//! which the server writes to the disk file by file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use domain::ports::StoreError;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use uuid::Uuid;

use crate::{DatabaseAddress, SqlStore, sql::Connections};

/// Where the server is, when nothing else is said.
const SERVER: &str = "postgres://postgres@127.0.0.1:5432/postgres";
/// The database for all tests.
const TESTS: &str = "callwright_tests";
/// `invalid_catalog_name`.
const NO_SUCH_DATABASE: &str = "3D000";

/// Which engine a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the test's folder.
    Sqlite,
    /// A schema of its own on the server that `TEST_POSTGRES_URL` names.
    Postgres,
}

impl Engine {
    /// The one that `TEST_ENGINE` names; `SQLite` when it names none.
    pub fn from_environment() -> Self {
        match std::env::var("TEST_ENGINE").as_deref() {
            Ok("postgres") => Self::Postgres,
            Ok("sqlite") | Err(_) => Self::Sqlite,
            Ok(other) => panic!("TEST_ENGINE is sqlite or postgres, not {other:?}"),
        }
    }
}

/// A migrated database without rows; it goes with the value.
#[derive(Debug)]
pub struct TestDatabase {
    address: DatabaseAddress,
    folder: PathBuf,
    /// To be dropped.
    schema: Option<String>,
}

impl TestDatabase {
    /// One on this engine; its data folder is `folder`.
    pub async fn new(engine: Engine, folder: &Path) -> Self {
        let database = Self::unmigrated(engine, folder).await;
        if engine == Engine::Postgres {
            database.migrate_to(i64::MAX).await;
        }
        database
    }

    /// Brings the schema as far as this version and no further, as a release of then did.
    pub async fn migrate_to(&self, version: i64) {
        let migrated = async {
            let store = SqlStore::open_without_migrating(&self.address, &self.folder).await?;
            store.migrate_to(Some(version)).await?;
            store.close().await;
            Ok::<_, StoreError>(())
        };
        if let Err(error) = migrated.await {
            panic!("the schema of a test was not made: {error:?}");
        }
    }

    /// One without a schema.
    pub async fn unmigrated(engine: Engine, folder: &Path) -> Self {
        let folder = folder.to_owned();
        if engine == Engine::Sqlite {
            return Self {
                address: folder.join("callwright.db").as_path().into(),
                folder,
                schema: None,
            };
        }
        let schema = format!("test_{}", Uuid::now_v7().simple());
        if let Err(error) = schema_create(&schema).await {
            panic!("PostgreSQL at {} is needed for this test: {error}", shown_server());
        }
        // What a test writes need not outlive the machine.
        let options = [("search_path", schema.as_str()), ("synchronous_commit", "off")];
        Self {
            address: DatabaseAddress::Postgres(Box::new(tests().options(options))),
            folder,
            schema: Some(schema),
        }
    }

    /// A store on it.
    pub async fn open(&self) -> SqlStore {
        self.open_by(&self.address).await
    }

    /// A store on it, found at another address.
    pub async fn open_by(&self, address: &DatabaseAddress) -> SqlStore {
        match SqlStore::open(address, &self.folder).await {
            Ok(store) => store,
            Err(error) => panic!("a test's database did not open: {error:?}"),
        }
    }

    /// A store of another node on it, which lives in `folder`.
    pub async fn open_beside(&self, folder: &Path) -> SqlStore {
        let key = std::fs::copy(self.folder.join("secret.key"), folder.join("secret.key"));
        key.unwrap_or_else(|error| panic!("the key was not copied: {error}"));
        match SqlStore::open(&self.address, folder).await {
            Ok(store) => store,
            Err(error) => panic!("a test's database did not open: {error:?}"),
        }
    }

    /// A store on it, or through `address`, that waits only so long; see [`fill_disk`] for what else can go wrong.
    pub async fn open_impatient(&self, address: &DatabaseAddress, patience: Duration) -> SqlStore {
        let opened = async {
            let store = SqlStore::open_with_patience(address, &self.folder, patience).await?;
            store.migrate().await.map(|()| store)
        };
        match opened.await {
            Ok(store) => store,
            Err(error) => panic!("a test's database did not open: {error:?}"),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &DatabaseAddress {
        &self.address
    }

    /// Where its server listens; none for a file.
    pub async fn server(&self) -> Option<SocketAddr> {
        let DatabaseAddress::Postgres(options) = &self.address else {
            return None;
        };
        let mut found = match tokio::net::lookup_host((options.get_host(), options.get_port())).await {
            Ok(found) => found,
            Err(error) => panic!("the server of a test is not found: {error}"),
        };
        found.next()
    }

    /// Where it is for who goes by way of `proxy`.
    pub fn address_by(&self, proxy: SocketAddr) -> DatabaseAddress {
        match &self.address {
            DatabaseAddress::Sqlite(path) => path.as_path().into(),
            DatabaseAddress::Postgres(options) => {
                let options = options.clone().host(&proxy.ip().to_string()).port(proxy.port());
                DatabaseAddress::Postgres(Box::new(options))
            }
        }
    }

    /// Where its `secret.key` lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Somebody else on the same database, past every rule of the store.
    pub async fn outsider(&self) -> Outsider {
        let connected = match &self.address {
            DatabaseAddress::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                (SqliteConnection::connect_with(&options).await).map(Outsider::Sqlite)
            }
            DatabaseAddress::Postgres(options) => {
                (PgConnection::connect_with(options).await).map(|connection| Outsider::Postgres(Box::new(connection)))
            }
        };
        connected.unwrap_or_else(|error| panic!("an outsider could not connect: {error}"))
    }
}

/// Lets an `SQLite` store write so many pages more and then find the disk full.
pub async fn fill_disk(store: &SqlStore, pages_left: i64) {
    let Connections::Sqlite { writer, .. } = store.db.connections() else {
        panic!("the disk of a server can't be filled from here");
    };
    let done = async {
        let used: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(writer).await?;
        let sql = AssertSqlSafe(format!("PRAGMA max_page_count = {}", used + pages_left));
        sqlx::query(sql).execute(writer).await
    };
    if let Err(error) = done.await {
        panic!("the disk could not be filled: {error}");
    }
}

/// A connection of a test's own.
#[derive(Debug)]
pub enum Outsider {
    /// To the file.
    Sqlite(SqliteConnection),
    /// To the server.
    Postgres(Box<PgConnection>),
}

impl Outsider {
    /// Runs statements.
    pub async fn run(&mut self, sql: &str) {
        let done = self.attempt(sql).await;
        done.unwrap_or_else(|error| panic!("the statement of a test failed: {error}"));
    }

    /// Runs statements that the database may refuse.
    pub async fn attempt(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(drop),
            Self::Postgres(connection) => connection.execute(sql).await.map(drop),
        }
    }

    /// The number that a statement asks for.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let answer = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(&mut **connection).await,
        };
        answer.unwrap_or_else(|error| panic!("the question of a test failed: {error}"))
    }

    /// Keeps everyone else from writing, in a transaction that stays open until [`Self::let_go`].
    pub async fn lock_out_writers(&mut self) {
        const EVERY_TABLE: &str = "BEGIN; DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() LOOP
                EXECUTE 'LOCK TABLE ' || name || ' IN EXCLUSIVE MODE';
            END LOOP; END $$";
        match self {
            Self::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.run(EVERY_TABLE).await,
        }
    }

    /// Ends the transaction and keeps nothing of it.
    pub async fn let_go(&mut self) {
        self.run("ROLLBACK").await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(schema) = self.schema.take() else { return };
        // A test's runtime may be ending, and dropping can't wait in it.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let drop_it = async {
                let mut connection = PgConnection::connect_with(&tests()).await?;
                // A connection that a test broke may still hold locks.
                let sql = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks
                         JOIN pg_class ON pg_class.oid = relation JOIN pg_namespace AS space ON space.oid = relnamespace
                     WHERE nspname = '{schema}' AND pid <> pg_backend_pid();
                     SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS {schema} CASCADE"
                );
                connection.execute(AssertSqlSafe(sql)).await
            };
            // What is left over costs some megabytes and no test its result.
            runtime.map(|runtime| runtime.block_on(drop_it).is_ok())
        });
        let _ = cleaner.join();
    }
}

/// Without its password.
fn shown_server() -> DatabaseAddress {
    DatabaseAddress::Postgres(Box::new(server()))
}

fn server_url() -> String {
    std::env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| SERVER.to_owned())
}

fn server() -> PgConnectOptions {
    let url = server_url();
    match url.parse::<PgConnectOptions>() {
        Ok(options) => options,
        Err(error) => panic!("TEST_POSTGRES_URL is not an address of PostgreSQL: {error}"),
    }
}

/// The database that holds the schemas of all tests.
fn tests() -> PgConnectOptions {
    server().database(TESTS)
}

async fn schema_create(schema: &str) -> Result<(), sqlx::Error> {
    let mut connection = match PgConnection::connect_with(&tests()).await {
        Ok(connection) => connection,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_SUCH_DATABASE) => {
            let mut server = PgConnection::connect_with(&server()).await?;
            let create = AssertSqlSafe(format!("CREATE DATABASE {TESTS} TEMPLATE template0 ENCODING 'UTF8'"));
            // Another test may do so in the same moment.
            let _ = server.execute(create).await;
            PgConnection::connect_with(&tests()).await?
        }
        Err(error) => return Err(error),
    };
    let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    connection.execute(create).await.map(drop)
}
