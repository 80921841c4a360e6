//! Bringing a schema up to date, while nodes of the last release work on it.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use domain::ports::StoreError;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqlitePool,
    migrate::{Migrate, MigrateError, Migration, Migrator},
    postgres::PgConnectOptions,
};

use crate::sql::{Outcome, failed};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Where the migrator notes what it did.
const TABLE: &str = "_sqlx_migrations";
/// The first half of the advisory lock that migrating nodes take; the second is made of the schema's name.
const TURN: i32 = 0x6361_6c6c;
/// Between two looks whether another node is done. A wait inside the server would hold a snapshot, for which an index
/// that the other builds concurrently would wait in turn.
const TURN_LOOK_EVERY: Duration = Duration::from_millis(200);
/// As long as a migration may wait for a lock, all other work on the table waits behind it.
const LOCK_WAIT: &str = "SET lock_timeout = '2s'";
/// Between two attempts, so that others get their turn.
const ATTEMPT_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// As long as the backup of a large database takes.
const ATTEMPTS_FOR: Duration = Duration::from_hours(2);
/// `lock_not_available`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Migrations of `SQLite`, in order.
pub(crate) fn of_sqlite() -> Migrator {
    tolerant(&SQLITE)
}

/// Migrations of PostgreSQL, in order.
pub(crate) fn of_postgres() -> Migrator {
    tolerant(&POSTGRES)
}

/// Fine with migrations of a later release: they only expand, so this one works beside them and can be gone back to.
fn tolerant(known: &Migrator) -> Migrator {
    let mut migrator = Migrator::with_migrations(known.iter().cloned().collect());
    migrator.set_ignore_missing(true).set_locking(false);
    migrator
}

/// Says which migrations of a later release were found.
pub(crate) fn tell_later_ones(known: &Migrator, applied: &HashSet<i64>) {
    let newest = known.iter().map(|migration| migration.version).max();
    let mut later: Vec<_> = applied.iter().filter(|version| Some(**version) > newest).collect();
    if !later.is_empty() {
        later.sort();
        tracing::warn!(migrations = ?later, "the database was migrated by a later release; going on beside it");
    }
}

/// Brings a file up to date.
pub(crate) async fn sqlite(writer: &SqlitePool, up_to: Option<i64>) -> Result<(), StoreError> {
    let _turn = turn_at_file(writer).await?;
    let migrator = of_sqlite();
    let done = match up_to {
        Some(version) => migrator.run_to(version, writer).await,
        None => migrator.run(writer).await,
    };
    done.map_err(failed("migrate the database"))
}

/// `SQLite` has no lock that outlives a transaction, so migrating processes queue for the folder.
async fn turn_at_file(writer: &SqlitePool) -> Result<File, StoreError> {
    let path = writer.connect_options().get_filename().to_owned();
    let lock = move || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        folder.lock()?;
        Ok::<_, io::Error>(folder)
    };
    let locked = tokio::task::spawn_blocking(lock)
        .await
        .map_err(failed("wait for others that migrate"))?;
    locked.map_err(failed("wait for others that migrate"))
}

/// Brings a server's database up to date, on a connection of its own: those of requests give up on what takes as long
/// as a migration may.
pub(crate) async fn postgres(options: &PgConnectOptions, up_to: Option<i64>) -> Result<(), StoreError> {
    let mut connection =
        (PgConnection::connect_with(options).await).map_err(failed("connect to migrate the database"))?;
    let done = in_turn(&mut connection, up_to).await;
    // The lock goes with the connection.
    let _ = connection.close().await;
    done.map_err(failed("migrate the database"))
}

async fn in_turn(connection: &mut PgConnection, up_to: Option<i64>) -> Outcome<()> {
    let turn = "SELECT pg_try_advisory_lock($1, hashtext(current_schema()::text))";
    while !(sqlx::query_scalar(turn).bind(TURN).fetch_one(&mut *connection)).await? {
        tokio::time::sleep(TURN_LOOK_EVERY).await;
    }
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    let applied: HashSet<_> = applied.into_iter().map(|migration| migration.version).collect();
    let migrator = of_postgres();
    let wanted = |migration: &&Migration| up_to.is_none_or(|up_to| migration.version <= up_to);
    for migration in migrator.iter().filter(wanted) {
        if applied.contains(&migration.version) {
            continue;
        }
        if migration.no_tx {
            build_indexes(connection, migration, applied.is_empty()).await?;
        } else {
            patiently(connection, &migrator, migration).await?;
        }
    }
    // Whether those that were applied before are the ones that are known.
    Ok(migrator.run_direct(up_to, connection, false).await?)
}

/// Applies a migration in its transaction, once it gets its locks without making others wait for long: a backup holds
/// every table until it is done, and who queues behind it for a lock holds up everybody else.
async fn patiently(connection: &mut PgConnection, migrator: &Migrator, migration: &Migration) -> Outcome<()> {
    let began = Instant::now();
    connection.execute(LOCK_WAIT).await?;
    loop {
        match migrator.run_direct(Some(migration.version), connection, false).await {
            Err(error) if is_locked_out(&error) && began.elapsed() < ATTEMPTS_FOR => {
                tracing::warn!(migration = %migration.description, "others hold a table; trying again");
                tokio::time::sleep(ATTEMPT_AGAIN_AFTER).await;
            }
            done => return Ok(done?),
        }
    }
}

fn is_locked_out(error: &MigrateError) -> bool {
    let (MigrateError::ExecuteMigration(error, _) | MigrateError::Execute(error)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some(LOCK_NOT_AVAILABLE)
}

/// Runs statements that build an index each, one by one and outside any transaction, beside those who write. What
/// failed half-way is begun again; while it waits for others nobody waits for it.
async fn build_indexes(connection: &mut PgConnection, migration: &Migration, is_new: bool) -> Outcome<()> {
    connection.execute("SET lock_timeout = 0").await?;
    for statement in statements(migration.sql.as_str()) {
        drop_invalid(connection, &statement).await?;
        // In a new database there is nobody to be beside, and less to wait for.
        let statement = if is_new {
            statement.replacen("CONCURRENTLY ", "", 1)
        } else {
            statement
        };
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(connection.skip(TABLE, migration).await?)
}

fn statements(sql: &str) -> Vec<String> {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let statements = code.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    statements.map(ToOwned::to_owned).collect()
}

/// What remains of a build that was broken off keeps the name, and is never used.
async fn drop_invalid(connection: &mut PgConnection, statement: &str) -> Outcome<()> {
    let broken = "SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                  WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace";
    let broken: Vec<String> = sqlx::query_scalar(broken).fetch_all(&mut *connection).await?;
    for name in broken {
        if statement.split_whitespace().any(|word| word == name) {
            connection
                .execute(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS \"{name}\"")))
                .await?;
        }
    }
    Ok(())
}
