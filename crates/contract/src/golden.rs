//! The golden corpus: one whole answer for each reason, as the server writes it, and answers that a client must
//! survive although no server of today sends them. Every client library decodes all of it; generated files come from
//! here.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Code, ErrorEnvelope, Reason, challenge::challenge};

/// An answer, and what a client makes of it.
#[derive(Clone, Debug, Serialize)]
pub struct Golden {
    /// `code.reason`, or what is odd about it.
    pub name: String,
    /// What comes over the wire.
    pub response: GoldenResponse,
    /// What a client makes of it.
    pub expected: GoldenExpected,
}

/// A whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct GoldenResponse {
    /// The status line's.
    pub status: u16,
    /// Those that matter to a client, by their names in lower case.
    pub headers: BTreeMap<&'static str, String>,
    /// Byte for byte.
    pub body: String,
}

/// What a client makes of an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GoldenExpected {
    /// An error of the contract.
    Error {
        /// As written, known or not.
        code: String,
        /// Whether the code is in the catalogue.
        is_known_code: bool,
        /// As written, where there is one.
        reason: Option<String>,
        /// Whether the pair is in the catalogue.
        is_known_reason: bool,
        /// As written.
        message: String,
        /// From the body, or else from the header.
        request_id: Option<String>,
        /// Whether the same request may succeed later.
        is_retryable: bool,
        /// Seconds to wait before that.
        retry_after: Option<u64>,
        /// As written; empty where there are none.
        details: Map<String, Value>,
    },
    /// Not an answer of the contract at all: something on the way wrote it, or cut it.
    Unexpected {
        /// From the header.
        request_id: Option<String>,
        /// Whether the same request may succeed later.
        is_retryable: bool,
        /// Seconds to wait before that.
        retry_after: Option<u64>,
    },
}

/// The example of a reason's page: an answer as it could have been sent.
pub fn example(reason: Reason) -> ErrorEnvelope {
    let text = reason.page().split("```json\n").nth(1);
    let text = text.and_then(|rest| rest.split("```").next()).unwrap_or_default();
    // `docs` tests that each page has one that reads.
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the example of {}: {error}", reason.name()))
}

/// The headers that every answer of this reason has, besides those of HTTP itself.
pub fn headers(reason: Reason, envelope: &ErrorEnvelope) -> BTreeMap<&'static str, String> {
    let code = reason.code();
    let mut headers = BTreeMap::from([
        ("content-type", "application/json".to_owned()),
        ("link", format!("</docs/errors/{}>; rel=\"help\"", code.name())),
        ("x-request-id", envelope.meta.request_id.to_string()),
    ]);
    let fact = |name: &str| envelope.error.details.as_ref().and_then(|details| details.get(name));
    if let Some(challenge) = challenge(reason) {
        headers.insert("www-authenticate", challenge);
    }
    if let Some(seconds) = fact("retry_after").filter(|_| code == Code::RateLimitExceeded) {
        headers.insert("retry-after", seconds.to_string());
    }
    if let (Reason::MethodNotAllowed, Some(Value::Array(allowed))) = (reason, fact("allowed")) {
        let allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
        headers.insert("allow", allowed.join(","));
    }
    if let (Reason::RangeNotSatisfiable, Some(size)) = (reason, fact("size")) {
        headers.insert("content-range", format!("bytes */{size}"));
    }
    headers
}

/// Path below the corpus' folder, and content, of every file.
pub fn files() -> Vec<(String, String)> {
    let known = Reason::ALL.iter().map(|reason| {
        let path = format!("errors/{}/{}.json", reason.code().name(), reason.name());
        (path, of(*reason))
    });
    let odd = odd_answers()
        .into_iter()
        .map(|golden| (format!("odd/{}.json", golden.name), golden));
    let text = |golden: &Golden| serde_json::to_string_pretty(golden).unwrap_or_default() + "\n";
    known.chain(odd).map(|(path, golden)| (path, text(&golden))).collect()
}

/// The golden answer of a reason.
pub fn of(reason: Reason) -> Golden {
    let envelope = example(reason);
    let (code, details) = (reason.code(), envelope.error.details.clone().unwrap_or_default());
    let retry_after = details.get("retry_after").and_then(Value::as_u64);
    let is_retryable = match code {
        Code::RateLimitExceeded | Code::InternalError => true,
        Code::ProviderError => details["retryable"] == true,
        _ => false,
    };
    Golden {
        name: format!("{}.{}", code.name(), reason.name()),
        response: GoldenResponse {
            status: code.status(),
            headers: headers(reason, &envelope),
            body: serde_json::to_string(&envelope).unwrap_or_default(),
        },
        expected: GoldenExpected::Error {
            code: code.name().to_owned(),
            is_known_code: true,
            reason: Some(reason.name().to_owned()),
            is_known_reason: true,
            message: envelope.error.message,
            request_id: Some(envelope.meta.request_id.to_string()),
            is_retryable,
            retry_after,
            details,
        },
    }
}

const REQUEST_ID: &str = "019a3b5e-7c00-7000-8000-000000000001";

/// Answers of a server of tomorrow, and of things between it and the client.
fn odd_answers() -> Vec<Golden> {
    let mut all = of_tomorrow();
    all.extend(incomplete());
    all.extend(waits());
    all.extend(of_others());
    all
}

fn meta() -> Value {
    json!({ "request_id": REQUEST_ID, "ts": "2026-02-04T12:00:41.000Z" })
}

fn of_tomorrow() -> Vec<Golden> {
    vec![
        odd(
            "unknown_reason",
            422,
            json!({ "error": { "code": "validation_error", "message": "New.", "details": { "reason": "invented_tomorrow", "shoe_size": 42 } }, "meta": meta() }),
            (true, false),
        ),
        odd(
            "unknown_code_of_known_status",
            422,
            json!({ "error": { "code": "invented_code", "message": "New.", "details": { "reason": "invented_tomorrow" } }, "meta": meta() }),
            (false, false),
        ),
        odd(
            "unknown_code_of_unknown_status",
            507,
            json!({ "error": { "code": "invented_code", "message": "New.", "details": { "reason": "invented_tomorrow" } }, "meta": meta() }),
            (false, true),
        ),
        odd(
            "a_known_reason_under_another_code",
            403,
            json!({ "error": { "code": "forbidden", "message": "Moved.", "details": { "reason": "malformed_json" } }, "meta": meta() }),
            (true, false),
        ),
        odd(
            "extra_fields_everywhere",
            404,
            json!({
                "error": { "code": "not_found", "message": "Gone.", "severity": 3, "details": { "reason": "resource_not_found", "resource": "agent", "id": "x", "since": "yesterday" } },
                "meta": { "request_id": REQUEST_ID, "ts": "2026-02-04T12:00:41.000Z", "region": "eu" },
                "warnings": [],
            }),
            (true, false),
        ),
        odd(
            "a_field_reason_of_tomorrow",
            422,
            json!({ "error": { "code": "validation_error", "message": "Two.", "details": { "reason": "invalid_fields", "fields": [
                { "field": "name", "pointer": "/name", "reason": "rhymes_badly", "message": "No.", "hint": 1 },
                { "field": "limit", "pointer": "?limit", "reason": "out_of_range", "message": "No.", "params": { "maximum": 100 } },
            ] } }, "meta": meta() }),
            (true, false),
        ),
    ]
}

fn incomplete() -> Vec<Golden> {
    vec![
        odd(
            "no_details",
            403,
            json!({ "error": { "code": "forbidden", "message": "No." }, "meta": meta() }),
            (true, false),
        ),
        odd(
            "details_that_are_null",
            500,
            json!({ "error": { "code": "internal_error", "message": "No.", "details": null }, "meta": meta() }),
            (true, true),
        ),
        odd(
            "details_without_a_reason",
            402,
            json!({ "error": { "code": "payment_required", "message": "No.", "details": { "balance": 1.5 } }, "meta": meta() }),
            (true, false),
        ),
        odd(
            "details_of_other_types",
            429,
            json!({ "error": { "code": "rate_limit_exceeded", "message": "No.", "details": { "reason": "requests", "limit": "sixty", "retry_after": { "seconds": 3 }, "fields": 7 } }, "meta": meta() }),
            (true, true),
        ),
        odd(
            "no_meta",
            404,
            json!({ "error": { "code": "not_found", "message": "No.", "details": { "reason": "route_not_found" } } }),
            (true, false),
        ),
        odd(
            "a_request_id_that_is_no_uuid",
            404,
            json!({ "error": { "code": "not_found", "message": "No.", "details": { "reason": "route_not_found" } }, "meta": { "request_id": "req_7", "ts": "yesterday" } }),
            (true, false),
        ),
    ]
}

/// The longest wait that a client believes, in seconds: a year.
const WAIT_MAX: u64 = 365 * 24 * 60 * 60;

/// `Retry-After` as it may come, and the seconds that a client makes of it.
fn waits() -> Vec<Golden> {
    let provider = json!({ "error": { "code": "provider_error", "message": "No.", "details": { "reason": "rate_limited", "provider": "x", "kind": "tts", "operation": "speak", "retryable": true } }, "meta": meta() });
    let limited = |retry_after: Value| json!({ "error": { "code": "rate_limit_exceeded", "message": "No.", "details": { "reason": "overload", "policy": "overload", "retry_after": retry_after } }, "meta": meta() });
    let past_all_bounds = u64::MAX.to_string();
    let retryable = (true, true);
    vec![
        odd("a_wait_of_a_provider", 502, provider, retryable).waiting(&[("retry-after", "7")], Some(7)),
        odd("a_wait_past_all_bounds", 429, limited(json!(u64::MAX)), retryable)
            .waiting(&[("retry-after", &past_all_bounds)], Some(WAIT_MAX)),
        odd("a_wait_in_the_body_alone", 429, limited(json!(u64::MAX)), retryable).waiting(&[], Some(WAIT_MAX)),
        odd("a_wait_below_nothing", 429, limited(Value::Null), retryable).waiting(&[("retry-after", "-5")], None),
        odd("a_wait_until_a_date", 429, limited(Value::Null), retryable).waiting(
            &[
                ("date", "Wed, 04 Feb 2026 12:00:41 GMT"),
                ("retry-after", "Wed, 04 Feb 2026 12:01:00 GMT"),
            ],
            Some(19),
        ),
        odd("a_wait_until_a_date_gone_by", 429, limited(Value::Null), retryable).waiting(
            &[
                ("date", "Wed, 04 Feb 2026 12:00:41 GMT"),
                ("retry-after", "Wed, 04 Feb 2026 12:00:00 GMT"),
            ],
            Some(0),
        ),
    ]
}

impl Golden {
    fn waiting(mut self, headers: &[(&'static str, &str)], seconds: Option<u64>) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        self.response.headers.extend(headers);
        if let GoldenExpected::Error { retry_after, .. } = &mut self.expected {
            *retry_after = seconds;
        }
        self
    }
}

fn of_others() -> Vec<Golden> {
    let html = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n";
    let whole = of(Reason::Internal).response.body;
    let half = &whole[..whole.len() / 2];
    vec![
        unexpected("a_proxys_page", 502, &[("content-type", "text/html")], html, true),
        unexpected("an_empty_body", 503, &[("retry-after", "7")], "", true),
        unexpected(
            "a_body_cut_in_the_middle",
            500,
            &[("content-type", "application/json"), ("x-request-id", REQUEST_ID)],
            half,
            true,
        ),
        unexpected(
            "json_of_another_shape",
            403,
            &[("content-type", "application/json")],
            "{\"message\":\"Forbidden\"}",
            false,
        ),
        unexpected(
            "an_error_that_is_text",
            400,
            &[("content-type", "application/json")],
            "{\"error\":\"no\"}",
            false,
        ),
        unexpected(
            "json_that_is_no_object",
            422,
            &[("content-type", "application/json")],
            "[]",
            false,
        ),
        unexpected(
            "a_good_status_with_a_page",
            200,
            &[("content-type", "text/html")],
            html,
            false,
        ),
        unexpected("a_redirect", 302, &[("location", "https://login.example/")], "", false),
    ]
}

/// An envelope of this body, as a client should read it. `(is_known_code, is_retryable)`.
fn odd(name: &str, status: u16, body: Value, (is_known_code, is_retryable): (bool, bool)) -> Golden {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let error = &body["error"];
    let (code, reason) = (text(&error["code"]), text(&error["details"]["reason"]));
    let is_known_reason = Reason::ALL
        .iter()
        .any(|known| Some(known.name()) == reason.as_deref() && Some(known.code().name()) == code.as_deref());
    Golden {
        name: name.to_owned(),
        response: GoldenResponse {
            status,
            headers: BTreeMap::from([
                ("content-type", "application/json".to_owned()),
                ("x-request-id", REQUEST_ID.to_owned()),
            ]),
            body: body.to_string(),
        },
        expected: GoldenExpected::Error {
            code: code.unwrap_or_default(),
            is_known_code,
            reason,
            is_known_reason,
            message: text(&error["message"]).unwrap_or_default(),
            request_id: text(&body["meta"]["request_id"]).or_else(|| Some(REQUEST_ID.to_owned())),
            is_retryable,
            retry_after: None,
            details: error["details"].as_object().cloned().unwrap_or_default(),
        },
    }
}

fn unexpected(name: &str, status: u16, headers: &[(&'static str, &str)], body: &str, is_retryable: bool) -> Golden {
    let headers: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Golden {
        name: name.to_owned(),
        expected: GoldenExpected::Unexpected {
            request_id: headers.get("x-request-id").cloned(),
            is_retryable,
            retry_after: headers.get("retry-after").and_then(|seconds| seconds.parse().ok()),
        },
        response: GoldenResponse {
            status,
            headers,
            body: body.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_fact_of_an_example_is_explained_on_its_page() {
        for reason in Reason::ALL {
            for fact in example(*reason).error.details.unwrap_or_default().keys() {
                let line = format!("- `{fact}`:");
                assert!(reason.page().contains(&line), "{}: {fact}", reason.name());
            }
        }
    }

    #[test]
    fn the_corpus_has_a_file_for_each_reason_and_no_name_twice() {
        let files = files();
        let paths: BTreeSet<_> = files.iter().map(|(path, _)| path).collect();
        assert_eq!(paths.len(), files.len());
        for reason in Reason::ALL {
            let path = format!("errors/{}/{}.json", reason.code().name(), reason.name());
            assert!(paths.contains(&path), "{path}");
        }
    }

    #[test]
    fn a_golden_limit_waits_as_long_in_its_header_as_in_its_body() {
        let golden = of(Reason::Requests);
        assert_eq!(golden.response.headers["retry-after"], "19");
        assert!(golden.response.body.contains("\"retry_after\":19"));
    }
}
