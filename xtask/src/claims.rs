//! Tables in the docs that name tests: each row names at least one, and each named one exists.

use std::{collections::HashSet, path::Path};

use anyhow::Result;

use crate::{
    Faults,
    tree::{Text, texts},
};

/// Pages whose tables name tests in their last column.
const PAGES: &[&str] = &["docs/bad-input.md"];

/// Rows without a test, and names that nothing bears.
pub(crate) fn check(root: &Path) -> Result<Faults> {
    let texts = texts(root)?;
    Ok(faults(&texts, |path| root.join(path).exists()))
}

fn faults(texts: &[Text], exists: impl Fn(&str) -> bool) -> Faults {
    let functions: HashSet<&str> = texts
        .iter()
        .filter(|text| {
            Path::new(&text.path)
                .extension()
                .is_some_and(|extension| extension == "rs")
        })
        .flat_map(|text| functions(&text.content))
        .collect();
    let is_there = |name: &str| {
        if name.contains('/') {
            exists(name)
        } else {
            functions.contains(name)
        }
    };
    let mut faults = Faults::new();
    for page in texts.iter().filter(|text| PAGES.contains(&text.path.as_str())) {
        for (number, row) in rows(&page.content) {
            let names: Vec<_> = row.split('`').skip(1).step_by(2).collect();
            if names.is_empty() {
                faults.push(format!("{}:{number}: the row names no test", page.path));
            }
            let gone = names.into_iter().filter(|name| !is_there(name));
            faults.extend(gone.map(|name| format!("{}:{number}: there is no {name}", page.path)));
        }
    }
    faults
}

fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.split("fn ").skip(1).filter_map(|rest| {
        let end = rest.find(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))?;
        rest[end..].starts_with(['(', '<']).then(|| &rest[..end])
    })
}

/// The last cells of a page's tables, with their line numbers; neither titles nor rules.
fn rows(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = page.lines().collect();
    let is_title = |index: usize| lines.get(index + 1).is_some_and(|next| next.starts_with("|--"));
    let rows = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| line.starts_with('|') && !line.starts_with("|--") && !is_title(*index));
    let rows: Vec<_> = rows
        .filter_map(|(index, line)| Some((index + 1, line.trim_end_matches(['|', ' ']).rsplit('|').next()?)))
        .collect();
    rows.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(row: &str) -> [Text; 2] {
        let page = format!("| Input | Answer | Test |\n|---|---|---|\n{row}\n");
        [
            ("docs/bad-input.md", page),
            ("crates/a.rs", "async fn noise_is_refused() {}".to_owned()),
        ]
        .map(|(path, content)| Text {
            path: path.to_owned(),
            content,
        })
    }

    #[test]
    fn a_row_that_names_what_is_there_passes() {
        let texts = page("| noise | 400 `malformed_header` | `noise_is_refused` `e2e/7.sh` |");
        assert_eq!(faults(&texts, |path| path == "e2e/7.sh"), Faults::new());
    }

    #[test]
    fn a_row_without_a_test_and_a_test_that_is_gone_are_named_with_their_line() {
        let none = page("| noise | 400 `malformed_header` | by hand |");
        assert_eq!(faults(&none, |_| true), ["docs/bad-input.md:3: the row names no test"]);
        let gone = page("| noise | 400 | `noise_is_heard` `e2e/8.sh` |");
        assert_eq!(
            faults(&gone, |_| false),
            [
                "docs/bad-input.md:3: there is no noise_is_heard",
                "docs/bad-input.md:3: there is no e2e/8.sh"
            ]
        );
    }
}
