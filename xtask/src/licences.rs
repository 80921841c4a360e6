//! Only licences that let the binary be Apache-2.0: none that asks for the whole program's source.

use std::path::Path;

use anyhow::Result;

use crate::{
    Faults,
    metadata::{self, Package},
    spdx::Expression,
};

/// Licences that code linked into the binary may have.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Exceptions that only widen what a licence above permits.
const ALLOWED_EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Packages that state no SPDX expression, or one outside the list, and why they may stay.
const EXCUSED: &[(&str, &str)] = &[];

/// Every package that any target or feature can link.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let packages = metadata::everything(root)?;
    let mut faults: Faults = packages.iter().filter_map(fault).collect();
    faults.extend(stale_excuses(&packages));
    Ok(faults)
}

fn fault(package: &Package) -> Option<String> {
    if EXCUSED.iter().any(|(name, _)| *name == package.name) {
        return None;
    }
    let Package { name, version, .. } = package;
    let Some(text) = &package.licence else {
        return Some(format!("{name} {version} states no licence"));
    };
    match Expression::parse(text) {
        Err(error) => Some(format!("{name} {version}: {text:?} is no SPDX expression: {error}")),
        Ok(expression) if expression.is_allowed(&allowed) => None,
        Ok(_) => Some(format!(
            "{name} {version}: {text} is not on the list (xtask/src/licences.rs)"
        )),
    }
}

fn allowed(id: &str, exception: Option<&str>) -> bool {
    ALLOWED.contains(&id) && exception.is_none_or(|name| ALLOWED_EXCEPTIONS.contains(&name))
}

/// An excuse that no package needs any more must go.
fn stale_excuses(packages: &[Package]) -> impl Iterator<Item = String> {
    EXCUSED
        .iter()
        .filter(|(name, _)| packages.iter().all(|package| package.name != *name))
        .map(|(name, _)| format!("{name} is excused but no longer used"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licensed(licence: Option<&str>) -> Package {
        Package {
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            ..Package::default()
        }
    }

    #[test]
    fn permissive_licences_pass() {
        for licence in [
            "MIT",
            "MIT OR Apache-2.0",
            "Apache-2.0 AND ISC",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert_eq!(fault(&licensed(Some(licence))), None, "{licence}");
        }
    }

    #[test]
    fn copyleft_of_the_whole_program_does_not() {
        for licence in [
            "GPL-3.0-only",
            "LGPL-2.1-or-later",
            "MIT AND AGPL-3.0",
            "GPL-2.0 WITH LLVM-exception",
        ] {
            assert!(fault(&licensed(Some(licence))).is_some(), "{licence}");
        }
    }

    #[test]
    fn silence_is_no_permission() {
        assert_eq!(fault(&licensed(None)), Some("x 1.0.0 states no licence".to_owned()));
    }
}
