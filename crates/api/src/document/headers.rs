//! Headers of answers in the API document.

use serde_json::{Map, Value, json};

use crate::operation::shows_more;

/// A header: its name, schema, and what it says.
type Header = (&'static str, fn() -> Value, &'static str);

const TEXT: fn() -> Value = || json!({ "type": "string" });
const KEY: fn() -> Value = || json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" });
/// One star, or tags in quotes, with commas between them; an empty list of tags is no condition.
const TAGS: fn() -> Value =
    || json!({ "type": "string", "pattern": r#"^(\*|(W/)?"[!#-+.-~-]*"(, *(W/)?"[!#-+.-~-]*")*)?$"# });
const COUNT: fn() -> Value = || json!({ "type": "integer", "minimum": 0 });

/// On every answer.
const ALWAYS: &[Header] = &[(
    "X-Request-Id",
    || json!({ "type": "string", "format": "uuid" }),
    "Equal to `meta.request_id`. Quote it when you ask for help.",
)];

/// On every answer to a known caller.
const COUNTED: &[Header] = &[
    (
        "RateLimit-Policy",
        TEXT,
        "The windows in force, such as `\"minute\";q=60;w=60`.",
    ),
    (
        "RateLimit",
        TEXT,
        "What is left of the tightest window and for how long: `\"minute\";r=41;t=12`.",
    ),
    ("X-RateLimit-Limit", COUNT, "What the tightest window allows."),
    ("X-RateLimit-Remaining", COUNT, "What is left of it."),
    ("X-RateLimit-Reset", COUNT, "When it ends, in Unix seconds."),
];

/// On every failure.
const FAILED: &[Header] = &[(
    "Link",
    TEXT,
    "The page about the code: `</docs/errors/{code}>; rel=\"help\"`.",
)];

const UNAUTHORIZED: &[Header] = &[("WWW-Authenticate", TEXT, "Which credentials are accepted.")];

const LIMITED: &[Header] = &[(
    "Retry-After",
    || json!({ "type": "integer", "minimum": 1 }),
    "Seconds to wait; equal to `details.retry_after`.",
)];

const PROVIDER: &[Header] = &[(
    "Retry-After",
    || json!({ "type": "integer", "minimum": 1 }),
    "Seconds to wait; there when the provider said so.",
)];

/// `true` when a request under an idempotency key is answered as before.
const REPLAYED: Header = (
    "Idempotent-Replayed",
    TEXT,
    "`true` when an earlier request got this answer",
);

const VERSION: Header = ("ETag", TEXT, "The version of what is answered");

/// What a POST may say about itself.
const IDEMPOTENCY_KEY: Header = (
    "Idempotency-Key",
    KEY,
    "1 to 255 visible ASCII characters. The same request with the same key has one effect, and for 24 hours \
     the same answer, marked by `Idempotent-Replayed: true`. Also taken as `X-Idempotency-Key`.",
);

/// What a change may say about what it changes.
const IF_MATCH: Header = (
    "If-Match",
    TAGS,
    "Entity tags. When none of them is the present `ETag`, nothing changes and the answer is `stale_version`.",
);

/// What a read may say about what is known already.
const IF_NONE_MATCH: Header = (
    "If-None-Match",
    TEXT,
    "Entity tags. When one of them is the present `ETag`, the answer is 304.",
);

/// Answers of a POST that are kept under its key: those that were good, and those that no repetition can change.
const KEPT: [&str; 4] = ["200", "201", "400", "422"];

/// Describes the headers that every operation of a method understands, and those that answer them.
pub(crate) fn describe_headers(method: &str, operation: &mut Value) {
    let has_version = add_version(operation);
    match method {
        "post" => {
            add_parameter(operation, &IDEMPOTENCY_KEY);
            for (_, answer) in answers(operation).filter(|(status, _)| KEPT.contains(&status.as_str())) {
                add_header(answer, &REPLAYED);
            }
        }
        "patch" | "put" | "delete" => add_parameter(operation, &IF_MATCH),
        "get" if has_version => {
            let mut unchanged = json!({ "description": "It is as one of the tags in `If-None-Match`" });
            add_header(&mut unchanged, &VERSION);
            operation["responses"]["304"] = unchanged;
            add_parameter(operation, &IF_NONE_MATCH);
        }
        _ => {}
    }
}

/// Whether a good answer is one thing, which has a version, and no page of a list and no stream of events.
fn add_version(operation: &mut Value) -> bool {
    let mut has_version = false;
    for (_, answer) in answers(operation).filter(|(status, _)| status.starts_with('2')) {
        let of_one = answer["content"]["application/json"]["schema"]["$ref"]
            .as_str()
            .is_some_and(|name| name.contains("/Envelope_"));
        if (of_one && !shows_more(answer)) || answer["content"]["audio/wav"].is_object() {
            add_header(answer, &VERSION);
            has_version = true;
        }
    }
    has_version
}

fn answers(operation: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    operation["responses"].as_object_mut().into_iter().flatten()
}

fn add_header(answer: &mut Value, (name, schema, description): &Header) {
    answer["headers"][*name] = json!({ "description": description, "schema": schema() });
}

fn add_parameter(operation: &mut Value, (name, schema, description): &Header) {
    let parameter =
        json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema() });
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

/// Adds to every answer of an operation the headers that come with it.
fn add(operation: &mut Value) {
    // Who is known by a signature is not counted.
    let is_counted = operation["security"] != json!([]);
    for (status, response) in answers(operation) {
        for header in headers_of(status, is_counted) {
            if response["headers"][header.0].is_null() {
                add_header(response, header);
            }
        }
    }
}

fn headers_of(status: &str, is_counted: bool) -> impl Iterator<Item = &'static Header> {
    let counted = if is_counted && status != "401" { COUNTED } else { &[] };
    let failed = if status.starts_with(['4', '5']) { FAILED } else { &[] };
    let own = match status {
        "401" => UNAUTHORIZED,
        "429" => LIMITED,
        "502" => PROVIDER,
        _ => &[],
    };
    ALWAYS.iter().chain(counted).chain(failed).chain(own)
}

/// Adds them to all operations of these paths.
pub(super) fn add_everywhere(paths: &mut Map<String, Value>) {
    let operations = paths
        .values_mut()
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut);
    operations
        .filter(|operation| operation["responses"].is_object())
        .for_each(add);
}
