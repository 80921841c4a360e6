//! The API's own description.

use std::collections::BTreeSet;

use serde_json::{Value, json};

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_operation_and_every_answer_is_described() {
    let document = api::openapi();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
            "{name}"
        );
        assert!(
            operation["summary"].is_string() && operation["description"].is_string(),
            "{name}"
        );
        if operation["security"] == json!([]) {
            assert!(operation["x-required-scope"].is_null(), "{name}");
            continue;
        }
        assert!(
            operation["x-required-scope"].is_string() && operation["x-billable"].is_boolean(),
            "{name}"
        );
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{name} {status}"
            );
        }
        for status in ["400", "401", "403", "429", "500"] {
            assert!(operation["responses"][status].is_object(), "{name} {status}");
        }
    }
    assert!(ids.len() > 30);
}

fn wholes<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("allOf"));
            object.values().for_each(|value| wholes(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| wholes(value, found)),
        _ => {}
    }
}

#[test]
fn no_schema_forbids_what_a_whole_adds_to_it() {
    let document = api::openapi();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut found = Vec::new();
    wholes(&document, &mut found);
    for part in found.iter().flat_map(|parts| parts.as_array().unwrap()) {
        let part = part["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let closed = part.is_some_and(|part| schemas[part]["additionalProperties"] == false);
        assert!(!closed, "something adds to {part:?}, which forbids it");
    }
    let agent = &schemas["Agent"]["properties"];
    assert!(agent["id"].is_object() && agent["system_prompt"].is_object());
}

#[test]
fn every_reference_leads_somewhere() {
    let document = api::openapi();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        assert!(
            document.pointer(reference.trim_start_matches('#')).is_some(),
            "{reference}"
        );
    }
}

#[test]
fn every_documented_error_is_in_the_catalogue_and_at_its_status() {
    let document = api::openapi();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            for reason in response["x-reasons"].as_array().into_iter().flatten() {
                let known = contract::Reason::ALL.iter().any(|known| {
                    known.name() == reason
                        && known.code().name() == response["x-code"]
                        && known.code().status().to_string() == *status
                });
                assert!(known, "{name} {status} {reason}");
            }
        }
    }
}

#[test]
fn only_what_costs_is_billable() {
    let document = api::openapi();
    let billable = operations(&document).filter(|(_, operation)| operation["x-billable"] == true);
    assert_eq!(
        billable.map(|(name, _)| name).collect::<Vec<_>>(),
        ["post /api/public/v1/calls"]
    );
}

/// What a document says that an operation answers with a code.
fn reasons<'a>(operation: &'a Value, status: &str) -> Vec<&'a str> {
    let reasons = operation["responses"][status]["x-reasons"].as_array();
    reasons.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn rights_are_refused_only_where_somebody_lacks_them() {
    let document = api::openapi();
    let operation = |method: &str, path: &str| document["paths"][path][method].clone();
    for (method, path, scope, role, refusals) in [
        // Any member may look, and any key of the organisation; one of an operator's opens none.
        (
            "get",
            "/api/public/v1/agents",
            "read",
            Some("viewer"),
            &["insufficient_scope"][..],
        ),
        (
            "post",
            "/api/public/v1/agents",
            "write",
            Some("member"),
            &["insufficient_role", "insufficient_scope"],
        ),
        // A key of this base path has to hold more.
        (
            "get",
            "/api/v1/members",
            "admin",
            Some("viewer"),
            &["insufficient_scope"],
        ),
        (
            "patch",
            "/api/v1/organization",
            "admin",
            Some("admin"),
            &["insufficient_role", "insufficient_scope"],
        ),
        (
            "get",
            "/api/operator/v1/organizations",
            "operator",
            None,
            &["insufficient_scope"],
        ),
    ] {
        let operation = operation(method, path);
        assert_eq!(operation["x-required-scope"], scope, "{path}");
        assert_eq!(operation["x-required-role"].as_str(), role, "{path}");
        let mut told = reasons(&operation, "403");
        told.retain(|reason| reason.starts_with("insufficient"));
        told.sort_unstable();
        assert_eq!(told, refusals, "{path}");
    }
}

#[test]
fn versions_are_described_where_one_thing_is_answered() {
    let document = api::openapi();
    for (name, operation) in operations(&document).filter(|(name, _)| name.starts_with("get ")) {
        let good = &operation["responses"]["200"];
        let schema = good["content"]["application/json"]["schema"]["$ref"].as_str();
        let is_one = schema.is_some_and(|schema| schema.contains("/Envelope_")) || name.ends_with("/recording");
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let is_asked = parameters.any(|parameter| parameter["name"] == "If-None-Match");
        assert_eq!(operation["responses"]["304"].is_object(), is_one, "{name}");
        assert_eq!(good["headers"]["ETag"].is_object(), is_one, "{name}");
        assert_eq!(is_asked, is_one, "{name}");
    }
}

#[test]
fn what_is_signed_has_its_own_header_and_no_limits() {
    let document = api::openapi();
    let webhook = &document["paths"]["/api/billing/stripe/webhook"]["post"];
    assert_eq!(webhook["parameters"][0]["name"], "Stripe-Signature");
    assert_eq!(webhook["parameters"][0]["required"], true);
    for (status, answer) in webhook["responses"].as_object().unwrap() {
        assert!(answer["headers"]["RateLimit"].is_null(), "{status}");
        assert!(answer["headers"]["X-Request-Id"].is_object(), "{status}");
    }
}

#[test]
fn the_licence_is_named() {
    assert_eq!(api::openapi()["info"]["license"]["identifier"], "Apache-2.0");
}
