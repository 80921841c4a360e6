//! Examples made from schemas, so that they can't be of another version.

use serde_json::{Map, Value, json};

use super::{
    site::{Operation, Site},
    tree::{resolved, without_null},
};

/// What people would write where the schema has no example of its own.
const LIKELY: &[(&str, &str)] = &[
    ("name", "Front desk"),
    ("system_prompt", "You answer the phone of a bakery. Be brief and kind."),
    ("host", "192.0.2.4"),
    ("phone_number", "+14155550123"),
    ("from_number", "+14155550100"),
    ("to_number", "+14155550123"),
    ("model", "builtin/guide"),
    ("provider", "local"),
    ("cursor", "019a3b5e-7c00-7000-8000-000000000001"),
    ("email", "ada@example.org"),
    ("key", "cw_…"),
];

/// Left out of a request's example unless required; these are worth showing all the same.
const SHOWN: &[&str] = &["phone_number", "name"];

/// Deeper objects are left empty.
const DEPTH_MAX: usize = 6;

/// A body that the operation takes: what is required, and little else.
pub(super) fn request(site: &Site, schema: &Value) -> Value {
    let whole = resolved(site, schema);
    let mut example = of(site, schema, Extent::Least, 0);
    if let (Some(object), Some(properties)) = (example.as_object_mut(), whole["properties"].as_object()) {
        for name in SHOWN.iter().filter(|name| properties.contains_key(**name)) {
            let value = named(site, name, &properties[*name], Extent::Least, 1);
            object.entry(*name).or_insert(value);
        }
        if object.is_empty()
            && let Some((name, property)) = properties.iter().next()
        {
            object.insert(name.clone(), named(site, name, property, Extent::Least, 1));
        }
    }
    example
}

/// A body that the operation answers.
pub(super) fn answer(site: &Site, schema: &Value) -> Value {
    of(site, schema, Extent::Whole, 0)
}

/// A request as one types it.
pub(super) fn curl(site: &Site, operation: &Operation) -> String {
    let parameters: Vec<_> = operation.described["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut path = operation.path.clone();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "path") {
        let name = parameter["name"].as_str().unwrap_or_default();
        path = path.replace(&format!("{{{name}}}"), "019a3b5e-7c00-7000-8000-000000000001");
    }
    let mut lines = vec![match operation.method.as_str() {
        "GET" => format!("curl \"$CALLWRIGHT_URL{path}\""),
        method => format!("curl -X {method} \"$CALLWRIGHT_URL{path}\""),
    }];
    if operation.takes_key() {
        lines.push("-H \"Authorization: Bearer $CALLWRIGHT_API_KEY\"".to_owned());
    }
    let headers = parameters.iter().filter(|parameter| parameter["in"] == "header");
    for header in headers.filter(|header| header["required"] == true) {
        lines.push(format!("-H \"{}: …\"", header["name"].as_str().unwrap_or_default()));
    }
    let takes_key = parameters
        .iter()
        .any(|parameter| parameter["name"] == "Idempotency-Key");
    if takes_key {
        lines.push("-H \"Idempotency-Key: $(uuidgen)\"".to_owned());
    }
    let body = &operation.described["requestBody"]["content"]["application/json"]["schema"];
    if body.is_object() {
        let text = serde_json::to_string_pretty(&request(site, body)).unwrap_or_default();
        lines.push("-H \"Content-Type: application/json\"".to_owned());
        lines.push(format!("-d '{}'", text.replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

/// How much of an object is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Only what is required.
    Least,
    /// All of it.
    Whole,
}

fn of(site: &Site, schema: &Value, extent: Extent, depth: usize) -> Value {
    let told = ["example", "const"].into_iter().find_map(|name| schema.get(name));
    if let Some(told) = told.or_else(|| resolved(site, schema).get("example")) {
        return told.clone();
    }
    if let Some(default) = schema.get("default").filter(|_| extent == Extent::Whole) {
        return default.clone();
    }
    let whole = without_null(site, schema);
    if let Some(value) = whole
        .get("example")
        .or_else(|| whole.get("const"))
        .or_else(|| whole["enum"].get(0))
    {
        return value.clone();
    }
    if let Some(first) = whole["oneOf"].get(0).or_else(|| whole["anyOf"].get(0)) {
        return of(site, first, extent, depth);
    }
    match type_of(whole) {
        "object" => object(site, whole, extent, depth),
        "array" if depth < DEPTH_MAX && whole["items"].is_object() => {
            json!([of(site, &whole["items"], extent, depth + 1)])
        }
        "array" => json!([]),
        "integer" => whole.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "number" => whole
            .get("maximum")
            .or_else(|| whole.get("minimum"))
            .cloned()
            .unwrap_or_else(|| json!(1.5)),
        "boolean" => json!(true),
        "null" => Value::Null,
        _ => text(whole).into(),
    }
}

fn object(site: &Site, schema: &Value, extent: Extent, depth: usize) -> Value {
    if depth >= DEPTH_MAX {
        return json!({});
    }
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let shown = properties.filter(|(name, _)| extent == Extent::Whole || required.contains(&name.as_str()));
    let object: Map<_, _> = shown
        .map(|(name, property)| (name.clone(), named(site, name, property, extent, depth + 1)))
        .collect();
    object.into()
}

/// The value of a property, by its name where that says more than its schema.
fn named(site: &Site, name: &str, property: &Value, extent: Extent, depth: usize) -> Value {
    let is_text = type_of(without_null(site, property)) == "string";
    let has_own = property.get("example").is_some() || without_null(site, property)["enum"].is_array();
    let likely = LIKELY.iter().find(|(known, _)| *known == name && is_text && !has_own);
    match likely {
        Some((_, value)) => (*value).into(),
        None if name.ends_with("_id") && is_text => "019a3b5e-7c00-7000-8000-000000000001".into(),
        None => of(site, property, extent, depth),
    }
}

fn type_of(schema: &Value) -> &str {
    let types = schema["type"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(schema.get("type"));
    let named = types.filter_map(Value::as_str).find(|name| *name != "null");
    named.unwrap_or(if schema["properties"].is_object() {
        "object"
    } else {
        "string"
    })
}

fn text(schema: &Value) -> &'static str {
    match schema["format"].as_str() {
        Some("uuid") => "019a3b5e-7c00-7000-8000-000000000001",
        Some("date-time") => "2026-02-04T12:00:00.000Z",
        Some("e164") => "+14155550123",
        Some("duration-text") => "30s",
        Some("bcp47") => "en-US",
        Some("sip-uri") => "sip:alice@192.0.2.4:5060",
        _ => "text",
    }
}
