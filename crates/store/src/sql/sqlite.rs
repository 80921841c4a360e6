//! Opening an `SQLite` file, and noticing when it is no longer the one that was opened.

use std::{
    fs::File,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::ports::StoreError;
use futures_util::FutureExt;
use sqlx::{
    SqlitePool,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Connections, direct::Direct, failed, watch::Watch};

/// Connections that read.
const READERS: u32 = 4;

/// Between two attempts to open a file that another process is making.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Connections to a file, which is made if there is none.
pub(super) async fn open(path: &Path, patience: Duration) -> Result<Connections, StoreError> {
    let path = file_itself(path).map_err(failed("open the database"))?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit outlasts the program; a power cut may take the last moments, whole transactions of them. FULL costs
        // a write to the disk at each commit (8 ms in place of 0.01 ms on a virtual disk), so it is only asked for
        // where somebody was told that they need not say it again: [`sync_journal`].
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(patience);
    let identity = Identity::default();
    let pool = |connections| {
        let (identity, path) = (identity.clone(), path.clone());
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(patience)
            .before_acquire(move |_, connection| {
                let fresh = identity.is_of_present_file(&path, connection.age);
                async move { Ok(fresh) }.boxed()
            })
    };
    // The writer comes first: it makes the file and its journal, which readers must find.
    let writer = connect_in_turn(|| pool(1).connect_with(options.clone()), patience);
    let writer = writer.await.map_err(failed("open the database"))?;
    // Made once: where a file is missing later, an empty one in its place would hide the loss.
    let options = options.create_if_missing(false);
    writer.set_connect_options(options.clone());
    let readers: SqlitePool = pool(READERS)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(failed("open the database for reading"))?;
    let watch = Watch::new(&path, identity.clone());
    Ok(Connections::Sqlite {
        writer,
        readers,
        direct: Direct::new(path, identity, watch.clone()),
        watch,
    })
}

/// The file that a path leads to, which may not be there yet. `SQLite` puts journal and index beside it, not beside a
/// link; and who follows a link once has all connections to the same file.
fn file_itself(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(folder), Some(name)) if error.kind() == ErrorKind::NotFound => match path.read_link() {
            Ok(target) => file_itself(&folder.join(target)),
            Err(_) => Ok(folder.canonicalize()?.join(name)),
        },
        (found, ..) => found,
    }
}

/// Connects, again and again while another process makes the same file: who comes second to the change into a file with
/// a journal is refused at once, since for two who wait for each other there no busy timeout helps. An attempt has what
/// those before it left of the patience.
async fn connect_in_turn<T, F>(connect: impl Fn() -> F, patience: Duration) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    let began = Instant::now();
    // The last refusal says more than that the patience ran out.
    let mut refused = None;
    loop {
        let left = patience.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, connect()).await {
            Ok(Err(sqlx::Error::Database(error))) if is_busy(&*error) => {
                refused = Some(sqlx::Error::Database(error));
                tokio::time::sleep(CONNECT_AGAIN_AFTER).await;
            }
            Ok(connected) => return connected,
            Err(_) => return Err(refused.unwrap_or(sqlx::Error::PoolTimedOut)),
        }
    }
}

/// `SQLITE_BUSY`, whatever stands in the upper half of its code.
fn is_busy(error: &dyn DatabaseError) -> bool {
    const BUSY: i32 = 5;
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

/// Writes the journal (WAL) of this file, and so everything that was committed, through to the disk. Outside of any
/// transaction: others write meanwhile.
pub(super) async fn sync_journal(database: PathBuf) -> Result<(), std::io::Error> {
    let mut journal = database.into_os_string();
    journal.push("-wal");
    let work = tokio::task::spawn_blocking(move || match File::open(journal) {
        Ok(file) => file.sync_data(),
        // Everything was moved into the file itself, which is written through before its journal goes.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    });
    work.await.map_err(std::io::Error::other)?
}

/// Which file stands under the path, and since when.
///
/// A connection goes on writing into a file that was moved away, and all that it writes is lost to everyone else. So
/// connections that are older than the present file are closed, and new ones find it, or fail where there is none.
#[derive(Clone, Default)]
pub(super) struct Identity(Arc<Mutex<Option<Known>>>);

#[derive(Clone, Copy)]
struct Known {
    device: u64,
    inode: u64,
    /// When it was first seen there.
    since: Instant,
    /// When it was last seen there; `None` while it is away.
    seen: Option<Instant>,
}

/// How long reads believe what was seen: they lose nothing by it, and a look costs as much as a read.
pub(super) const BELIEVED: Duration = Duration::from_millis(100);

impl Identity {
    /// Whether a connection of this age is one to the file that stands there now.
    pub(super) fn is_of_present_file(&self, path: &Path, age: Duration) -> bool {
        let Ok(file) = std::fs::metadata(path) else {
            if let Some(known) = self.known().as_mut() {
                known.seen = None;
            }
            return false;
        };
        let (device, inode, now) = (file.dev(), file.ino(), Instant::now());
        let made = now.checked_sub(age);
        let mut known = self.known();
        let since = match *known {
            Some(known) if (known.device, known.inode) == (device, inode) => known.since,
            Some(_) => now,
            None => made.unwrap_or(now),
        };
        *known = Some(Known {
            device,
            inode,
            since,
            seen: Some(now),
        });
        made.is_none_or(|made| made >= since)
    }

    /// The same of a connection that was made then, for reads, by what was seen a moment ago.
    pub(super) fn was_of_present_file(&self, path: &Path, made: Instant, now: Instant) -> bool {
        let known = *self.known();
        match known {
            Some(Known {
                since,
                seen: Some(seen),
                ..
            }) if now.duration_since(seen) < BELIEVED => made >= since,
            _ => self.is_of_present_file(path, now.duration_since(made)),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        cell::Cell,
        future::{pending, ready},
        os::unix::fs::symlink,
    };

    use futures_util::future::Either;
    use sqlx::{ConnectOptions as _, Executor as _};

    use super::{super::Db, *};

    /// What `SQLite` says to who comes second.
    async fn busy() -> sqlx::Error {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("callwright.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO);
        let (mut first, mut second) = (options.connect().await.unwrap(), options.connect().await.unwrap());
        first.execute("BEGIN IMMEDIATE").await.unwrap();
        second.execute("BEGIN IMMEDIATE").await.unwrap_err()
    }

    #[tokio::test]
    async fn who_is_refused_and_then_waits_has_one_patience_for_both() {
        let (refusal, patience) = (Cell::new(Some(busy().await)), Duration::from_millis(100));
        let once_refused = || match refusal.take() {
            Some(error) => Either::Left(ready(Err(error))),
            None => Either::Right(pending()),
        };
        let connected = tokio::time::timeout(Duration::from_secs(5), connect_in_turn::<(), _>(once_refused, patience));
        assert!(
            matches!(connected.await.unwrap(), Err(sqlx::Error::Database(_))),
            "the refusal is told"
        );
        assert!(refusal.take().is_none(), "nobody asked twice");
        let waited = connect_in_turn::<(), _>(pending, patience).await;
        assert!(matches!(waited, Err(sqlx::Error::PoolTimedOut)));
    }

    #[tokio::test]
    async fn the_journal_that_is_synced_is_the_one_beside_the_file_that_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (link, journal) = (folder.path().join("link.db"), folder.path().join("there/some.db-wal"));
        std::fs::create_dir(folder.path().join("there")).unwrap();
        // To nothing yet.
        symlink("there/some.db", &link).unwrap();
        let db = Db::sqlite(&link, Duration::from_secs(5)).await.unwrap();
        assert!(journal.exists());
        db.outlast_power().await.unwrap();
        // A link to itself can't be opened: who looks there fails.
        std::fs::rename(&journal, folder.path().join("away")).unwrap();
        symlink(&journal, &journal).unwrap();
        assert!(db.outlast_power().await.is_err());
    }
}
