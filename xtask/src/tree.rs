//! Rules about the files themselves: length, unwanted words, decision records, links.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::Faults;

/// A file longer than this holds more than one thing.
const LINES_MAX: usize = 600;

/// Source files that are longer, each with what makes it one thing all the same.
const LONG: &[(&str, &str)] = &[];

/// Files nobody reads line by line: written by programs, or by others.
const NOT_OURS: &[&str] = &[
    "Cargo.lock",
    "LICENSE",
    "docs/configuration.md",
    "docs/errors.json",
    "docs/errors.md",
    "docs/openapi.json",
    "fuzz/Cargo.lock",
    "sdks/rust/src/operations.rs",
];

/// The list of words that must not appear, one a line, with the reason after `#`.
const WORDS_FILE: &str = "xtask/unwanted-words.txt";

/// What every decision record has, in this order.
const RECORD_HEADINGS: &[&str] = &[
    "## Context",
    "## Decision",
    "## Refused",
    "## What would change our mind",
];

/// A file of the repository that is text.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) content: String,
}

/// All rules about files.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let texts = texts(root)?;
    let words = std::fs::read_to_string(root.join(WORDS_FILE)).context(WORDS_FILE)?;
    let mut faults = lengths(&texts, LONG);
    faults.extend(unwanted(&texts, &words));
    faults.extend(records(&texts));
    faults.extend(links(&texts, |path| root.join(path).exists()));
    Ok(faults)
}

/// Every file that git tracks or would track, if it is UTF-8 and still there.
pub(crate) fn texts(root: &Path) -> Result<Vec<Text>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("starting git")?;
    ensure!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let list = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    let read = |path: &str| {
        let content = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Text {
            path: path.to_owned(),
            content,
        })
    };
    Ok(paths.filter_map(read).collect())
}

fn lengths(texts: &[Text], long: &[(&str, &str)]) -> Faults {
    let listed = |path: &str| long.iter().any(|(listed, _)| *listed == path);
    let lines = |text: &Text| text.content.lines().count();
    let ours = texts.iter().filter(|text| !NOT_OURS.contains(&text.path.as_str()));
    let too_long = ours
        .filter(|text| lines(text) > LINES_MAX && !listed(&text.path))
        .map(|text| format!("{} has {} lines; {LINES_MAX} is the limit", text.path, lines(text)));
    let stale = long
        .iter()
        .filter(|(path, _)| !texts.iter().any(|text| text.path == *path && lines(text) > LINES_MAX))
        .map(|(path, _)| format!("{path} is listed as long and is not"));
    too_long.chain(stale).collect()
}

fn unwanted(texts: &[Text], list: &str) -> Faults {
    let rules: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| line.split_once('#'))
        .map(|(word, reason)| (word.trim(), reason.trim()))
        .filter(|(word, _)| !word.is_empty())
        .collect();
    let mut faults = Faults::new();
    for text in texts.iter().filter(|text| is_searched(&text.path)) {
        for (number, line) in text.content.lines().enumerate() {
            for (word, reason) in rules.iter().filter(|(word, _)| line.contains(word)) {
                faults.push(format!("{}:{}: {word:?}: {reason}", text.path, number + 1));
            }
        }
    }
    faults
}

/// Lock files name registries, and notices say where others' work comes from.
fn is_searched(path: &str) -> bool {
    path != WORDS_FILE && !path.ends_with("Cargo.lock") && !path.ends_with("NOTICE")
}

/// Records are numbered upwards, each number once (several are written side by side, so there may be gaps), and each
/// says the same four things.
fn records(texts: &[Text]) -> Faults {
    let mut records: Vec<&Text> = texts.iter().filter(|text| text.path.starts_with("docs/adr/")).collect();
    records.sort_by_key(|text| &text.path);
    let mut faults = Faults::new();
    let mut last = String::new();
    for record in records {
        let name = record.path.trim_start_matches("docs/adr/");
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        if number.len() != 4 || !name[number.len()..].starts_with('-') || number == last {
            faults.push(format!(
                "{}: a record's name begins with a number of its own, such as 0001-…",
                record.path
            ));
        }
        if !record.content.starts_with(&format!("# {number} ")) {
            faults.push(format!("{}: the title must begin with \"# {number} \"", record.path));
        }
        last = number;
        let headings: Vec<&str> = record.content.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != RECORD_HEADINGS {
            faults.push(format!(
                "{}: the headings must be {}",
                record.path,
                RECORD_HEADINGS.join(", ")
            ));
        }
    }
    faults
}

fn links(texts: &[Text], exists: impl Fn(&Path) -> bool) -> Faults {
    let pages = texts.iter().filter(|text| {
        Path::new(&text.path)
            .extension()
            .is_some_and(|extension| extension == "md")
            && !text.path.starts_with("crates/contract/errors/")
    });
    let broken = pages.flat_map(|page| {
        let folder = Path::new(&page.path).parent().unwrap_or(Path::new("")).to_path_buf();
        targets(&page.content)
            .into_iter()
            .filter(|target| !exists(&folder.join(target)))
            .map(|target| format!("{}: the link to {target} leads nowhere", page.path))
            .collect::<Vec<_>>()
    });
    broken.collect()
}

/// The relative targets of a page's links, without their anchors. Code is skipped.
fn targets(page: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let path = target.split(['#', ' ']).next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') && !path.starts_with('/') {
                found.push(PathBuf::from(path).display().to_string());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, content: &str) -> Text {
        Text {
            path: path.to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn a_long_file_needs_an_entry_and_an_entry_needs_a_long_file() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(
            lengths(&[text("a.rs", &long)], &[]),
            ["a.rs has 601 lines; 600 is the limit"]
        );
        assert_eq!(lengths(&[text("a.rs", &long)], &[("a.rs", "one table")]), Faults::new());
        assert_eq!(
            lengths(&[text("a.rs", "x")], &[("a.rs", "one table")]),
            ["a.rs is listed as long and is not"]
        );
        assert_eq!(lengths(&[text("Cargo.lock", &long)], &[]), Faults::new());
    }

    #[test]
    fn an_unwanted_word_is_shown_with_its_place_and_reason() {
        let list = "example.invalid # hosts are configuration\n";
        let texts = [text("a.md", "one\nfetch example.invalid/x\n"), text("b.md", "fine")];
        assert_eq!(
            unwanted(&texts, list),
            ["a.md:2: \"example.invalid\": hosts are configuration"]
        );
    }

    #[test]
    fn records_have_a_number_of_their_own_and_their_headings() {
        let body = RECORD_HEADINGS.join("\n\n");
        let first = text("docs/adr/0001-a.md", &format!("# 0001 A\n\n{body}\n"));
        assert_eq!(records(&[first]), Faults::new());
        let later = text("docs/adr/0003-b.md", &format!("# 0003 B\n\n{body}\n"));
        let twin = text("docs/adr/0003-c.md", &format!("# 0003 C\n\n{body}\n"));
        assert_eq!(records(&[later, twin]).len(), 1);
        let other = text("docs/adr/0003-b.md", &format!("# 0004 B\n\n{body}\n"));
        assert_eq!(records(&[other]).len(), 1);
        let bare = text("docs/adr/0001-a.md", "# 0001 A\n\n## Context\n");
        assert_eq!(records(&[bare]).len(), 1);
    }

    #[test]
    fn links_are_followed_from_the_page_they_stand_on() {
        let page = text(
            "docs/a.md",
            "[b](b.md#part) [web](https://example.org) [top](../README.md)\n```\n[x](y)\n```\n",
        );
        let there = |path: &Path| path == Path::new("docs/b.md");
        assert_eq!(
            links(&[page], there),
            ["docs/a.md: the link to ../README.md leads nowhere"]
        );
    }
}
