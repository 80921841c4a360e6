//! Bodies that can't be read, and bodies that break the schema. None of them can make anything: where a field could
//! be taken by a lax server, one that is not there stands beside it.

use serde_json::{Map, Value, json};

use crate::{
    ask::Ask,
    document::{Operation, Schema, is_nullable, out_of_bounds, wrong_type},
    groups::nobody,
    session::Session,
};

const GROUP: &str = "bodies";

/// A field that no operation has.
const UNKNOWN: &str = "zzz_unknown";

const JSON: &[&str] = &["bad_request.malformed_json"];
const FIELDS: &[&str] = &["validation_error.invalid_fields"];
const EITHER: &[&str] = &["bad_request.malformed_json", "validation_error.invalid_fields"];
const MEDIA: &[&str] = &["bad_request.unsupported_media_type"];

pub(crate) async fn run(session: &mut Session) {
    for (index, operation) in session.document.writers().into_iter().enumerate() {
        let Some(schema) = operation.body.clone() else { continue };
        unreadable(session, &operation, index == 0).await;
        shapes(session, &operation).await;
        fields(session, &operation, &schema).await;
        if index == 0 {
            large(session, &operation).await;
        }
    }
}

async fn ask(session: &mut Session, operation: &Operation, what: &str, ask: Ask, wanted: &[&str]) {
    let name = format!("{}: {what}", operation.shown());
    session
        .check(GROUP, name, ask, |answer, verdict| {
            verdict.pair(answer, wanted);
            if answer.pair() == "bad_request.malformed_json" {
                let details = answer.details();
                let has_place = details["line"].as_u64().is_some_and(|line| line >= 1) && details["column"].is_u64();
                verdict.want(
                    "malformed JSON is told with its place",
                    has_place,
                    "line and column",
                    &details.to_string(),
                );
            }
        })
        .await;
}

/// Broken in ways that don't depend on the operation: all of them once, a few everywhere.
async fn unreadable(session: &mut Session, operation: &Operation, is_first: bool) {
    let deep = format!("{{\"{UNKNOWN}\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let all: [(&str, &[u8], &[&str]); 18] = [
        ("half an object", b"{", JSON),
        ("nothing at all", b"", JSON),
        ("no JSON", b"name=Ada", JSON),
        ("words after the object", b"{\"zzz_unknown\":1} x", JSON),
        ("a comma too much", b"{\"zzz_unknown\":1,}", JSON),
        ("single quotes", b"{'zzz_unknown':1}", JSON),
        ("a comment", b"{/* */\"zzz_unknown\":1}", JSON),
        ("NaN", b"{\"zzz_unknown\":NaN}", JSON),
        ("a number past all bounds", b"{\"zzz_unknown\":1e999}", EITHER),
        (
            "a number of many digits",
            b"{\"zzz_unknown\":123456789012345678901234567890}",
            EITHER,
        ),
        ("bytes that are not UTF-8", b"{\"zzz_unknown\":\"\xff\xfe\"}", JSON),
        ("half a surrogate", b"{\"zzz_unknown\":\"\\ud800\"}", EITHER),
        ("a NUL in a string", b"{\"zzz_unknown\":\"\\u0000\"}", FIELDS),
        ("a raw NUL", b"{\"zzz_unknown\":\"\0\"}", JSON),
        ("a byte order mark", b"\xef\xbb\xbf{\"zzz_unknown\":1}", EITHER),
        ("UTF-16", b"\xff\xfe{\0}\0", JSON),
        ("the same key twice", b"{\"zzz_unknown\":1,\"zzz_unknown\":2}", EITHER),
        ("50 000 arrays", deep.as_bytes(), JSON),
    ];
    for (what, body, wanted) in if is_first { &all[..] } else { &all[..3] } {
        let request = operation.ask(&nobody()).body("application/json", *body);
        ask(session, operation, what, request, wanted).await;
    }
    let body = b"{\"zzz_unknown\":1}";
    let kinds: [(&str, &str, &[&str]); 7] = [
        ("text", "text/plain", MEDIA),
        ("no content type", "", MEDIA),
        ("a form", "application/x-www-form-urlencoded", MEDIA),
        ("another charset", "application/json; charset=latin1", MEDIA),
        ("a content type that is none", "////", MEDIA),
        ("its charset said", "application/json; charset=utf-8", FIELDS),
        (
            "JSON of a kind",
            "application/merge-patch+json",
            &["validation_error.invalid_fields", "bad_request.unsupported_media_type"],
        ),
    ];
    for (what, kind, wanted) in if is_first { &kinds[..] } else { &kinds[..2] } {
        let request = operation.ask(&nobody()).body(kind, body.as_slice());
        ask(session, operation, what, request, wanted).await;
    }
    if is_first {
        let request = operation
            .ask(&nobody())
            .body("application/json", body.as_slice())
            .header("Content-Encoding", "gzip");
        ask(session, operation, "compressed by its own word", request, MEDIA).await;
    }
}

/// JSON that is no object.
async fn shapes(session: &mut Session, operation: &Operation) {
    for (what, body) in [("an array", "[]"), ("null", "null"), ("a string", "\"x\"")] {
        let request = operation.ask(&nobody()).body("application/json", body);
        let name = format!("{}: {what} in place of an object", operation.shown());
        session
            .check(GROUP, name, request, |answer, verdict| {
                verdict.pair(answer, FIELDS);
                if answer.status != 403 {
                    verdict.fault(answer, "", &["wrong_type"]);
                }
            })
            .await;
    }
}

async fn fields(session: &mut Session, operation: &Operation, schema: &Schema) {
    let required: Vec<_> = schema.required.iter().map(|name| (pointer(name), "required")).collect();
    faults(session, operation, "nothing that is required", Map::new(), required).await;
    let mut wrong = Map::new();
    let mut bounds = (Map::new(), Vec::new());
    let mut nulls = Map::new();
    for (name, property) in &schema.properties {
        if let Some(value) = wrong_type(property) {
            wrong.insert(name.clone(), value);
        }
        if let Some((value, reason)) = out_of_bounds(property) {
            bounds.0.insert(name.clone(), value);
            bounds.1.push((pointer(name), reason));
        }
        if !is_nullable(property) {
            nulls.insert(name.clone(), Value::Null);
        }
    }
    let of = |all: &Map<String, Value>| all.keys().map(|name| (pointer(name), "wrong_type")).collect::<Vec<_>>();
    let expected = of(&wrong);
    faults(session, operation, "every field of another type", wrong, expected).await;
    let expected = of(&nulls);
    faults(session, operation, "null where there can be none", nulls, expected).await;
    faults(
        session,
        operation,
        "every field outside of its bounds",
        bounds.0,
        bounds.1,
    )
    .await;
    suggestion(session, operation, schema).await;
    twice(session, operation, schema).await;
}

/// Every fault at once, and the field that is not there among them.
async fn faults(
    session: &mut Session,
    operation: &Operation,
    what: &str,
    mut body: Map<String, Value>,
    mut expected: Vec<(String, &'static str)>,
) {
    if expected.is_empty() {
        return;
    }
    body.insert(UNKNOWN.to_owned(), json!(1));
    expected.push((pointer(UNKNOWN), "unknown_field"));
    // A server may stop telling after a hundred.
    expected.truncate(90);
    let request = operation.ask(&nobody()).json(&Value::Object(body));
    session
        .check(
            GROUP,
            format!("{}: {what}", operation.shown()),
            request,
            |answer, verdict| {
                verdict.pair(answer, FIELDS);
                if answer.status != 403 {
                    for (pointer, reason) in &expected {
                        verdict.fault(answer, pointer, &[reason]);
                    }
                }
            },
        )
        .await;
}

/// A known name with a letter too much.
async fn suggestion(session: &mut Session, operation: &Operation, schema: &Schema) {
    let Some(name) = schema.properties.keys().find(|name| name.len() >= 4) else {
        return;
    };
    let slip = format!("{name}x");
    if schema.properties.contains_key(&slip) {
        return;
    }
    let request = operation.ask(&nobody()).json(&json!({ slip.clone(): 1, UNKNOWN: 1 }));
    session
        .check(
            GROUP,
            format!("{}: a slip of the pen", operation.shown()),
            request,
            |answer, verdict| {
                verdict.pair(answer, FIELDS);
                if answer.status == 403 {
                    return;
                }
                let details = answer.details();
                let faults = details["fields"].as_array().cloned().unwrap_or_default();
                let fault = faults
                    .iter()
                    .find(|fault| fault["pointer"] == pointer(&slip))
                    .cloned()
                    .unwrap_or_default();
                let rule = "an unknown field near a known one comes with a suggestion";
                let holds = fault["params"]["did_you_mean"] == *name;
                verdict.want(rule, holds, &format!("did_you_mean: {name}"), &fault.to_string());
            },
        )
        .await;
}

/// One key with two values: which of them counts is a question that must not arise.
async fn twice(session: &mut Session, operation: &Operation, schema: &Schema) {
    let Some(name) = schema.properties.keys().next() else {
        return;
    };
    let body = format!("{{\"{name}\":\"a\",\"{name}\":\"b\",\"{UNKNOWN}\":1}}");
    let request = operation.ask(&nobody()).body("application/json", body);
    session
        .check(
            GROUP,
            format!("{}: the same field twice", operation.shown()),
            request,
            |answer, verdict| {
                verdict.pair(answer, EITHER);
                if answer.status == 422 {
                    verdict.fault(answer, &pointer(name), &["duplicate"]);
                }
            },
        )
        .await;
}

async fn large(session: &mut Session, operation: &Operation) {
    let body = format!("{{\"{UNKNOWN}\":\"{}\"}}", "a".repeat(3 * 1024 * 1024));
    let request = operation.ask(&nobody()).body("application/json", body);
    let name = format!("{}: a body of 3 MiB", operation.shown());
    session
        .check(GROUP, name, request, |answer, verdict| {
            verdict.pair(
                answer,
                &["bad_request.body_too_large", "validation_error.invalid_fields"],
            );
        })
        .await;
    let many: Map<String, Value> = (0..5000).map(|number| (format!("zzz{number}"), json!(1))).collect();
    let request = operation.ask(&nobody()).json(&Value::Object(many));
    let name = format!("{}: 5 000 unknown fields", operation.shown());
    session
        .check(GROUP, name, request, |answer, verdict| {
            verdict.pair(answer, FIELDS);
            let rule = "an answer is not much larger than what was asked";
            verdict.want(
                rule,
                answer.body.len() < 200_000,
                "under 200 kB",
                &format!("{} bytes", answer.body.len()),
            );
        })
        .await;
}

/// RFC 6901.
fn pointer(name: &str) -> String {
    format!("/{}", contract::escaped(name))
}
