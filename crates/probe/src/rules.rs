//! What holds for every answer, whatever was asked.

use contract::{Code, Reason};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    answer::Answer,
    ask::{As, Ask},
    leaks,
    session::{Session, Verdict},
};

/// Why a field is refused; a closed set.
const FIELD_REASONS: [&str; 10] = [
    "required",
    "unknown_field",
    "wrong_type",
    "too_short",
    "too_long",
    "out_of_range",
    "invalid_format",
    "not_allowed_value",
    "conflicts_with",
    "duplicate",
];

/// Facts that errors of a reason always have.
pub(crate) fn facts(reason: Reason) -> Vec<String> {
    let facts = contract::facts::facts(reason).into_iter();
    facts
        .filter(|fact| fact.is_certain)
        .map(|fact| fact.name.to_owned())
        .collect()
}

/// What holds for every answer to a well-formed request.
pub(crate) fn every_answer(session: &mut Session, ask: &Ask, answer: &Answer, verdict: &mut Verdict) {
    if is_outside(&ask.path) {
        return;
    }
    any(session, answer, ask.method == "HEAD", verdict);
    if answer.status >= 400 {
        documented(session, ask, answer, verdict);
    } else if ask.path.starts_with("/api/") && !ask.path.ends_with("openapi.json") {
        good(ask, answer, verdict);
    }
}

/// Watched by machines, not part of the contract.
fn is_outside(path: &str) -> bool {
    path.starts_with("/health/") || path == "/metrics"
}

/// What holds for every answer, also to requests that are none.
pub(crate) fn any(session: &mut Session, answer: &Answer, is_head: bool, verdict: &mut Verdict) {
    request_id(session, answer, verdict);
    if answer.status >= 400 {
        error(session, answer, is_head, verdict);
    }
}

fn request_id(session: &mut Session, answer: &Answer, verdict: &mut Verdict) {
    let ids: Vec<_> = answer.all("x-request-id").collect();
    let is_v7 = |id: &str| Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7) && id.len() == 36;
    let holds = ids.len() == 1 && is_v7(ids[0]);
    verdict.want(
        "every answer has one X-Request-Id, a UUIDv7",
        holds,
        "one UUIDv7",
        &format!("{ids:?}"),
    );
    if let [id] = ids.as_slice() {
        let is_fresh = session.is_fresh(id);
        verdict.want("no two requests have the same id", is_fresh, "a new id", id);
    }
}

/// The envelope, and headers that agree with it.
fn error(session: &mut Session, answer: &Answer, is_head: bool, verdict: &mut Verdict) {
    let code = Code::ALL.iter().find(|code| code.status() == answer.status);
    let rule = "no status of 400 or more but the nine";
    verdict.want(
        rule,
        code.is_some(),
        "400 401 402 403 404 422 429 500 502",
        &answer.line(),
    );
    if answer.status == 500 {
        verdict.want(
            "nothing that is asked breaks the server",
            false,
            "no 500",
            &answer.line(),
        );
    }
    let kind = answer.header("content-type").unwrap_or("none");
    verdict.want(
        "errors are application/json",
        answer.is_json(),
        "application/json",
        kind,
    );
    headers(answer, code.copied(), verdict);
    credentials(session, answer, verdict);
    if is_head {
        verdict.want("HEAD has no body", answer.body.is_empty(), "no body", &answer.line());
        return;
    }
    if let Some((word, of)) = leaks::find(&answer.body) {
        verdict.want(
            "errors tell nothing of the inside",
            false,
            &format!("nothing about {of}"),
            &format!("{word:?} in {}", answer.line()),
        );
    }
    envelope(answer, verdict);
    let json = answer.json();
    if let Some(code) = code {
        let written = json["error"]["code"].as_str().unwrap_or_default();
        let rule = "code and status belong together, one to one";
        verdict.want(
            rule,
            written == code.name(),
            &format!("{} {}", answer.status, code.name()),
            &answer.line(),
        );
    }
    reason(session, answer, verdict);
}

/// Whoever reads an error in a log must not find a key in it.
fn credentials(session: &Session, answer: &Answer, verdict: &mut Verdict) {
    let body = String::from_utf8_lossy(&answer.body);
    let mut headers = answer.headers.iter();
    let are_told = session.secrets.are_in(&body) || headers.any(|(_, value)| session.secrets.are_in(value));
    let rule = "no credential comes back";
    verdict.want(rule, !are_told, "no part of the key", &answer.line());
}

fn headers(answer: &Answer, code: Option<Code>, verdict: &mut Verdict) {
    let link = answer.header("link").unwrap_or_default();
    if let Some(code) = code {
        let wanted = format!("</docs/errors/{}>; rel=\"help\"", code.name());
        let holds = link.contains(&format!("/docs/errors/{}>", code.name())) && link.contains("rel=\"help\"");
        verdict.want("Link leads to the code's page", holds, &wanted, link);
    }
    let challenge = answer.header("www-authenticate");
    let holds = (answer.status == 401) == challenge.is_some_and(|value| value.starts_with("Bearer"));
    let rule = "401 and only 401 challenges with WWW-Authenticate: Bearer";
    verdict.want(
        rule,
        holds,
        "WWW-Authenticate: Bearer … on 401, none on others",
        challenge.unwrap_or("none"),
    );
    if answer.status == 429 {
        let header = answer
            .header("retry-after")
            .and_then(|seconds| seconds.parse::<u64>().ok());
        let fact = answer.details()["retry_after"].as_u64();
        let holds = header.is_some_and(|seconds| seconds >= 1) && header == fact;
        let rule = "429 says how long to wait, in whole seconds, the same in header and body";
        verdict.want(
            rule,
            holds,
            "Retry-After = details.retry_after ≥ 1",
            &format!("{header:?} and {fact:?}"),
        );
    }
    limits(answer, verdict);
}

/// The headers about limits agree with each other, where there are any.
fn limits(answer: &Answer, verdict: &mut Verdict) {
    let names = [
        "ratelimit-policy",
        "ratelimit",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    let there: Vec<_> = names.iter().filter(|name| answer.header(name).is_some()).collect();
    let rule = "headers about limits agree with each other";
    if there.is_empty() {
        return;
    }
    verdict.want(
        rule,
        there.len() == names.len(),
        &format!("all of {names:?}"),
        &format!("{there:?}"),
    );
    let state = answer.header("ratelimit").unwrap_or_default();
    let part = |name: &str| {
        let mut parts = state
            .split(';')
            .filter_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        parts.next().map(ToOwned::to_owned)
    };
    let remaining = answer.header("x-ratelimit-remaining").map(ToOwned::to_owned);
    verdict.want(rule, part("r") == remaining, &format!("r={remaining:?}"), state);
    let is_time = part("t").is_some_and(|seconds| seconds.parse::<u64>().is_ok());
    verdict.want(rule, is_time, "t=seconds", state);
    let policy = answer.header("ratelimit-policy").unwrap_or_default();
    let name = state.split(';').next().unwrap_or_default();
    let limit = answer.header("x-ratelimit-limit").unwrap_or_default();
    let holds = policy
        .split(',')
        .any(|one| one.trim().starts_with(name) && one.contains(&format!("q={limit};")));
    verdict.want(rule, holds, &format!("{name};q={limit};w=…"), policy);
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

fn envelope(answer: &Answer, verdict: &mut Verdict) {
    let json = answer.json();
    let mut outer = keys(&json);
    outer.sort_unstable();
    let rule = "the body is {error: {code, message, details?}, meta: {request_id, ts}} and nothing else";
    verdict.want(rule, outer == ["error", "meta"], "error, meta", &answer.line());
    let mut inner = keys(&json["error"]);
    inner.retain(|key| *key != "details");
    inner.sort_unstable();
    verdict.want(
        rule,
        inner == ["code", "message"],
        "code, message, details?",
        &answer.line(),
    );
    let message = json["error"]["message"].as_str().unwrap_or_default();
    verdict.want(
        "there is a message for people",
        !message.trim().is_empty(),
        "some words",
        &answer.line(),
    );
    meta(answer, &json, verdict);
}

fn meta(answer: &Answer, json: &Value, verdict: &mut Verdict) {
    let mut names = keys(&json["meta"]);
    names.sort_unstable();
    verdict.want(
        "meta is {request_id, ts}",
        names == ["request_id", "ts"],
        "request_id, ts",
        &json["meta"].to_string(),
    );
    let holds = json["meta"]["request_id"].as_str() == answer.header("x-request-id");
    let rule = "meta.request_id equals X-Request-Id";
    verdict.want(
        rule,
        holds,
        answer.header("x-request-id").unwrap_or("none"),
        &json["meta"].to_string(),
    );
    let ts = json["meta"]["ts"].as_str().unwrap_or_default();
    verdict.want(
        "meta.ts is RFC 3339, UTC, milliseconds, Z",
        is_ts(ts),
        "2026-02-04T12:00:00.000Z",
        ts,
    );
}

fn is_ts(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(given, wanted)| match wanted {
            b'd' => given.is_ascii_digit(),
            other => given == other,
        })
}

fn reason(session: &mut Session, answer: &Answer, verdict: &mut Verdict) {
    let (pair, details) = (answer.pair(), answer.details());
    let is_known = session.catalogue.contains(&pair);
    let rule = "every error names a reason of the catalogue";
    verdict.want(rule, is_known, "details.reason, known under its code", &answer.line());
    session.pairs.insert(pair.clone());
    let missing: Vec<_> = session
        .facts
        .get(&pair)
        .into_iter()
        .flatten()
        .filter(|fact| details[fact.as_str()].is_null())
        .collect();
    let rule = "the facts of a reason stand in details";
    verdict.want(rule, missing.is_empty(), &format!("{missing:?}"), &answer.line());
    match pair.as_str() {
        "validation_error.invalid_fields" => fields(&details, verdict),
        "not_found.method_not_allowed" => allow(answer, &details, verdict),
        _ => {}
    }
}

fn fields(details: &Value, verdict: &mut Verdict) {
    let faults = details["fields"].as_array().cloned().unwrap_or_default();
    let holds = !faults.is_empty() && faults.iter().all(is_fault);
    let rule = "a field fault is {field, pointer, reason, message, params?}";
    let wanted = "pointer RFC 6901 or ?name, reason of the closed set";
    let wrong = faults
        .iter()
        .find(|fault| !is_fault(fault))
        .unwrap_or(&details["fields"])
        .to_string();
    verdict.want(rule, holds, wanted, &wrong);
}

fn is_fault(fault: &Value) -> bool {
    let mut names = keys(fault);
    names.retain(|name| *name != "params");
    names.sort_unstable();
    let pointer = fault["pointer"].as_str().unwrap_or("none");
    let is_pointer = pointer.is_empty() || pointer.starts_with('/') || pointer.starts_with('?');
    let reason = fault["reason"].as_str().unwrap_or_default();
    let has_allowed = reason != "not_allowed_value" || fault["params"]["allowed"].is_array();
    names == ["field", "message", "pointer", "reason"] && is_pointer && has_allowed && FIELD_REASONS.contains(&reason)
}

fn allow(answer: &Answer, details: &Value, verdict: &mut Verdict) {
    let mut header: Vec<_> = answer
        .header("allow")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    let allowed = details["allowed"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut fact: Vec<_> = allowed.map(ToOwned::to_owned).collect();
    header.sort_unstable();
    fact.sort_unstable();
    let rule = "method_not_allowed names what is, the same in Allow and details.allowed";
    verdict.want(
        rule,
        header == fact && !fact.is_empty(),
        &format!("Allow: {header:?}"),
        &format!("{fact:?}"),
    );
}

/// What the operation says that it can answer.
fn documented(session: &Session, ask: &Ask, answer: &Answer, verdict: &mut Verdict) {
    let everywhere = [
        "not_found.route_not_found",
        "not_found.method_not_allowed",
        "bad_request.malformed_header",
    ];
    let pair = answer.pair();
    if ask.method == "HEAD" || everywhere.contains(&pair.as_str()) {
        return;
    }
    let Some(operation) = session.document.find(&ask.method, &ask.path) else {
        return;
    };
    let holds = if operation.errors.is_empty() {
        operation.statuses.contains(&answer.status)
    } else {
        operation.errors.contains(&pair)
    };
    let rule = "an operation answers only what its document says";
    let wanted: Vec<_> = operation.errors.iter().map(String::as_str).collect();
    verdict.want(rule, holds, &format!("one of {}", wanted.join(" ")), &answer.line());
    if pair == "forbidden.insufficient_scope" && !operation.scope.is_empty() {
        let scope = answer.details()["required_scope"].clone();
        let rule = "a refusal names the scope that the document asks for";
        verdict.want(rule, scope == *operation.scope, &operation.scope, &answer.line());
    }
    let bills = answer.status != 402 || operation.is_billable;
    verdict.want("only billable operations answer 402", bills, "no 402", &answer.line());
}

/// `{data, meta}`, with `pagination` beside lists.
fn good(ask: &Ask, answer: &Answer, verdict: &mut Verdict) {
    if ask.who == As::Key {
        limits(answer, verdict);
    }
    if !answer.is_json() || ask.method == "HEAD" || matches!(answer.status, 204 | 304) {
        return;
    }
    let json = answer.json();
    let mut names = keys(&json);
    names.retain(|name| *name != "pagination");
    names.sort_unstable();
    let rule = "a good body is {data, pagination?, meta}";
    verdict.want(rule, names == ["data", "meta"], "data, meta", &format!("{names:?}"));
    let is_list = json["data"].is_array();
    let has_pages = json["pagination"].is_object();
    verdict.want(
        rule,
        is_list == has_pages,
        "pagination beside lists and nowhere else",
        &format!("{names:?}, a list: {is_list}"),
    );
    if answer.status == 201 {
        let rule = "201 says where the new thing is";
        verdict.want(rule, answer.header("location").is_some(), "Location", "none");
    }
    meta(answer, &json, verdict);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_way_to_write_the_time_is_right() {
        assert!(is_ts("2026-02-04T12:00:00.000Z"));
        for wrong in [
            "2026-02-04T12:00:00Z",
            "2026-02-04T12:00:00.000+00:00",
            "2026-02-04 12:00:00.000Z",
            "",
        ] {
            assert!(!is_ts(wrong), "{wrong}");
        }
    }

    #[test]
    fn facts_that_come_and_go_are_not_asked_for() {
        assert_eq!(facts(Reason::ResourceNotFound), ["reason", "resource", "id"]);
        assert!(facts(Reason::Requests).contains(&"window_seconds".to_owned()));
        assert!(!facts(Reason::Overload).contains(&"limit".to_owned()));
        assert!(!facts(Reason::ProviderRejected).contains(&"provider_status".to_owned()));
    }
}
