//! Files that are written by a program from the code, and are checked in so that people can read them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{Faults, say};

/// A generated file, as it should be now.
struct Generated {
    path: &'static str,
    content: String,
}

/// Writes what differs; first what needs no build of the whole program.
pub(crate) fn write(root: &Path) -> Result<()> {
    errors()?.iter().try_for_each(|file| write_one(root, file))?;
    write_one(root, &document(root)?)
}

fn write_one(root: &Path, file: &Generated) -> Result<()> {
    if is_current(root, file) {
        return Ok(());
    }
    fs::write(root.join(file.path), &file.content).with_context(|| format!("writing {}", file.path))?;
    say(&format!("wrote {}", file.path));
    Ok(())
}

/// Names what `write` would change.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let mut files = errors()?;
    files.push(document(root)?);
    Ok(stale(root, &files))
}

/// Like `check`, but only of what needs no build of the whole program.
pub(crate) fn check_quick(root: &Path) -> Result<Faults> {
    Ok(stale(root, &errors()?))
}

fn stale(root: &Path, files: &[Generated]) -> Faults {
    let stale = files.iter().filter(|file| !is_current(root, file));
    stale
        .map(|file| format!("{} is stale; run `cargo xtask gen`", file.path))
        .collect()
}

fn is_current(root: &Path, file: &Generated) -> bool {
    fs::read_to_string(root.join(file.path)).is_ok_and(|present| present == file.content)
}

fn errors() -> Result<Vec<Generated>> {
    let json = serde_json::to_string_pretty(&contract::docs::errors_json())?;
    Ok(vec![
        Generated {
            path: "docs/errors.md",
            content: contract::docs::errors_markdown(),
        },
        Generated {
            path: "docs/errors.json",
            content: format!("{json}\n"),
        },
    ])
}

/// The document comes from the handlers, which only the program itself knows.
fn document(root: &Path) -> Result<Generated> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["run", "--quiet", "--locked", "--package", "callwright", "--", "openapi"])
        .output()
        .context("starting cargo")?;
    ensure!(
        output.status.success(),
        "callwright openapi: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let content = String::from_utf8(output.stdout).context("the API document is not UTF-8")?;
    Ok(Generated {
        path: "docs/openapi.json",
        content,
    })
}
