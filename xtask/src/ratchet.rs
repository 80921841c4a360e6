//! Which errors of the catalogue the tests have really seen come out of HTTP.
//!
//! Tests note each pair of code and reason that they see, for each database engine on its own, in a run that
//! `contract --begin` opened; it notes too which code the run was of. The pairs that none has seen stand in a list which
//! is compared exactly: it can't grow beyond what is committed, and it must shrink when it can. Each line of it says
//! what is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use contract::Reason;

use crate::{say, tree};

/// The pairs that no test has seen yet, one a line: `code.reason  # what is missing`.
const UNSEEN_FILE: &str = "crates/api/contract-unseen.txt";

/// The folder in cargo's target folder in which tests note what they saw, in one folder for each engine.
const SEEN_FOLDER: &str = "contract-seen";

/// Which code the sightings are of.
const STAMP_FILE: &str = "code";

/// The engines whose runs have to see everything.
const ENGINES: [&str; 2] = ["sqlite", "postgres"];

/// `code.reason`, as it stands in the list.
type Pair = String;

/// How often each pair was seen.
type Sightings = BTreeMap<Pair, usize>;

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

/// Forgets earlier runs, and notes of which code the next one is. Tests note what they see where the environment's
/// `CONTRACT_SEEN` says, which is printed.
pub(crate) fn begin(root: &Path) -> Result<()> {
    let folder = folder(root);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(STAMP_FILE), code(root)?)?;
    say(&folder.display().to_string());
    Ok(())
}

/// Prints the coverage; `false` when the list does not say the truth, or has grown.
pub(crate) fn compare(root: &Path) -> Result<bool> {
    let (all, why) = (catalogue(), listed(root)?);
    let unseen: BTreeSet<_> = why.keys().cloned().collect();
    let mut is_true = true;
    for (engine, sightings) in sightings(root)? {
        let seen: BTreeSet<_> = sightings.keys().cloned().collect();
        for (pair, times) in &sightings {
            say(&format!("  {engine}: seen {times:>5} times  {pair}"));
        }
        say(&format!(
            "contract: {} of {} pairs of code and reason seen on {engine}",
            all.intersection(&seen).count(),
            all.len()
        ));
        is_true &= tell(engine, &drift(&all, &seen, &unseen));
    }
    for (pair, why) in &why {
        say(&format!("  not seen yet      {pair}: {why}"));
    }
    for pair in grown(root, &unseen)? {
        is_true = false;
        say(&format!(
            "  {pair} was put on {UNSEEN_FILE}, which may only shrink: write the test instead"
        ));
    }
    Ok(is_true)
}

fn tell(engine: &str, drift: &Drift) -> bool {
    for pair in &drift.lost {
        say(&format!(
            "  {pair} was seen by no test on {engine} and is not in {UNSEEN_FILE}"
        ));
    }
    for pair in &drift.shrinkable {
        say(&format!(
            "  {pair} was seen on {engine}: take it off {UNSEEN_FILE} (cargo xtask contract --accept)"
        ));
    }
    for pair in &drift.unknown {
        say(&format!("  {pair} is not in the catalogue"));
    }
    *drift == Drift::default()
}

/// Takes what was seen off the list. Never adds to it.
pub(crate) fn accept(root: &Path) -> Result<()> {
    let (all, why) = (catalogue(), listed(root)?);
    let unseen: BTreeSet<_> = why.keys().cloned().collect();
    let mut seen = all.clone();
    for (engine, sightings) in sightings(root)? {
        let seen_there: BTreeSet<_> = sightings.into_keys().collect();
        let drift = drift(&all, &seen_there, &unseen);
        ensure!(
            drift.lost.is_empty(),
            "the list may only shrink; no test on {engine} saw {}",
            drift.lost.join(", ")
        );
        seen.retain(|pair| seen_there.contains(pair));
    }
    let rest = why
        .iter()
        .filter(|(pair, _)| all.contains(*pair) && !seen.contains(*pair));
    let lines: Vec<String> = rest.map(|(pair, why)| format!("{pair}  # {why}\n")).collect();
    fs::write(root.join(UNSEEN_FILE), lines.concat()).context(UNSEEN_FILE)?;
    say(&format!("{UNSEEN_FILE}: {} left", lines.len()));
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

/// The list, each pair with what is missing.
fn listed(root: &Path) -> Result<BTreeMap<Pair, String>> {
    excused(&fs::read_to_string(root.join(UNSEEN_FILE)).context(UNSEEN_FILE)?)
}

/// What stands in the list now, or in its last commit, and not in the commit before that.
fn grown(root: &Path, unseen: &BTreeSet<Pair>) -> Result<BTreeSet<Pair>> {
    let commits = git(root, &["log", "-2", "--format=%H", "--", UNSEEN_FILE])?;
    let mut grown = BTreeSet::new();
    let mut later = unseen.clone();
    for commit in commits.lines() {
        let earlier = pairs(&git(root, &["show", &format!("{commit}:{UNSEEN_FILE}")])?);
        grown.extend(later.difference(&earlier).cloned());
        later = earlier;
    }
    Ok(grown)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output();
    let output = output.context("starting git")?;
    ensure!(
        output.status.success(),
        "git {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The pairs of a list of earlier, whose lines did not have to say what is missing.
fn pairs(text: &str) -> BTreeSet<Pair> {
    let pair = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    text.lines().map(pair).filter(|pair| !pair.is_empty()).collect()
}

/// A pair without a word on what is missing is no excuse.
fn excused(text: &str) -> Result<BTreeMap<Pair, String>> {
    let line = |line: &str| -> Result<(Pair, String)> {
        let (pair, why) = line.split_once('#').unwrap_or((line, ""));
        ensure!(
            !why.trim().is_empty(),
            "{UNSEEN_FILE} does not say what is missing: {line}"
        );
        Ok((pair.trim().to_owned(), why.trim().to_owned()))
    };
    text.lines().map(line).collect()
}

/// How often each pair came out of HTTP in the last run of the tests, if it was of this code.
fn sightings(root: &Path) -> Result<Vec<(&'static str, Sightings)>> {
    let folder = folder(root);
    let of_code = fs::read_to_string(folder.join(STAMP_FILE)).unwrap_or_default();
    ensure!(
        of_code == code(root)?,
        "no run of all tests was of the code as it is now: ./test unit"
    );
    ENGINES
        .into_iter()
        .map(|engine| Ok((engine, sightings_in(&folder.join(engine))?)))
        .collect()
}

fn sightings_in(folder: &Path) -> Result<Sightings> {
    if !folder.is_dir() {
        bail!("no test noted anything in {}: ./test unit", folder.display());
    }
    let mut sightings = Sightings::new();
    for entry in fs::read_dir(folder)? {
        for pair in fs::read_to_string(entry?.path())?.lines() {
            *sightings.entry(pair.to_owned()).or_default() += 1;
        }
    }
    Ok(sightings)
}

fn folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(SEEN_FOLDER)
}

/// Changes with every source file that tests are built from.
fn code(root: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    let mut texts = tree::texts(root)?;
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    for text in texts.iter().filter(|text| is_source(&text.path)) {
        (&text.path, &text.content).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn is_source(path: &str) -> bool {
    let is_built = path.starts_with("crates/") || path.starts_with("sdks/") || path == "Cargo.lock";
    is_built && path != UNSEEN_FILE
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

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
    fn a_listed_pair_must_say_what_is_missing() {
        let excused_pairs = excused("a.b  # no widgets yet\n").unwrap();
        assert_eq!(excused_pairs.get("a.b").map(String::as_str), Some("no widgets yet"));
        assert!(excused("a.b\n").is_err());
        assert!(excused("a.b #\n").is_err());
    }

    #[test]
    fn a_line_that_no_commit_had_is_growth() {
        let folder = std::env::temp_dir().join(format!("ratchet-{}", std::process::id()));
        let list = folder.join(UNSEEN_FILE);
        fs::create_dir_all(list.parent().unwrap()).unwrap();
        let commit = |content: &str| {
            fs::write(&list, content).unwrap();
            git(&folder, &["add", "."]).unwrap();
            let who = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
            git(&folder, &[&who[..], &["commit", "-qm", "list"]].concat()).unwrap();
        };
        git(&folder, &["init", "-q"]).unwrap();
        // As lists once were.
        commit("a.b\na.c\n");
        assert_eq!(grown(&folder, &set(&["a.b"])).unwrap(), set(&[]));
        commit("a.b  # one\na.c  # two\n");
        assert_eq!(grown(&folder, &set(&["a.b", "a.c"])).unwrap(), set(&[]));
        assert_eq!(grown(&folder, &set(&["a.b"])).unwrap(), set(&[]));
        assert_eq!(grown(&folder, &set(&["a.b", "a.d"])).unwrap(), set(&["a.d"]));
        commit("a.b  # one\n");
        assert_eq!(grown(&folder, &set(&["a.b", "a.c"])).unwrap(), set(&["a.c"]));
        // Committing it does not make it right.
        commit("a.b  # one\na.d  # new\n");
        assert_eq!(grown(&folder, &set(&["a.b", "a.d"])).unwrap(), set(&["a.d"]));
        fs::remove_dir_all(&folder).unwrap();
    }
}
