//! The catalogue as documents: one for people, one for programs. Generated files come from here.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{Code, Reason};

/// `docs/errors.md`: every code with its reasons and pages.
pub fn errors_markdown() -> String {
    let mut out = errors_index_markdown();
    for code in Code::ALL {
        out.push('\n');
        out.push_str(&deeper(code.page()));
        for reason in code.reasons() {
            out.push('\n');
            out.push_str(&deeper(&deeper(reason.page())));
        }
    }
    out
}

/// The page at `/docs/errors`: what holds for all errors, and a table of them.
pub fn errors_index_markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n| Status | Code | Reasons |\n|---|---|---|\n");
    for code in Code::ALL {
        let name = code.name();
        let reasons = code
            .reasons()
            .iter()
            .map(|reason| format!("[{0}](/docs/errors/{name}/{0})", reason.name()));
        let reasons: Vec<_> = reasons.collect();
        let _ = writeln!(
            out,
            "| {} | [{name}](/docs/errors/{name}) | {} |",
            code.status(),
            reasons.join(", ")
        );
    }
    out
}

/// The page of a code, with links to its reasons.
pub fn code_markdown(code: Code) -> String {
    let mut out = code.page().to_owned();
    out.push_str("\n## Reasons\n\n");
    for reason in code.reasons() {
        let _ = writeln!(
            out,
            "- [{0}](/docs/errors/{1}/{0}): {2}",
            reason.name(),
            code.name(),
            summary(*reason)
        );
    }
    out
}

/// The first sentence of a reason's page.
pub fn summary(reason: Reason) -> &'static str {
    let page = reason.page();
    let text = page.split_once("## What happened\n\n").map_or("", |(_, text)| text);
    text.lines().next().unwrap_or_default()
}

/// `errors.json`: the closed set for programs.
pub fn errors_json() -> Value {
    let reason = |reason: &Reason| {
        json!({
            "reason": reason.name(),
            "summary": summary(*reason),
            "page": format!("/docs/errors/{}/{}", reason.code().name(), reason.name()),
        })
    };
    let code = |code: &Code| {
        json!({
            "code": code.name(),
            "status": code.status(),
            "page": format!("/docs/errors/{}", code.name()),
            "reasons": code.reasons().iter().map(reason).collect::<Vec<_>>(),
        })
    };
    json!({ "codes": Code::ALL.iter().map(code).collect::<Vec<_>>() })
}

/// Headings one level down; not those inside of fences.
fn deeper(page: &str) -> String {
    let mut is_fenced = false;
    let mut out = String::with_capacity(page.len() + 64);
    for line in page.lines() {
        is_fenced ^= line.starts_with("```");
        if line.starts_with('#') && !is_fenced {
            out.push('#');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// What holds for all errors, Markdown.
pub const INTRODUCTION: &str = "# Errors

Every answer of 400 and above is `application/json` in one shape, whoever produced it:

```json
{
  \"error\": { \"code\": \"not_found\", \"message\": \"There is no agent with this id.\", \"details\": { \"reason\": \"resource_not_found\" } },
  \"meta\": { \"request_id\": \"019a3b5e-7c00-7000-8000-000000000001\", \"ts\": \"2026-02-04T12:00:00.000Z\" }
}
```

Decide by `error.code`, then by `error.details.reason`; a reason belongs to one code, names one cause and is never renamed. `error.message` is for people and may change. `meta.request_id` equals the header `X-Request-Id` and stands on the server's log lines: quote it when you ask for help. The header `Link` points to the code's page.

Where several faults apply, the first of these answers: route and method (404), credentials (401), address and origin (403), rate (429), scope and role (403), what can't be read (400), the schema (422), things named that don't exist (404), rules (422), standing and credits (402), providers (502).

What isn't HTTP at all gets no envelope. `/health/*` and `/metrics` are for machines that watch the server and keep their own conventions.
";

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    const HEADINGS: [&str; 4] = ["## What happened", "## What to do", "## Details", "## Example"];

    fn headings(page: &str) -> Vec<&str> {
        page.lines().filter(|line| line.starts_with("## ")).collect()
    }

    #[test]
    fn each_reason_has_a_page_with_the_same_headings_and_its_status() {
        for reason in Reason::ALL {
            let (page, code) = (reason.page(), reason.code());
            let name = format!("{}/{}", code.name(), reason.name());
            assert!(
                page.starts_with(&format!(
                    "# {}\n\n**Status** {} `{}`\n",
                    reason.name(),
                    code.status(),
                    code.name()
                )),
                "{name}"
            );
            assert_eq!(headings(page), HEADINGS, "{name}");
            assert!(summary(*reason).ends_with('.'), "{name}");
        }
    }

    #[test]
    fn each_example_is_an_envelope_of_that_reason() {
        for reason in Reason::ALL {
            let name = format!("{}/{}", reason.code().name(), reason.name());
            let json = reason
                .page()
                .split("```json\n")
                .nth(1)
                .and_then(|rest| rest.split("```").next());
            let envelope: crate::ErrorEnvelope = serde_json::from_str(json.unwrap_or_default()).expect(&name);
            assert_eq!(envelope.error.code, reason.code().name(), "{name}");
            assert_eq!(
                envelope
                    .error
                    .details
                    .as_ref()
                    .and_then(|details| details["reason"].as_str()),
                Some(reason.name()),
                "{name}"
            );
        }
    }

    #[test]
    fn each_code_has_a_page_that_names_its_status() {
        for code in Code::ALL {
            let page = code.page();
            assert!(
                page.starts_with(&format!("# {}\n\n**Status** {}\n", code.name(), code.status())),
                "{}",
                code.name()
            );
            assert_eq!(headings(page), ["## What happened", "## What to do"], "{}", code.name());
        }
    }

    #[test]
    fn no_page_lies_about_without_a_reason() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("errors");
        let known: BTreeSet<_> = Reason::ALL
            .iter()
            .map(|reason| format!("{}/{}.md", reason.code().name(), reason.name()))
            .chain(Code::ALL.iter().map(|code| format!("{}/index.md", code.name())))
            .collect();
        let folders = fs::read_dir(&root)
            .expect("the folder of pages")
            .map(|folder| folder.expect("a folder").path());
        let found: BTreeSet<_> = folders
            .flat_map(|folder| fs::read_dir(folder).expect("a code's folder"))
            .map(|file| {
                file.expect("a file")
                    .path()
                    .strip_prefix(&root)
                    .expect("below")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        assert_eq!(found, known);
    }

    #[test]
    fn the_document_for_programs_holds_every_reason() {
        let json = errors_json();
        let reasons = json["codes"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|code| code["reasons"].as_array().into_iter().flatten());
        assert_eq!(reasons.count(), Reason::ALL.len());
    }
}
