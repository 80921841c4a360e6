//! What the deployment says of itself: its operations, from its API document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{ask::Ask, session::Session};

/// The path of the document, and the base of the API.
pub(crate) const PUBLIC: &str = "/api/public/v1";

/// The whole document, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) operations: Vec<Operation>,
    pub(crate) whole: Value,
    /// Whether the deployment served it.
    pub(crate) is_its_own: bool,
}

/// One endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: String,
    /// With `{…}` where ids stand.
    pub(crate) template: String,
    pub(crate) query: Vec<Parameter>,
    /// The schema of a JSON body that is an object, with all references followed.
    pub(crate) body: Option<Schema>,
    pub(crate) is_billable: bool,
    /// The scope a key needs; empty where the document does not say.
    pub(crate) scope: String,
    /// Whether anybody may ask.
    pub(crate) is_open: bool,
    /// `code.reason` of each error it documents; empty where the document does not say.
    pub(crate) errors: BTreeSet<String>,
    pub(crate) statuses: BTreeSet<u16>,
    pub(crate) answers_json: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

/// An object's schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(crate) properties: Map<String, Value>,
    pub(crate) required: Vec<String>,
}

impl Document {
    /// The deployment's own, or else the one that came with the settings.
    pub(crate) async fn load(session: &mut Session) -> Self {
        let path = format!("{PUBLIC}/openapi.json");
        let answer = session
            .check(
                "documentation",
                "the API document is served to anybody",
                Ask::get(path).by_nobody(),
                |answer, verdict| {
                    verdict.status(answer, 200);
                    let version = answer.json()["openapi"].as_str().unwrap_or_default().to_owned();
                    verdict.want(
                        "the API document is OpenAPI 3.1",
                        version.starts_with("3.1"),
                        "openapi: 3.1",
                        &version,
                    );
                },
            )
            .await;
        let own = answer
            .map(|answer| answer.json())
            .filter(|document| document["paths"].is_object());
        if own.is_none() && session.is_reachable {
            session.note("the deployment serves no API document; ours is used in its place");
        }
        Self {
            is_its_own: own.is_some(),
            ..Self::read(own.unwrap_or_else(|| session.settings.document.clone()))
        }
    }

    pub(crate) fn read(whole: Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in whole["paths"].as_object().into_iter().flatten() {
            for (method, spec) in item.as_object().into_iter().flatten() {
                if matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete") {
                    operations.push(operation(&whole, path, method, spec));
                }
            }
        }
        Self {
            operations,
            whole,
            is_its_own: false,
        }
    }

    /// The operation that this method and path lead to.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        let path = path.split('?').next().unwrap_or_default();
        let mut matching: Vec<_> = self
            .operations
            .iter()
            .filter(|operation| operation.method == method && fits(&operation.template, path))
            .collect();
        // What is written out goes before what is filled in.
        matching.sort_by_key(|operation| operation.template.matches('{').count());
        matching.into_iter().next()
    }

    /// Lists that can be asked for without knowing an id.
    pub(crate) fn lists(&self) -> Vec<Operation> {
        let lists = self.operations.iter().filter(|operation| {
            operation.method == "GET"
                && !operation.template.contains('{')
                && operation.query.iter().any(|parameter| parameter.name == "limit")
        });
        lists.cloned().collect()
    }

    /// The same, those first that serve best as an example: public ones, to whose path things can also be posted.
    pub(crate) fn examples(&self) -> Vec<Operation> {
        let takes_things = |path: &str| {
            let mut posts = self.operations.iter().filter(|operation| operation.method == "POST");
            posts.any(|operation| operation.template == path && operation.body.is_some())
        };
        let mut lists = self.lists();
        lists.sort_by_key(|list| (!list.template.starts_with(PUBLIC), !takes_things(&list.template)));
        lists
    }

    /// Operations that take a JSON object.
    pub(crate) fn writers(&self) -> Vec<Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.body.is_some())
            .cloned()
            .collect()
    }

    /// Operations with an id in their path.
    pub(crate) fn with_id(&self) -> Vec<Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.template.contains('{'))
            .cloned()
            .collect()
    }

    /// Each path once, with the methods it knows.
    pub(crate) fn paths(&self) -> Vec<(String, BTreeSet<String>)> {
        let mut paths: Vec<(String, BTreeSet<String>)> = Vec::new();
        for operation in &self.operations {
            match paths.iter_mut().find(|(path, _)| *path == operation.template) {
                Some((_, methods)) => {
                    methods.insert(operation.method.clone());
                }
                None => paths.push((operation.template.clone(), BTreeSet::from([operation.method.clone()]))),
            }
        }
        paths
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
}

impl Operation {
    /// Its path with every id filled in.
    pub(crate) fn path(&self, id: &str) -> String {
        let segments = self.template.split('/');
        let filled: Vec<_> = segments
            .map(|segment| if segment.starts_with('{') { id } else { segment })
            .collect();
        filled.join("/")
    }

    pub(crate) fn ask(&self, id: &str) -> Ask {
        Ask::new(&self.method, self.path(id))
    }

    /// For the names of checks.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.method, self.template)
    }
}

fn operation(whole: &Value, path: &str, method: &str, spec: &Value) -> Operation {
    let parameters = spec["parameters"].as_array().into_iter().flatten();
    let query = parameters
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| Parameter {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            schema: resolve(whole, &parameter["schema"], 0),
        });
    let content = &spec["requestBody"]["content"];
    let is_json_alone = content.as_object().is_some_and(|content| content.len() == 1);
    let body = content.get("application/json").filter(|_| is_json_alone);
    let body = body
        .map(|body| object(whole, &body["schema"], 0))
        .filter(|schema| !schema.properties.is_empty());
    let responses = spec["responses"].as_object().cloned().unwrap_or_default();
    let errors = responses.values().flat_map(|response| {
        let code = response["x-code"].as_str().unwrap_or_default().to_owned();
        let reasons = response["x-reasons"].as_array().cloned().unwrap_or_default();
        reasons
            .into_iter()
            .map(move |reason| format!("{code}.{}", reason.as_str().unwrap_or_default()))
    });
    Operation {
        method: method.to_ascii_uppercase(),
        template: path.to_owned(),
        query: query.collect(),
        body,
        is_billable: spec["x-billable"] == true,
        scope: spec["x-required-scope"].as_str().unwrap_or_default().to_owned(),
        is_open: spec["security"]
            .as_array()
            .is_some_and(|all| all.is_empty() || all.contains(&json!({}))),
        errors: errors.collect(),
        statuses: responses.keys().filter_map(|status| status.parse().ok()).collect(),
        answers_json: responses
            .iter()
            .any(|(status, response)| status.starts_with('2') && response["content"]["application/json"].is_object()),
    }
}

/// Follows references, and takes what is not `null` of what may be.
fn resolve(whole: &Value, schema: &Value, depth: usize) -> Value {
    if depth > 8 {
        return Value::Null;
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/")) {
        let target = name.split('/').fold(whole, |value, key| &value[key]);
        return resolve(whole, target, depth + 1);
    }
    for key in ["oneOf", "anyOf"] {
        let Some(variants) = schema[key].as_array() else {
            continue;
        };
        let mut others = variants.iter().filter(|variant| variant["type"] != "null");
        if let (Some(only), None) = (others.next(), others.next()) {
            let mut only = resolve(whole, only, depth + 1);
            if variants.len() > 1
                && let Some(object) = only.as_object_mut()
            {
                object.insert("x-nullable".to_owned(), true.into());
            }
            return only;
        }
    }
    schema.clone()
}

fn object(whole: &Value, schema: &Value, depth: usize) -> Schema {
    let schema = resolve(whole, schema, depth);
    let mut all = Schema::default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        all.properties.insert(name.clone(), resolve(whole, property, depth));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    all.required
        .extend(required.filter_map(Value::as_str).map(ToOwned::to_owned));
    for part in schema["allOf"].as_array().into_iter().flatten().filter(|_| depth < 8) {
        let part = object(whole, part, depth + 1);
        all.properties.extend(part.properties);
        all.required.extend(part.required);
    }
    all
}

/// The JSON types a schema takes; empty when it does not say.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether `null` is taken.
pub(crate) fn is_nullable(schema: &Value) -> bool {
    let types = types(schema);
    types.is_empty() || types.contains(&"null") || schema["x-nullable"] == true
}

/// A value of a type that the schema does not take.
pub(crate) fn wrong_type(schema: &Value) -> Option<Value> {
    let types = types(schema);
    let candidates = [
        ("boolean", json!(true)),
        ("object", json!({ "zzz": 1 })),
        ("array", json!([])),
        ("string", json!("zzz")),
    ];
    let wrong = candidates.into_iter().find(|(kind, _)| !types.contains(kind));
    wrong.filter(|_| !types.is_empty()).map(|(_, value)| value)
}

/// A value of the right type that breaks a bound, and the reason a server gives.
pub(crate) fn out_of_bounds(schema: &Value) -> Option<(Value, &'static str)> {
    let number = |name: &str| schema[name].as_f64();
    let types = types(schema);
    if types.contains(&"string") {
        if schema["enum"].is_array() {
            return Some((json!("zzz_not_one_of_them"), "not_allowed_value"));
        }
        if let Some(max) = number("maxLength").filter(|max| *max <= 20_000.0) {
            return Some((json!("x".repeat(max as usize + 1)), "too_long"));
        }
        return number("minLength")
            .filter(|min| *min >= 1.0)
            .map(|_| (json!(""), "too_short"));
    }
    if types.contains(&"integer") || types.contains(&"number") {
        let beyond = number("maximum").map(|max| json!(max as i64 + 1));
        let before = number("minimum").map(|min| json!(min as i64 - 1));
        return beyond.or(before).map(|value| (value, "out_of_range"));
    }
    let max = number("maxItems").filter(|max| types.contains(&"array") && *max <= 1000.0)?;
    Some((Value::Array(vec![wrong_item(schema); max as usize + 1]), "too_long"))
}

/// An item that is at least of the right type, so that the number of them is what is wrong.
fn wrong_item(schema: &Value) -> Value {
    match types(&schema["items"]).first().copied() {
        Some("object") => json!({}),
        Some("integer" | "number") => json!(1),
        _ => json!("x"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document::read(json!({
            "paths": {
                "/a": { "post": {
                    "operationId": "a_create",
                    "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/A" } } } },
                    "responses": { "201": {}, "422": { "x-code": "validation_error", "x-reasons": ["invalid_fields"] } },
                } },
                "/a/{id}": { "get": { "operationId": "a_fetch" } },
                "/a/all": { "get": { "operationId": "a_all" } },
            },
            "components": { "schemas": {
                "A": { "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string", "maxLength": 3 },
                    "kind": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Kind" }] },
                } },
                "Kind": { "type": "string", "enum": ["x"] },
            } },
        }))
    }

    #[test]
    fn references_are_followed_and_null_is_told_apart() {
        let document = document();
        let create = document.find("POST", "/a").cloned();
        let body = create
            .as_ref()
            .and_then(|create| create.body.clone())
            .unwrap_or_default();
        assert_eq!(body.required, ["name"]);
        assert_eq!(
            out_of_bounds(&body.properties["name"]),
            Some((json!("xxxx"), "too_long"))
        );
        assert_eq!(
            out_of_bounds(&body.properties["kind"]).map(|(_, reason)| reason),
            Some("not_allowed_value")
        );
        assert!(is_nullable(&body.properties["kind"]) && !is_nullable(&body.properties["name"]));
        assert_eq!(wrong_type(&body.properties["name"]), Some(json!(true)));
        let errors = create.map(|create| create.errors).unwrap_or_default();
        assert!(errors.contains("validation_error.invalid_fields"));
    }

    #[test]
    fn a_path_that_is_written_out_goes_before_one_that_is_filled_in() {
        let document = document();
        let template = |path| document.find("GET", path).map(|operation| operation.template.clone());
        assert_eq!(template("/a/all").as_deref(), Some("/a/all"));
        assert_eq!(template("/a/7?x=1").as_deref(), Some("/a/{id}"));
        assert_eq!(template("/b"), None);
    }
}
