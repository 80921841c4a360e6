//! The catalogue, the API document, and a page for every error that came.

use std::collections::BTreeSet;

use contract::Code;

use crate::{ask::Ask, session::Session};

const GROUP: &str = "documentation";

/// Reads what the deployment says about its errors, and what its document says about itself.
pub(crate) async fn catalogue(session: &mut Session) {
    let ask = Ask::get("/errors.json").by_nobody();
    let answer = session
        .check(GROUP, "the catalogue is served to anybody", ask, |answer, verdict| {
            verdict.status(answer, 200);
            let json = answer.json();
            let codes = json["codes"].as_array().into_iter().flatten();
            let theirs: BTreeSet<_> = codes
                .map(|code| {
                    (
                        code["status"].as_u64().unwrap_or_default() as u16,
                        code["code"].as_str().unwrap_or_default(),
                    )
                })
                .collect();
            let ours: BTreeSet<_> = Code::ALL.iter().map(|code| (code.status(), code.name())).collect();
            let rule = "nine statuses, nine codes, one to one";
            verdict.want(rule, theirs == ours, &format!("{ours:?}"), &format!("{theirs:?}"));
        })
        .await;
    let json = answer.map(|answer| answer.json()).unwrap_or_default();
    for code in json["codes"].as_array().into_iter().flatten() {
        for reason in code["reasons"].as_array().into_iter().flatten() {
            let name = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            session
                .catalogue
                .insert(format!("{}.{}", name(&code["code"]), name(&reason["reason"])));
        }
    }
}

/// Each operation documents what any operation can answer.
pub(crate) fn document(session: &mut Session) {
    let operations = session.document.operations.clone();
    if session.document.whole["paths"].is_null() {
        return session.skip(GROUP, "operations document their errors", "there is no API document");
    }
    for operation in operations {
        let mut verdict = crate::session::Verdict::default();
        let wanted: &[u16] = if operation.is_open {
            &[429, 500]
        } else {
            &[401, 403, 429, 500]
        };
        let missing: Vec<_> = wanted
            .iter()
            .filter(|status| !operation.statuses.contains(status))
            .collect();
        let rule = "each operation documents its errors";
        verdict.want(
            rule,
            missing.is_empty(),
            &format!("{wanted:?}"),
            &format!("without {missing:?}"),
        );
        let unknown: Vec<_> = operation
            .errors
            .iter()
            .filter(|pair| !session.catalogue.contains(*pair))
            .collect();
        let rule = "documented errors are in the catalogue";
        verdict.want(rule, unknown.is_empty(), "known reasons", &format!("{unknown:?}"));
        let bills = operation.is_billable || !operation.statuses.contains(&402);
        verdict.want("only billable operations document 402", bills, "no 402", "402");
        session.record(GROUP, operation.shown(), verdict, "the API document".to_owned(), None);
    }
}

/// A page for each error that came, and for each code.
pub(crate) async fn pages(session: &mut Session) {
    let mut pages: Vec<_> = Code::ALL
        .iter()
        .map(|code| (code.name().to_owned(), code.name().to_owned()))
        .collect();
    for pair in session.pairs.clone() {
        if session.catalogue.contains(&pair)
            && let Some((code, reason)) = pair.split_once('.')
        {
            pages.push((format!("{code}/{reason}"), reason.to_owned()));
        }
    }
    pages.push((String::new(), "errors".to_owned()));
    for (page, word) in pages {
        let path = format!("/docs/errors/{page}");
        let path = path.trim_end_matches('/').to_owned();
        let name = format!("{path} is a page");
        session
            .check(GROUP, name, Ask::get(path).by_nobody(), |answer, verdict| {
                verdict.status(answer, 200);
                let text = String::from_utf8_lossy(&answer.body).to_lowercase();
                verdict.want(
                    "a page is about its subject",
                    text.contains(&word),
                    &word,
                    &answer.line(),
                );
            })
            .await;
    }
}
