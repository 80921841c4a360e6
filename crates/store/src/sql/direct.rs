//! Point reads of `SQLite`, on the thread that asks.
//!
//! sqlx gives each connection a thread of its own and crosses over to it three times for one query of a pool: to see
//! whether the connection lives, for the query, and to see again. A row by its key takes a few microseconds to find,
//! and the crossings take many times that. So the statement that finds at most one row runs right here, on a connection
//! that is lent for as long. Lists, and whatever may take long, stay with sqlx.
//!
//! To begin and to end a read locks and unlocks the file, which takes longer than to find the row. So a connection stays
//! within its read (a snapshot) for as long as nothing is written, and not for long ([`HELD_MAX`]). The journal (WAL)
//! can't start afresh over what a snapshot may still need, so none is held while this process writes, nor for
//! [`HELD_MAX`] after a read saw that another process changed something.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Statement,
    types::{ToSql, ToSqlOutput, ValueRef},
};

use super::{
    Outcome, Value,
    change::{self, Change, UnderWay},
    direct_row::{DirectRow, Names},
    sqlite::Identity,
    watch::{Moment, Watch},
};

/// Connections kept for the next read; at most as many are lent as there are threads that ask.
const IDLE_MAX: usize = 16;

/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

/// How long a snapshot may be held, and for how long none is after another process's change: who writes again and again
/// finds nothing in the way of the journal after the first time.
///
/// One in which somebody reads just as [`Minding`] comes by is held until it comes again, nearly twice as long; and a
/// process that is stopped (`SIGSTOP`, a frozen container) lets go of nothing until it goes on.
const HELD_MAX: Duration = Duration::from_millis(25);

/// Connections for point reads of one file.
#[derive(Clone)]
pub(crate) struct Direct(Arc<Inner>);

struct Inner {
    path: PathBuf,
    idle: Mutex<Idle>,
    identity: Identity,
    watch: Watch,
    changes: UnderWay,
}

/// What is not lent.
#[derive(Default)]
struct Idle {
    connections: Vec<Lent>,
    is_closed: bool,
    /// Nothing is held before then, as something was changed.
    hold_from: Option<Instant>,
    /// The last moment in which a snapshot was wanted, and how many changes this process had made before.
    last: Option<(Moment, u64)>,
    /// A task sees to it that nothing is held for too long.
    is_minded: bool,
}

/// A connection, when it was made, and what the columns of its statements are called.
struct Lent {
    connection: Connection,
    made: Instant,
    held: Option<Held>,
    /// By statement, those of the last ones first.
    names: Vec<(String, Names)>,
}

/// A snapshot: of which moment it is, and since when it is held.
#[derive(Clone, Copy)]
struct Held {
    moment: Moment,
    since: Instant,
}

/// What came of a point read.
pub(crate) enum Found {
    Row(Option<DirectRow>),
    /// Another process has the file for itself right now, and who can wait without holding up a thread should; or
    /// the store is closed, and who knows how to say so should.
    NotHere,
}

impl Direct {
    /// Reads of this file, which must be there by the first of them.
    pub(super) fn new(path: PathBuf, identity: Identity, watch: Watch) -> Self {
        Self(Arc::new(Inner {
            path,
            idle: Mutex::default(),
            identity,
            watch,
            changes: UnderWay::default(),
        }))
    }

    /// The first row that a statement finds.
    pub(crate) fn fetch_optional(&self, sql: &str, args: &[Value]) -> Outcome<Found> {
        self.fetch_optional_at(Instant::now(), sql, args)
    }

    fn fetch_optional_at(&self, now: Instant, sql: &str, args: &[Value]) -> Outcome<Found> {
        let idle = {
            let mut idle = self.0.idle();
            if idle.is_closed {
                return Ok(Found::NotHere);
            }
            idle.connections.pop()
        };
        let is_good = |lent: &Lent| self.0.identity.was_of_present_file(&self.0.path, lent.made, now);
        let lent = idle.filter(is_good).map_or_else(|| self.open(), Ok);
        let found = lent.and_then(|mut lent| {
            let row = self.fetch_from(&mut lent, now, sql, args)?;
            self.put(lent, now)?;
            Ok(row)
        });
        match found {
            Ok(row) => Ok(Found::Row(row)),
            Err(error) if is_busy(&error) => Ok(Found::NotHere),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads in the snapshot of the present moment, if there can be one.
    fn fetch_from(
        &self,
        lent: &mut Lent,
        now: Instant,
        sql: &str,
        args: &[Value],
    ) -> rusqlite::Result<Option<DirectRow>> {
        let watch = &self.0.watch;
        let (made, moment) = if self.0.changes.is_any() {
            (0, None)
        } else {
            (change::made(), watch.moment(now))
        };
        if let Some(held) = lent.held {
            if Some(held.moment) == moment {
                return lent.fetch(sql, args);
            }
            lent.let_go()?;
            self.0.idle().changed(now);
        }
        let Some(moment) = moment.filter(|moment| self.0.idle().may_hold(*moment, made, now)) else {
            return lent.fetch(sql, args);
        };
        lent.hold(Held { moment, since: now })?;
        let row = lent.fetch(sql, args)?;
        // What was written between the look and the read is in the snapshot; then it is of a moment that nobody knows.
        if watch.look(now) != Some(moment) {
            lent.let_go()?;
        }
        Ok(row)
    }

    /// A change begins. The journal starts afresh with a change that finds no snapshot in its way.
    pub(crate) fn make_way(&self) -> Change {
        let change = self.0.changes.begin();
        self.0.idle().let_go();
        change
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Closes what is not lent.
    pub(crate) fn close(&self) {
        let mut idle = self.0.idle();
        idle.is_closed = true;
        idle.connections.clear();
    }

    fn open(&self) -> rusqlite::Result<Lent> {
        // Taken first: a connection counts as one to what stood there before, not to what came while it was opened.
        let made = Instant::now();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.0.path, flags)?;
        // In WAL mode readers wait for nobody, but for the moment in which another process recovers or closes the file.
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(Lent {
            connection,
            made,
            held: None,
            names: Vec::new(),
        })
    }

    /// A connection on which something failed is not put back.
    fn put(&self, mut lent: Lent, now: Instant) -> rusqlite::Result<()> {
        let mut idle = self.0.idle();
        if idle.is_closed || idle.connections.len() >= IDLE_MAX {
            return Ok(());
        }
        let mut minding = None;
        if let Some(held) = lent.held {
            if !idle.is_minded {
                minding = tokio::runtime::Handle::try_current().ok();
                idle.is_minded = minding.is_some();
            }
            let is_over = now.saturating_duration_since(held.since) >= HELD_MAX;
            // Asked under the lock: a change that begins now waits for it, and then lets go of this one.
            if is_over || self.0.changes.is_any() || !idle.is_minded {
                lent.let_go()?;
            }
        }
        idle.connections.push(lent);
        // A runtime that ends drops at once what it is given, which takes the lock.
        drop(idle);
        if let Some(runtime) = minding {
            let direct = Arc::downgrade(&self.0);
            runtime.spawn(Minding { direct, is_over: false }.mind());
        }
        Ok(())
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// Whether a snapshot of this moment may be held, before which this process had `made` so many changes.
    fn may_hold(&mut self, moment: Moment, made: u64, now: Instant) -> bool {
        let last = self.last.replace((moment, made));
        if last.is_some_and(|(other, before)| other != moment && before == made) {
            self.changed(now);
        }
        self.hold_from.is_none_or(|from| from <= now)
    }

    /// Something was changed since a snapshot that was held.
    fn changed(&mut self, now: Instant) {
        self.let_go();
        self.hold_from = Some(now + HELD_MAX);
    }

    /// Ends all snapshots that nobody reads in; whether there were any.
    fn let_go(&mut self) -> bool {
        let was_held = self.connections.iter().any(|lent| lent.held.is_some());
        self.connections.retain_mut(|lent| lent.let_go().is_ok());
        was_held
    }
}

/// Lets go of what is held, until nothing is.
struct Minding {
    direct: Weak<Inner>,
    is_over: bool,
}

impl Minding {
    async fn mind(mut self) {
        while !self.is_over {
            tokio::time::sleep(HELD_MAX).await;
            let Some(direct) = self.direct.upgrade() else { return };
            let mut idle = direct.idle();
            idle.is_minded = idle.let_go();
            self.is_over = !idle.is_minded;
        }
    }
}

impl Drop for Minding {
    /// Where the runtime ends in the middle of it.
    fn drop(&mut self) {
        if let Some(direct) = self.direct.upgrade().filter(|_| !self.is_over) {
            let mut idle = direct.idle();
            idle.is_minded = false;
            idle.let_go();
        }
    }
}

impl Lent {
    /// Begins a snapshot, which is of the moment of the first read in it.
    fn hold(&mut self, held: Held) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.held = Some(held);
        Ok(())
    }

    /// Ends its snapshot, if it holds one.
    fn let_go(&mut self) -> rusqlite::Result<()> {
        if self.held.take().is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }

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
        DirectRow::of(names, row).map(Some)
    }
}

/// The names of a row's columns. A migration adds columns to the end of a table and takes none away, so a statement
/// whose columns are as many as before has the same ones.
fn names_of(known: &mut Vec<(String, Names)>, sql: &str, row: &rusqlite::Row<'_>) -> Names {
    let statement: &Statement<'_> = row.as_ref();
    // To compare some texts costs less than to hash one.
    if let Some(place) = known.iter().position(|(text, _)| text == sql) {
        known[..=place].rotate_right(1);
        if known[0].1.len() == statement.column_count() {
            return Arc::clone(&known[0].1);
        }
        known.remove(0);
    }
    let names: Names = statement.column_names().into_iter().map(str::to_owned).collect();
    known.truncate(STATEMENTS_MAX - 1);
    known.insert(0, (sql.to_owned(), Arc::clone(&names)));
    names
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, FileLockingProtocolFailed};
    // The last is the word for a header that another process, stopped in the middle of it, left half changed.
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseBusy | DatabaseLocked | FileLockingProtocolFailed))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tempfile::TempDir;

    use super::*;

    const LAST: &str = "SELECT number FROM numbers ORDER BY rowid DESC LIMIT 1";

    /// Reads of a file into which somebody else writes.
    struct World {
        _folder: TempDir,
        direct: Direct,
        other: Connection,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("some.db");
            let other = Connection::open(&path).unwrap();
            let schema = "PRAGMA journal_mode = WAL; CREATE TABLE numbers (number INTEGER NOT NULL);";
            other.execute_batch(schema).unwrap();
            let identity = Identity::default();
            let watch = Watch::new(&path, identity.clone());
            let direct = Direct::new(path, identity, watch);
            let world = Self {
                _folder: folder,
                direct,
                other,
            };
            world.write(1);
            // Before the first look at a file nobody knows since when it is there.
            world.read_at(Instant::now());
            world
        }

        fn write(&self, number: i64) {
            self.other.execute("INSERT INTO numbers VALUES ($1)", [number]).unwrap();
        }

        fn read_at(&self, now: Instant) -> i64 {
            let Found::Row(Some(row)) = self.direct.fetch_optional_at(now, LAST, &[]).unwrap() else {
                panic!("no row")
            };
            row.get("number").unwrap()
        }

        fn holds(&self) -> bool {
            self.direct.0.idle().connections.iter().any(|lent| lent.held.is_some())
        }

        /// Whether the journal may start afresh.
        fn is_in_nobodys_way(&self) -> bool {
            let busy = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            self.other
                .query_row("PRAGMA wal_checkpoint(RESTART)", [], busy)
                .unwrap()
                == 0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_held_between_reads_and_not_for_long() {
        let world = World::new();
        let now = Instant::now();
        assert_eq!((world.read_at(now), world.holds()), (1, true));
        assert_eq!((world.read_at(now), world.holds()), (1, true));
        for _ in 0..3 {
            tokio::time::sleep(HELD_MAX * 2).await;
            assert!(!world.holds());
            assert_eq!((world.read_at(now), world.holds()), (1, true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_process_wrote_is_read_soon_and_nothing_is_in_the_way_of_what_it_writes_next() {
        let world = World::new();
        let start = Instant::now();
        assert_eq!((world.read_at(start), world.holds()), (1, true));
        world.write(2);
        let soon = start + Duration::from_micros(200);
        assert_eq!((world.read_at(soon), world.holds()), (2, false));
        assert!(world.is_in_nobodys_way());
        world.write(3);
        let last = soon + Duration::from_micros(200);
        assert_eq!((world.read_at(last), world.holds()), (3, false));
        assert_eq!((world.read_at(soon + HELD_MAX), world.holds()), (3, false));
        assert_eq!((world.read_at(last + HELD_MAX), world.holds()), (3, true));
        assert!(!world.is_in_nobodys_way());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_soon_after_another_process_s_change_that_found_nothing_held() {
        let world = World::new();
        let start = Instant::now();
        assert_eq!((world.read_at(start), world.holds()), (1, true));
        tokio::time::sleep(HELD_MAX * 2).await;
        assert!(!world.holds());
        world.write(2);
        let later = start + HELD_MAX * 2;
        assert_eq!((world.read_at(later), world.holds()), (2, false));
        assert!(world.is_in_nobodys_way());
        assert_eq!((world.read_at(later + HELD_MAX), world.holds()), (2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_is_read_in_all_the_time_is_not_held_for_long_either() {
        let world = World::new();
        let start = Instant::now();
        let millisecond = Duration::from_millis(1);
        let mut held = (0..100).map(|passed| {
            world.read_at(start + millisecond * passed);
            world.holds()
        });
        assert!(held.by_ref().take(25).all(|holds| holds));
        assert!(!held.next().unwrap());
        assert!(held.next().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_held_while_this_process_writes_and_what_it_wrote_is_read_at_once() {
        let world = World::new();
        let now = Instant::now();
        world.read_at(now);
        let change = world.direct.make_way();
        assert!(!world.holds());
        assert_eq!((world.read_at(now), world.holds()), (1, false));
        assert!(world.is_in_nobodys_way());
        world.write(2);
        drop(change);
        assert_eq!((world.read_at(now), world.holds()), (2, true));
    }

    #[test]
    fn a_runtime_that_ends_leaves_nothing_held() {
        let world = World::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async { world.read_at(Instant::now()) });
        assert!(world.holds());
        drop(runtime);
        assert!(!world.holds() && world.is_in_nobodys_way());
    }

    #[test]
    fn nothing_is_held_where_nobody_could_let_go_of_it() {
        let world = World::new();
        assert_eq!((world.read_at(Instant::now()), world.holds()), (1, false));
        assert!(world.is_in_nobodys_way());
    }
}
