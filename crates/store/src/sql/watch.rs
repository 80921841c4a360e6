//! Whether anything was written to an `SQLite` file since an earlier moment, by whichever process.
//!
//! The index of the write-ahead log lies beside the database (`-shm`), mapped by every process that has it open. Its
//! header changes with each commit, and stands there twice, so that a reader knows when it was read in the middle of a
//! change (<https://sqlite.org/walformat.html>, section 2.1). `SQLite` itself compares it with its own copy to know
//! whether the pages that it holds are still good. So what was read under a header is what would be read again for as
//! long as the header is the same, and to look costs one system call in place of a read.
//!
//! A look is good for [`FRESH`], unless this process changes something: its own changes are seen at once, and those of
//! another one after that time at most.

use std::{
    fs::{File, Metadata},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    change,
    sqlite::{BELIEVED, Identity},
};

/// How long a look is good where nothing of ours was changed. Who was told of another process's change and must still
/// connect hardly asks sooner; on a connection that is open already it can happen, and then it is told what was before.
const FRESH: Duration = Duration::from_micros(200);

/// Indexes that were opened, and stay so until the process ends. To close one would give up all locks that this process
/// holds on the file, `SQLite`'s own included (<https://sqlite.org/howtocorrupt.html>, section 2.2). There is one for each
/// database that was ever opened.
static OPENED: Mutex<Vec<Arc<Index>>> = Mutex::new(Vec::new());

/// Bytes of one of the two copies.
const HEADER_BYTES: usize = 48;

/// Where a header says, by anything but zero, that `SQLite` has made the index ready (`isInit`).
const READY_AT: usize = 12;

/// A moment of a database: as long as it is the same, so is all that is in there.
///
/// Until something is written into the journal its header is the same in every database, so it says of which index it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    index: FileId,
    header: [u8; HEADER_BYTES],
}

/// Device and inode.
type FileId = (u64, u64);

/// Looks at the index of one file.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    database: PathBuf,
    index: PathBuf,
    identity: Identity,
    opened: Mutex<Option<Opened>>,
    last: Mutex<Option<Look>>,
}

/// What was seen, when, and after how many changes of our own.
#[derive(Clone, Copy)]
struct Look {
    moment: Moment,
    at: Instant,
    changes: u64,
}

/// An index that is open.
struct Index {
    file: File,
    id: FileId,
}

struct Opened {
    index: Arc<Index>,
    since: Instant,
    /// When it was last seen to stand in a folder.
    linked: Instant,
}

impl Watch {
    pub(super) fn new(database: &Path, identity: Identity) -> Self {
        let mut index = database.as_os_str().to_owned();
        index.push("-shm");
        Self(Arc::new(Inner {
            database: database.to_owned(),
            index: index.into(),
            identity,
            opened: Mutex::default(),
            last: Mutex::default(),
        }))
    }

    /// The present moment, or one that was so less than [`FRESH`] ago; `None` while somebody writes, or where there is
    /// nothing to look at.
    pub(crate) fn moment(&self, now: Instant) -> Option<Moment> {
        let mut last = self.last();
        let changes = change::made();
        if let Some(look) = *last
            && look.changes == changes
            && now.saturating_duration_since(look.at) < FRESH
        {
            return Some(look.moment);
        }
        self.look_again(&mut last, now)
    }

    /// The present moment.
    pub(super) fn look(&self, now: Instant) -> Option<Moment> {
        self.look_again(&mut self.last(), now)
    }

    /// Looks while nobody else does: what is seen later is never older.
    fn look_again(&self, last: &mut Option<Look>, now: Instant) -> Option<Moment> {
        let changes = change::made();
        let seen = self.header(now);
        *last = seen.map(|moment| Look {
            moment,
            at: now,
            changes,
        });
        seen
    }

    fn header(&self, now: Instant) -> Option<Moment> {
        let index = self.index(now)?;
        let mut headers = [0; 2 * HEADER_BYTES];
        index.file.read_exact_at(&mut headers, 0).ok()?;
        let (first, second) = headers.split_at(HEADER_BYTES);
        let header: [u8; HEADER_BYTES] = first.try_into().ok()?;
        let is_whole = header[READY_AT] != 0 && header == second;
        is_whole.then_some(Moment {
            index: index.id,
            header,
        })
    }

    fn last(&self) -> MutexGuard<'_, Option<Look>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, now: Instant) -> Option<Arc<Index>> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = opened.as_mut()
            && self.0.identity.was_of_present_file(&self.0.database, opened.since, now)
        {
            return opened.is_linked(now).then(|| Arc::clone(&opened.index));
        }
        if !self.0.identity.was_of_present_file(&self.0.database, now, now) {
            return None;
        }
        let index = open_for_good(&self.0.index)?;
        *opened = Some(Opened {
            index: Arc::clone(&index),
            since: now,
            linked: now,
        });
        Some(index)
    }
}

impl Opened {
    /// One that was taken away from under everybody changes no more. That is looked for as often as the database.
    fn is_linked(&mut self, now: Instant) -> bool {
        if now.duration_since(self.linked) < BELIEVED {
            return true;
        }
        let is_linked = self.index.file.metadata().is_ok_and(|file| file.nlink() > 0);
        if is_linked {
            self.linked = now;
        }
        is_linked
    }
}

/// Opens an index unless it is open already.
fn open_for_good(path: &Path) -> Option<Arc<Index>> {
    let id_of = |file: Metadata| (file.dev(), file.ino());
    let there = id_of(std::fs::metadata(path).ok()?);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = opened.iter().find(|index| index.id == there) {
        return Some(Arc::clone(index));
    }
    let file = File::open(path).ok()?;
    // Another may have come into its place by now. Whichever it is, it stays open.
    let id = file.metadata().map_or(there, id_of);
    let index = Arc::new(Index { file, id });
    opened.push(Arc::clone(&index));
    Some(index)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_descriptor_of_the_index_outlives_whoever_opened_it_and_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("some.db");
        std::fs::write(&database, "").unwrap();
        std::fs::write(folder.path().join("some.db-shm"), [7; 2 * HEADER_BYTES]).unwrap();
        let is_open = || {
            let held = std::fs::read_dir("/proc/self/fd").unwrap();
            let files = held.filter_map(|held| std::fs::read_link(held.unwrap().path()).ok());
            files.filter(|file| file.ends_with("some.db-shm")).count()
        };
        for _ in 0..2 {
            let watch = Watch::new(&database, Identity::default());
            assert_eq!(watch.look(Instant::now()).unwrap().header, [7; HEADER_BYTES]);
            drop(watch);
            assert_eq!(is_open(), 1);
        }
    }

    #[test]
    fn an_index_in_the_middle_of_a_change_or_taken_away_is_no_moment() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("some.db");
        let index = folder.path().join("some.db-shm");
        std::fs::write(&database, "").unwrap();
        let watch = Watch::new(&database, Identity::default());
        assert_eq!(watch.look(Instant::now()), None, "there is none yet");
        std::fs::write(&index, [[1; HEADER_BYTES], [2; HEADER_BYTES]].concat()).unwrap();
        assert_eq!(watch.look(Instant::now()), None);
        std::fs::write(&index, [3; 2 * HEADER_BYTES]).unwrap();
        assert_eq!(watch.look(Instant::now()).unwrap().header, [3; HEADER_BYTES]);
        std::fs::remove_file(&index).unwrap();
        assert_eq!(watch.look(Instant::now() + BELIEVED), None);
    }

    #[test]
    fn moments_of_two_databases_differ_also_where_their_indexes_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one.db", "other.db"].map(|name| {
            let database = folder.path().join(name);
            std::fs::write(&database, "").unwrap();
            std::fs::write(folder.path().join(format!("{name}-shm")), [7; 2 * HEADER_BYTES]).unwrap();
            Watch::new(&database, Identity::default()).look(Instant::now()).unwrap()
        });
        assert_ne!(one, other);
    }

    #[test]
    fn an_index_that_is_not_made_ready_yet_is_no_moment() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("some.db");
        std::fs::write(&database, "").unwrap();
        std::fs::write(folder.path().join("some.db-shm"), [0; 2 * HEADER_BYTES]).unwrap();
        let watch = Watch::new(&database, Identity::default());
        assert_eq!(watch.look(Instant::now()), None);
    }
}
