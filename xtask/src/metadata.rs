//! What cargo knows of the workspace, cut down to what the checks ask.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A package and the names of those it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    /// As in its manifest.
    pub(crate) name: String,
    /// As in its manifest.
    pub(crate) version: String,
    /// The SPDX expression, if it states one.
    pub(crate) licence: Option<String>,
    /// For running and building.
    pub(crate) dependencies: Vec<String>,
    /// For tests only.
    pub(crate) dev_dependencies: Vec<String>,
}

/// The workspace's own packages.
pub(crate) fn workspace(root: &Path) -> Result<Vec<Package>> {
    ask(root, &["--no-deps"])
}

/// Every package of the lock file that any target or feature of the workspace can use.
pub(crate) fn everything(root: &Path) -> Result<Vec<Package>> {
    ask(root, &["--all-features"])
}

fn ask(root: &Path, more: &[&str]) -> Result<Vec<Package>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(more)
        .output()
        .context("starting cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let document = serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    packages(&document)
}

fn packages(document: &Value) -> Result<Vec<Package>> {
    document["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?
        .iter()
        .map(package)
        .collect()
}

fn package(value: &Value) -> Result<Package> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let dependencies = value["dependencies"]
        .as_array()
        .context("a package without a list of dependencies")?;
    let of_kind = |dev: bool| {
        dependencies
            .iter()
            .filter(|dependency| (dependency["kind"] == "dev") == dev)
            .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
            .collect()
    };
    Ok(Package {
        name: text("name").context("a package without a name")?,
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        dependencies: of_kind(false),
        dev_dependencies: of_kind(true),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn build_dependencies_count_as_dependencies_and_dev_dependencies_do_not() {
        let document = json!({"packages": [{
            "name": "api", "version": "1.2.3", "license": "MIT",
            "dependencies": [
                {"name": "axum", "kind": null},
                {"name": "cc", "kind": "build"},
                {"name": "testkit", "kind": "dev"},
            ],
        }]});
        let expected = Package {
            name: "api".to_owned(),
            version: "1.2.3".to_owned(),
            licence: Some("MIT".to_owned()),
            dependencies: vec!["axum".to_owned(), "cc".to_owned()],
            dev_dependencies: vec!["testkit".to_owned()],
        };
        assert_eq!(packages(&document).unwrap(), [expected]);
    }
}
