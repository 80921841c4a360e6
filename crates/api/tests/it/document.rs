//! The API's own description.

use std::collections::BTreeSet;

use serde_json::Value;

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
    assert_eq!(ids.len(), 30);
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

#[test]
fn the_licence_is_named() {
    assert_eq!(api::openapi()["info"]["license"]["identifier"], "Apache-2.0");
}
