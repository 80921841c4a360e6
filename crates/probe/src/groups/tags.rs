//! Versions of things that are there already: `ETag` and `If-None-Match`.

use crate::{ask::Ask, document::Operation, session::Session};

const GROUP: &str = "versions";

/// Things looked at.
const THINGS_MAX: usize = 6;

pub(crate) async fn run(session: &mut Session) {
    let mut seen = 0;
    for list in session.document.lists() {
        let fetch = format!("{}/{{", list.template);
        let operations = session.document.operations.iter();
        let fetch = operations
            .filter(|operation| operation.method == "GET" && operation.answers_json)
            .find(|operation| operation.template.starts_with(&fetch) && operation.template.ends_with('}'))
            .cloned();
        let Some(fetch) = fetch else { continue };
        if seen < THINGS_MAX && one(session, &list, &fetch).await {
            seen += 1;
        }
    }
}

/// Looks at the first thing of a list; `false` when there is none.
async fn one(session: &mut Session, list: &Operation, fetch: &Operation) -> bool {
    let page = session.send(&Ask::get(format!("{}?limit=1", list.path("")))).await;
    let id = page
        .ok()
        .and_then(|page| page.data()[0]["id"].as_str().map(ToOwned::to_owned));
    let Some(id) = id else {
        session.skip(GROUP, &fetch.shown(), "a list has nothing in it");
        return false;
    };
    let answer = session
        .check(
            GROUP,
            format!("{}: one that is there", fetch.shown()),
            fetch.ask(&id),
            |answer, verdict| {
                verdict.good(answer);
                let tag = answer.header("etag").unwrap_or_default();
                let is_tag = tag.trim_start_matches("W/").starts_with('"') && tag.len() > 2 && tag.ends_with('"');
                verdict.want("single things have an ETag", is_tag, "ETag: \"…\"", tag);
                let is_it = answer.data()["id"] == *id;
                verdict.want("what was asked for is what comes", is_it, &id, &answer.line());
            },
        )
        .await;
    let tag = answer.and_then(|answer| answer.header("etag").map(ToOwned::to_owned));
    let Some(tag) = tag else { return true };
    for (what, condition) in [
        ("itself", tag.clone()),
        ("one of several", format!("\"zzz\", {tag}")),
        ("anything", "*".to_owned()),
    ] {
        let ask = fetch.ask(&id).header("If-None-Match", &condition);
        session
            .check(
                GROUP,
                format!("{}: unchanged since {what}", fetch.shown()),
                ask,
                |answer, verdict| {
                    verdict.status(answer, 304);
                    verdict.want("304 has no body", answer.body.is_empty(), "no body", &answer.line());
                },
            )
            .await;
    }
    let ask = fetch.ask(&id).header("If-None-Match", "\"zzz\"");
    session
        .check(GROUP, format!("{}: changed", fetch.shown()), ask, |answer, verdict| {
            verdict.status(answer, 200);
        })
        .await;
    let upper = id.to_uppercase();
    session
        .check(
            GROUP,
            format!("{}: its id in capitals", fetch.shown()),
            fetch.ask(&upper),
            |answer, verdict| {
                let holds = matches!(answer.status, 200 | 404);
                verdict.want(
                    "the status is the one the rules say",
                    holds,
                    "200 or 404",
                    &answer.line(),
                );
            },
        )
        .await;
    true
}
