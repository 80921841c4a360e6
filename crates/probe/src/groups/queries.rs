//! Query strings, right and wrong.

use crate::{
    ask::Ask,
    document::{Operation, out_of_bounds},
    session::Session,
};

const GROUP: &str = "queries";

/// Query, what is wrong with it, the pointer of the fault, reasons it may have.
const WRONG: &[(&str, &str, &str, &[&str])] = &[
    ("limit=0", "a limit of nothing", "?limit", &["out_of_range"]),
    ("limit=101", "too high a limit", "?limit", &["out_of_range"]),
    ("limit=-1", "a limit below nothing", "?limit", &["out_of_range"]),
    ("limit=many", "a limit that is a word", "?limit", &["wrong_type"]),
    ("limit=1.5", "half a limit", "?limit", &["wrong_type"]),
    ("limit=", "an empty limit", "?limit", &["wrong_type"]),
    (
        "limit=99999999999999999999",
        "a limit past 64 bits",
        "?limit",
        &["wrong_type", "out_of_range"],
    ),
    ("limit=1e2", "a limit in another notation", "?limit", &["wrong_type"]),
    ("limit=1&limit=2", "a limit that comes twice", "?limit", &["duplicate"]),
    (
        "offset=-1",
        "an offset before the beginning",
        "?offset",
        &["out_of_range"],
    ),
    ("offset=x", "an offset that is a word", "?offset", &["wrong_type"]),
    ("cursor=zzz", "a cursor nobody gave", "?cursor", &["invalid_format"]),
    ("cursor=%00", "a cursor that is a NUL", "?cursor", &["invalid_format"]),
    (
        "zzz_unknown=1",
        "a filter that is not there",
        "?zzz_unknown",
        &["unknown_field"],
    ),
    (
        "limit%5B%5D=1",
        "an array as other frameworks write it",
        "?limit[]",
        &["unknown_field"],
    ),
];

pub(crate) async fn run(session: &mut Session) {
    for list in session.document.lists() {
        for (query, what, pointer, reasons) in WRONG {
            let has = |name: &str| list.query.iter().any(|parameter| parameter.name == name);
            let of = query.split('=').next().unwrap_or_default();
            if ["offset", "cursor"].contains(&of) && !has(of) {
                continue;
            }
            wrong(session, &list, query, what, &[(pointer, reasons)]).await;
        }
        let both = [
            ("?limit", &["out_of_range"][..]),
            ("?zzz_unknown", &["unknown_field"][..]),
        ];
        wrong(session, &list, "limit=0&zzz_unknown=1", "two faults at once", &both).await;
        near(session, &list).await;
        filters(session, &list).await;
        unreadable(session, &list).await;
    }
}

async fn wrong(session: &mut Session, list: &Operation, query: &str, what: &str, faults: &[(&str, &[&str])]) {
    let ask = Ask::get(format!("{}?{query}", list.path("")));
    session
        .check(GROUP, format!("{}: {what}", list.shown()), ask, |answer, verdict| {
            verdict.pair(answer, &["validation_error.invalid_fields"]);
            if answer.status != 403 {
                for (pointer, reasons) in faults {
                    verdict.fault(answer, pointer, reasons);
                }
            }
        })
        .await;
}

async fn near(session: &mut Session, list: &Operation) {
    let ask = Ask::get(format!("{}?limitt=1", list.path("")));
    session
        .check(
            GROUP,
            format!("{}: a slip of the pen", list.shown()),
            ask,
            |answer, verdict| {
                verdict.pair(answer, &["validation_error.invalid_fields"]);
                let suggestion = &answer.details()["fields"][0]["params"]["did_you_mean"];
                let rule = "an unknown field near a known one comes with a suggestion";
                verdict.want(
                    rule,
                    answer.status == 403 || suggestion == "limit",
                    "did_you_mean: limit",
                    &suggestion.to_string(),
                );
            },
        )
        .await;
}

/// Filters that take one of a few values.
async fn filters(session: &mut Session, list: &Operation) {
    for parameter in &list.query {
        if let Some((value, "not_allowed_value")) = out_of_bounds(&parameter.schema) {
            let query = format!("{}={}", parameter.name, value.as_str().unwrap_or_default());
            let pointer = format!("?{}", parameter.name);
            let faults = [(pointer.as_str(), &["not_allowed_value"][..])];
            wrong(
                session,
                list,
                &query,
                &format!("{} of no such kind", parameter.name),
                &faults,
            )
            .await;
        }
    }
}

async fn unreadable(session: &mut Session, list: &Operation) {
    for (query, what) in [
        ("limit=%", "an escape cut short"),
        ("limit=%zz", "an escape of no number"),
        ("limit=%FF", "a query that is not UTF-8"),
        ("%C3%28=1", "a name that is not UTF-8"),
    ] {
        let ask = Ask::get(format!("{}?{query}", list.path("")));
        session
            .check(GROUP, format!("{}: {what}", list.shown()), ask, |answer, verdict| {
                verdict.pair(answer, &["bad_request.malformed_query"]);
            })
            .await;
    }
    let flood: Vec<_> = (0..500).map(|number| format!("f{number}=1")).collect();
    let ask = Ask::get(format!("{}?{}", list.path(""), flood.join("&")));
    session
        .check(
            GROUP,
            format!("{}: 500 unknown filters", list.shown()),
            ask,
            |answer, verdict| {
                verdict.pair(
                    answer,
                    &["validation_error.invalid_fields", "bad_request.malformed_query"],
                );
                let rule = "an answer is not much larger than what was asked";
                verdict.want(
                    rule,
                    answer.body.len() < 100_000,
                    "under 100 kB",
                    &format!("{} bytes", answer.body.len()),
                );
            },
        )
        .await;
}
