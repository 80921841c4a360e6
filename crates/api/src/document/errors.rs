//! Failures in the API document: a schema for each code, one for each reason's details, an example for each reason.

use std::collections::BTreeSet;

use contract::{Code, Reason, facts};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

/// Schemas of the envelope, of each code, and of each reason's details.
pub(super) fn add_schemas(schemas: &mut Map<String, Value>) {
    for (name, schema) in [
        ("FieldFault", contract::FieldFault::schema()),
        ("FieldReason", contract::FieldReason::schema()),
        ("Meta", contract::Meta::schema()),
        ("RequestId", contract::RequestId::schema()),
        ("Timestamp", contract::Timestamp::schema()),
        ("ErrorBody", contract::ErrorBody::schema()),
        ("Code", Code::schema()),
    ] {
        schemas.insert(name.to_owned(), serde_json::to_value(schema).unwrap_or_default());
    }
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    schemas["ErrorBody"]["properties"]["code"]["enum"] = codes.into();
    schemas["Meta"]["additionalProperties"] = false.into();
    let envelopes: Vec<_> = Code::ALL.iter().map(|code| reference(&envelope_name(*code))).collect();
    let any = json!({ "description": "The body of every answer of 400 and above.", "oneOf": envelopes });
    schemas.insert("ErrorEnvelope".to_owned(), any);
    for code in Code::ALL {
        schemas.insert(body_name(*code), body(*code));
        schemas.insert(envelope_name(*code), envelope(*code));
    }
    for reason in Reason::ALL {
        schemas.insert(details_name(*reason), facts::schema(*reason));
    }
}

/// An example for each reason, as its page shows it.
pub(super) fn examples() -> Value {
    let examples: Map<_, _> = Reason::ALL
        .iter()
        .map(|reason| {
            let example = json!({ "summary": contract::docs::summary(*reason), "value": facts::example(*reason) });
            (example_name(*reason), example)
        })
        .collect();
    examples.into()
}

/// How an operation answers `code` because of `reasons`.
pub(crate) fn response(code: Code, reasons: &BTreeSet<Reason>) -> Value {
    let names: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
    let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let examples: Map<_, _> = reasons
        .iter()
        .map(|reason| {
            let example = json!({ "$ref": format!("#/components/examples/{}", example_name(*reason)) });
            (reason.name().to_owned(), example)
        })
        .collect();
    json!({
        "description": format!("`{}`, because of {}. See /docs/errors/{}.", code.name(), shown.join(", "), code.name()),
        "content": { "application/json": { "schema": reference(&envelope_name(code)), "examples": examples } },
        "x-code": code.name(),
        "x-reasons": names,
    })
}

fn envelope_name(code: Code) -> String {
    format!("{code:?}Envelope")
}

fn body_name(code: Code) -> String {
    format!("{code:?}Body")
}

fn details_name(reason: Reason) -> String {
    format!("{reason:?}Details")
}

fn example_name(reason: Reason) -> String {
    format!("{}.{}", reason.code().name(), reason.name())
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn envelope(code: Code) -> Value {
    json!({
        "type": "object",
        "description": format!("The body of an answer of {}.", code.status()),
        "properties": { "error": reference(&body_name(code)), "meta": reference("Meta") },
        "required": ["error", "meta"],
        "additionalProperties": false,
    })
}

fn body(code: Code) -> Value {
    let details: Vec<_> = code
        .reasons()
        .iter()
        .map(|reason| reference(&details_name(*reason)))
        .collect();
    let mapping: Map<_, _> = code
        .reasons()
        .iter()
        .map(|reason| {
            let target = format!("#/components/schemas/{}", details_name(*reason));
            (reason.name().to_owned(), target.into())
        })
        .collect();
    json!({
        "type": "object",
        "description": format!("What went wrong; see /docs/errors/{}.", code.name()),
        "properties": {
            "code": { "type": "string", "const": code.name() },
            "message": { "type": "string", "minLength": 1, "description": "For people; may change at any time." },
            "details": {
                "description": "Facts; `reason` says exactly what it was. Reasons may be added.",
                "oneOf": details,
                "discriminator": { "propertyName": "reason", "mapping": mapping },
            },
        },
        "required": ["code", "message", "details"],
        "additionalProperties": false,
    })
}
