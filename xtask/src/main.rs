//! Checks and generators for this repository, run as `cargo xtask NAME`.
//!
//! Each task prints what it found and ends with status 1 when the repository breaks its own rules.

mod claims;
mod generate;
mod layers;
mod licences;
mod metadata;
mod migrations;
mod ratchet;
mod sdk;
mod spdx;
mod tree;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;

const USAGE: &str = "usage: cargo xtask TASK

  check            the four below, and whether docs/errors.* are current
  check-layers     crates depend only in the allowed directions
  check-licences   every crate's licence is on the list
  check-migrations migrations only expand, and both engines have the same
  check-tree       file lengths, unwanted words, decision records, links
  gen [--check]    writes docs/errors.*, docs/openapi.json, docs/configuration.md, the golden corpus and the operations
                   of the Rust client, or says which are stale
  gen --client     only what needs no build: the golden corpus, and the client from docs/openapi.json as it is
  contract [--accept]
                   which codes and reasons the last test run saw, against the list of those no test has seen
  contract --begin opens such a run: forgets the last one, and says where tests are to note what they see";

/// What a check found: one line for each fault, empty when all is well.
type Faults = Vec<String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool> {
    let root = root();
    match arguments {
        ["check"] => check_all(&root),
        ["check-layers"] => Ok(report("layers", &layers::check(&root)?)),
        ["check-licences"] => Ok(report("licences", &licences::check(&root)?)),
        ["check-migrations"] => Ok(report("migrations", &migrations::check(&root)?)),
        ["check-tree"] => Ok(report("tree", &tree::check(&root)?)),
        ["gen"] => generate::write(&root).map(|()| true),
        ["gen", "--client"] => generate::write_client(&root).map(|()| true),
        ["gen", "--check"] => Ok(report("generated files", &generate::check(&root)?)),
        ["contract"] => ratchet::compare(&root),
        ["contract", "--begin"] => ratchet::begin(&root).map(|()| true),
        ["contract", "--accept"] => ratchet::accept(&root).map(|()| true),
        _ => anyhow::bail!("{USAGE}"),
    }
}

/// Runs every check, also after one has failed, so that one run shows all faults.
fn check_all(root: &Path) -> Result<bool> {
    let results = [
        report("layers", &layers::check(root)?),
        report("licences", &licences::check(root)?),
        report("migrations", &migrations::check(root)?),
        report("tree", &tree::check(root)?),
        report("named tests", &claims::check(root)?),
        report("generated files", &generate::check_quick(root)?),
    ];
    Ok(results.into_iter().all(|passed| passed))
}

/// Prints a check's outcome; `true` when there was nothing to say.
fn report(name: &str, faults: &[String]) -> bool {
    if faults.is_empty() {
        say(&format!("{name}: ok"));
    } else {
        say(&format!("{name}: {} fault(s)", faults.len()));
        for fault in faults {
            say(&format!("  {fault}"));
        }
    }
    faults.is_empty()
}

/// The repository's root, whatever the working directory is.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// One line on standard output. A closed pipe is no reason to panic.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
