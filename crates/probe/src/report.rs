//! What was found, for people and for programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Which rule.
    pub rule: &'static str,
    /// What it wants.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All rules held.
    Passed,
    /// It could not be asked.
    Skipped {
        /// Why.
        why: String,
    },
    /// Rules were broken.
    Broken {
        /// Which.
        breaks: Vec<Break>,
    },
}

/// One question to the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its group.
    pub group: &'static str,
    /// What was asked.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What was sent, as a command where that is possible.
    pub sent: String,
    /// The id of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where the deployment is.
    pub base_url: String,
    /// Whether anything was changed.
    pub allow_writes: bool,
    /// Requests that were sent.
    pub requests: usize,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// Whether it answered at all.
    pub is_reachable: bool,
    /// Why nothing was asked although it answered: the address or the key is not right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What kept us from asking everything; nothing after a whole run.
    pub cut_short: Vec<String>,
    /// Things worth knowing.
    pub notes: Vec<String>,
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every rule held, and everything was asked.
    Holds,
    /// A rule was broken.
    Broken,
    /// Nobody answered, the address or the key is not right, or there was nothing to ask.
    NothingAsked,
    /// No rule was broken as far as was asked.
    CutShort,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 10.0).round() / 10.0)
}

/// Breaks of one rule that are told whole; the rest are counted.
const TOLD_OF_A_RULE: usize = 5;

impl Report {
    /// Checks that ended so.
    fn count(&self, group: Option<&str>, is: impl Fn(&Outcome) -> bool) -> usize {
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.retain(|check| group.is_none_or(|group| check.group == group) && is(&check.outcome));
        checks.len()
    }

    /// How many checks found a broken rule.
    pub fn broken(&self) -> usize {
        self.count(None, |outcome| matches!(outcome, Outcome::Broken { .. }))
    }

    /// How many checks passed.
    pub fn passed(&self) -> usize {
        self.count(None, |outcome| matches!(outcome, Outcome::Passed))
    }

    /// Every rule that was broken, with the number of checks that broke it.
    pub fn rules_broken(&self) -> BTreeMap<&'static str, usize> {
        let mut rules = BTreeMap::new();
        for check in &self.checks {
            if let Outcome::Broken { breaks } = &check.outcome {
                let mut names: Vec<_> = breaks.iter().map(|one| one.rule).collect();
                names.dedup();
                for name in names {
                    *rules.entry(name).or_default() += 1;
                }
            }
        }
        rules
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        if let Some(why) = &self.refused {
            return format!("Nothing could be checked: {why}\n");
        }
        let mut out = format!(
            "{}: {} requests in {:.1} s, {}\n\n",
            self.base_url,
            self.requests,
            self.took.as_secs_f64(),
            if self.allow_writes { "with writes" } else { "read-only" }
        );
        self.table(&mut out);
        self.breaks(&mut out);
        self.skips(&mut out);
        for note in &self.notes {
            let _ = writeln!(out, "note: {note}");
        }
        for why in &self.cut_short {
            let _ = writeln!(out, "cut short: {why}");
        }
        let (passed, broken) = (self.passed(), self.broken());
        let _ = match self.conclusion() {
            Conclusion::NothingAsked => writeln!(out, "Nothing could be checked."),
            Conclusion::Holds => writeln!(out, "The contract holds: {passed} checks passed."),
            Conclusion::CutShort => writeln!(
                out,
                "What was asked holds, but not everything was: {passed} checks passed."
            ),
            Conclusion::Broken => {
                writeln!(
                    out,
                    "The contract is broken: {broken} of {} checks failed.",
                    passed + broken
                )
            }
        };
        out
    }

    /// What it all comes to.
    pub fn conclusion(&self) -> Conclusion {
        let (broken, passed) = (self.broken(), self.passed());
        if !self.is_reachable || self.refused.is_some() || broken + passed == 0 {
            Conclusion::NothingAsked
        } else if broken > 0 {
            Conclusion::Broken
        } else if self.cut_short.is_empty() {
            Conclusion::Holds
        } else {
            Conclusion::CutShort
        }
    }

    fn table(&self, out: &mut String) {
        let mut groups: Vec<&str> = Vec::new();
        for check in &self.checks {
            if !groups.contains(&check.group) {
                groups.push(check.group);
            }
        }
        let width = groups.iter().map(|group| group.len()).max().unwrap_or(0).max(5);
        let _ = writeln!(out, "  {:width$}  passed  failed  skipped", "group");
        for group in groups.iter().map(|group| Some(*group)).chain([None]) {
            let passed = self.count(group, |outcome| matches!(outcome, Outcome::Passed));
            let broken = self.count(group, |outcome| matches!(outcome, Outcome::Broken { .. }));
            let skipped = self.count(group, |outcome| matches!(outcome, Outcome::Skipped { .. }));
            let name = group.unwrap_or("all");
            let _ = writeln!(out, "  {name:width$}  {passed:>6}  {broken:>6}  {skipped:>7}");
        }
        out.push('\n');
    }

    fn breaks(&self, out: &mut String) {
        let mut told = BTreeMap::<&str, usize>::new();
        for check in &self.checks {
            let Outcome::Broken { breaks } = &check.outcome else {
                continue;
            };
            for one in breaks {
                let count = told.entry(one.rule).or_default();
                *count += 1;
                if *count > TOLD_OF_A_RULE {
                    continue;
                }
                let _ = writeln!(out, "FAIL {} / {}: {}", check.group, check.name, one.rule);
                let _ = writeln!(out, "     sent      {}", check.sent);
                let _ = writeln!(out, "     expected  {}", one.expected);
                let _ = writeln!(out, "     came      {}", one.got);
                if let Some(id) = &check.request_id {
                    let _ = writeln!(out, "     request   {id}");
                }
                out.push('\n');
            }
        }
        for (rule, count) in told {
            if count > TOLD_OF_A_RULE {
                let _ = writeln!(
                    out,
                    "{} more of: {rule} (all of them with --json)",
                    count - TOLD_OF_A_RULE
                );
            }
        }
    }

    fn skips(&self, out: &mut String) {
        let mut reasons = BTreeMap::<&str, usize>::new();
        for check in &self.checks {
            if let Outcome::Skipped { why } = &check.outcome {
                *reasons.entry(why).or_default() += 1;
            }
        }
        for (why, count) in reasons {
            let _ = writeln!(out, "skipped {count}: {why}");
        }
    }
}
