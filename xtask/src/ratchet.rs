//! Which errors of the catalogue the tests have really seen come out of HTTP.
//!
//! Tests note each pair of code and reason that they see. The pairs that none has seen yet stand in a list
//! which is compared exactly: it can't grow, and it must shrink when it can.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use contract::Reason;

use crate::say;

/// The pairs that no test has seen yet, one a line.
const UNSEEN_FILE: &str = "crates/api/contract-unseen.txt";

/// The folder in cargo's target folder in which tests note what they saw.
const SEEN_FOLDER: &str = "contract-seen";

/// `code.reason`, as it stands in the list.
type Pair = String;

/// What differs between the list and the truth.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drift {
    /// Neither seen nor listed: a test was lost, or a reason has none.
    lost: Vec<Pair>,
    /// Seen, and listed all the same.
    shrinkable: Vec<Pair>,
    /// Listed or seen, but not in the catalogue.
    unknown: Vec<Pair>,
}

/// Prints the coverage; `false` when the list does not say the truth.
pub(crate) fn compare(root: &Path) -> Result<bool> {
    let (all, seen, unseen) = (catalogue(), seen(root)?, listed(root)?);
    say(&format!(
        "contract: {} of {} pairs of code and reason seen",
        all.intersection(&seen).count(),
        all.len()
    ));
    for pair in &unseen {
        say(&format!("  not seen yet: {pair}"));
    }
    let drift = drift(&all, &seen, &unseen);
    for pair in &drift.lost {
        say(&format!("  {pair} was seen by no test and is not in {UNSEEN_FILE}"));
    }
    for pair in &drift.shrinkable {
        say(&format!(
            "  {pair} was seen: take it off {UNSEEN_FILE} (cargo xtask contract --accept)"
        ));
    }
    for pair in &drift.unknown {
        say(&format!("  {pair} is not in the catalogue"));
    }
    Ok(drift == Drift::default())
}

/// Takes what was seen off the list. Never adds to it.
pub(crate) fn accept(root: &Path) -> Result<()> {
    let (all, seen, unseen) = (catalogue(), seen(root)?, listed(root)?);
    let drift = drift(&all, &seen, &unseen);
    ensure!(
        drift.lost.is_empty(),
        "the list may only shrink; no test saw {}",
        drift.lost.join(", ")
    );
    let rest: Vec<&str> = unseen
        .intersection(&all)
        .filter(|pair| !seen.contains(*pair))
        .map(String::as_str)
        .collect();
    let lines = rest.iter().flat_map(|pair| [*pair, "\n"]);
    fs::write(root.join(UNSEEN_FILE), lines.collect::<String>()).context(UNSEEN_FILE)?;
    say(&format!("{UNSEEN_FILE}: {} left", rest.len()));
    Ok(())
}

fn drift(all: &BTreeSet<Pair>, seen: &BTreeSet<Pair>, unseen: &BTreeSet<Pair>) -> Drift {
    Drift {
        lost: all
            .iter()
            .filter(|pair| !seen.contains(*pair) && !unseen.contains(*pair))
            .cloned()
            .collect(),
        shrinkable: unseen.intersection(seen).cloned().collect(),
        unknown: unseen
            .union(seen)
            .filter(|pair| !all.contains(*pair))
            .cloned()
            .collect(),
    }
}

fn catalogue() -> BTreeSet<Pair> {
    Reason::ALL
        .iter()
        .map(|reason| format!("{}.{}", reason.code().name(), reason.name()))
        .collect()
}

fn listed(root: &Path) -> Result<BTreeSet<Pair>> {
    let text = fs::read_to_string(root.join(UNSEEN_FILE)).context(UNSEEN_FILE)?;
    Ok(pairs(&text))
}

fn seen(root: &Path) -> Result<BTreeSet<Pair>> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = folder.join(SEEN_FOLDER);
    if !folder.is_dir() {
        bail!("{} is not there: run the tests first", folder.display());
    }
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&folder)? {
        seen.extend(pairs(&fs::read_to_string(entry?.path())?));
    }
    Ok(seen)
}

/// One pair a line; empty lines and comments are skipped.
fn pairs(text: &str) -> BTreeSet<Pair> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join("."))
        .filter(|pair| !pair.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[&str]) -> BTreeSet<Pair> {
        pairs.iter().map(|&pair| pair.to_owned()).collect()
    }

    #[test]
    fn a_list_that_says_the_truth_passes() {
        assert_eq!(
            drift(&set(&["a.b", "a.c"]), &set(&["a.b"]), &set(&["a.c"])),
            Drift::default()
        );
    }

    #[test]
    fn a_pair_that_no_test_saw_any_more_is_lost() {
        let drift = drift(&set(&["a.b", "a.c"]), &set(&[]), &set(&["a.c"]));
        assert_eq!(
            drift,
            Drift {
                lost: vec!["a.b".to_owned()],
                ..Drift::default()
            }
        );
    }

    #[test]
    fn a_pair_that_was_seen_must_leave_the_list() {
        let drift = drift(&set(&["a.b"]), &set(&["a.b"]), &set(&["a.b"]));
        assert_eq!(
            drift,
            Drift {
                shrinkable: vec!["a.b".to_owned()],
                ..Drift::default()
            }
        );
    }

    #[test]
    fn a_pair_outside_the_catalogue_is_named() {
        let drift = drift(&set(&["a.b"]), &set(&["a.b", "x.y"]), &set(&[]));
        assert_eq!(
            drift,
            Drift {
                unknown: vec!["x.y".to_owned()],
                ..Drift::default()
            }
        );
    }

    #[test]
    fn comments_and_empty_lines_are_no_pairs() {
        assert_eq!(pairs("# head\n\na.b # why\nc d\n"), set(&["a.b", "c.d"]));
    }
}
