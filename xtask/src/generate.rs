//! Files that are written by a program from the code, and are checked in so that people can read them.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{Faults, say};

/// A generated file.
struct Generated {
    path: &'static str,
    content: String,
}

/// Everything that is generated, as it should be now.
fn all() -> Vec<Generated> {
    vec![]
}

/// Writes what differs.
pub(crate) fn write(root: &Path) -> Result<()> {
    for file in all() {
        let path = root.join(file.path);
        if fs::read_to_string(&path).is_ok_and(|present| present == file.content) {
            continue;
        }
        fs::write(&path, &file.content).with_context(|| format!("writing {}", file.path))?;
        say(&format!("wrote {}", file.path));
    }
    Ok(())
}

/// Names what `write` would change.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let stale = |file: &Generated| fs::read_to_string(root.join(file.path)).ok().as_ref() != Some(&file.content);
    Ok(all()
        .iter()
        .filter(|file| stale(file))
        .map(|file| format!("{} is stale; run `cargo xtask gen`", file.path))
        .collect())
}
