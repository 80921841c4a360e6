//! Which crate may name which. An edge that is not written here fails the check.

use std::path::Path;

use anyhow::Result;

use crate::{
    Faults,
    metadata::{self, Package},
};

/// Crate, then the workspace crates it may depend on. A new edge needs a decision record.
const LAYERS: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("media", &[]),
    ("domain", &["contract"]),
    ("store", &["contract", "domain"]),
    ("providers", &["contract", "domain"]),
    ("local", &["contract", "domain"]),
    ("api", &["contract", "domain"]),
    ("telephony", &["contract", "domain", "media"]),
    (
        "callwright",
        &[
            "api",
            "callwright-client",
            "contract",
            "domain",
            "local",
            "media",
            "probe",
            "providers",
            "store",
            "telephony",
        ],
    ),
    ("callwright-client", &["contract"]),
    ("probe", &["contract"]),
    (
        "testkit",
        &[
            "api",
            "contract",
            "domain",
            "local",
            "media",
            "providers",
            "store",
            "telephony",
        ],
    ),
    ("xtask", &["contract"]),
];

/// For tests only: may be a dev-dependency of any crate, and no other kind.
const TEST_ONLY: &str = "testkit";

/// Third-party crates that stand for a concern, and the workspace crates that may know of it.
/// Test code is free.
const CONCERNS: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("rusqlite", &["store"]),
    ("redis", &["store"]),
    ("utoipa-axum", &["api"]),
    ("matchit", &["api"]),
    ("jsonschema", &["api"]),
    ("rsipstack", &["telephony"]),
    ("whisper-rs", &["local"]),
    ("rten", &["local"]),
    ("reqwest", &["callwright-client", "providers", "testkit"]),
];

/// Edges between our crates, and from them to crates that stand for a concern.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    Ok(faults(&metadata::workspace(root)?))
}

fn faults(packages: &[Package]) -> Faults {
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    packages.iter().flat_map(|package| faults_of(package, &ours)).collect()
}

fn faults_of(package: &Package, ours: &[&str]) -> Faults {
    let name = package.name.as_str();
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return vec![format!("{name} is not in the table of layers (xtask/src/layers.rs)")];
    };
    let edges = package
        .dependencies
        .iter()
        .filter(|to| ours.contains(&to.as_str()) && !allowed.contains(&to.as_str()));
    let test_edges = package
        .dev_dependencies
        .iter()
        .filter(|to| ours.contains(&to.as_str()) && *to != TEST_ONLY && *to != name && !allowed.contains(&to.as_str()));
    edges
        .map(|to| format!("{name} may not depend on {to}"))
        .chain(test_edges.map(|to| format!("the tests of {name} may not depend on {to}")))
        .chain(concerns_of(package))
        .collect()
}

fn concerns_of(package: &Package) -> impl Iterator<Item = String> {
    CONCERNS
        .iter()
        .filter(|(concern, owners)| {
            !owners.contains(&package.name.as_str()) && package.dependencies.iter().any(|to| to == concern)
        })
        .map(|(concern, owners)| {
            format!(
                "{} may not know {concern}; only {} does",
                package.name,
                owners.join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str], dev_dependencies: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Package {
            name: name.to_owned(),
            dependencies: owned(dependencies),
            dev_dependencies: owned(dev_dependencies),
            ..Package::default()
        }
    }

    #[test]
    fn an_edge_of_the_table_passes() {
        let packages = [
            package("contract", &["serde"], &[]),
            package("domain", &["contract", "tokio"], &[]),
        ];
        assert_eq!(faults(&packages), Faults::new());
    }

    #[test]
    fn an_edge_against_the_direction_is_named() {
        let packages = [package("contract", &["domain"], &[]), package("domain", &[], &[])];
        assert_eq!(faults(&packages), ["contract may not depend on domain"]);
    }

    #[test]
    fn an_edge_between_neighbours_is_named() {
        let packages = [package("api", &["store"], &[]), package("store", &[], &[])];
        assert_eq!(faults(&packages), ["api may not depend on store"]);
    }

    #[test]
    fn the_testkit_serves_tests_and_nothing_else() {
        let testkit = package("testkit", &[], &[]);
        assert_eq!(
            faults(&[package("api", &[], &["testkit"]), testkit.clone()]),
            Faults::new()
        );
        assert_eq!(
            faults(&[package("api", &["testkit"], &[]), testkit]),
            ["api may not depend on testkit"]
        );
    }

    #[test]
    fn tests_reach_other_layers_only_through_the_testkit() {
        let packages = [package("media", &[], &["telephony"]), package("telephony", &[], &[])];
        assert_eq!(faults(&packages), ["the tests of media may not depend on telephony"]);
    }

    #[test]
    fn a_crate_without_a_row_is_named() {
        assert_eq!(
            faults(&[package("jobs", &[], &[])]),
            ["jobs is not in the table of layers (xtask/src/layers.rs)"]
        );
    }

    #[test]
    fn sql_stays_in_the_store() {
        assert_eq!(
            faults(&[package("api", &["sqlx"], &[])]),
            ["api may not know sqlx; only store does"]
        );
        assert_eq!(faults(&[package("store", &["sqlx"], &[])]), Faults::new());
    }
}
