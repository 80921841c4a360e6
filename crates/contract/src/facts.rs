//! What stands in `error.details`, for programs. Read from the pages of the reasons, so that the two can't differ.

use serde_json::{Map, Value, json};

use crate::{Reason, Timestamp};

/// What a fact is written as. One name means one kind, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A string.
    Text,
    /// A whole number, not below zero.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// An instant.
    Time,
    /// A list of strings.
    Texts,
    /// A list of [`crate::FieldFault`].
    Faults,
}

/// Facts that are not text.
const KINDS: &[(&str, FactKind)] = &[
    ("allowed", FactKind::Texts),
    ("balance", FactKind::Number),
    ("column", FactKind::Integer),
    ("fields", FactKind::Faults),
    ("limit", FactKind::Integer),
    ("line", FactKind::Integer),
    ("max_bytes", FactKind::Integer),
    ("numbers", FactKind::Integer),
    ("omitted", FactKind::Integer),
    ("provider_status", FactKind::Integer),
    ("remaining", FactKind::Integer),
    ("required", FactKind::Number),
    ("reset_at", FactKind::Time),
    ("retry_after", FactKind::Integer),
    ("retryable", FactKind::Flag),
    ("size", FactKind::Integer),
    ("supported", FactKind::Texts),
    ("timeout_seconds", FactKind::Number),
    ("window_seconds", FactKind::Integer),
];

/// Words by which a page says that a fact is not always there.
const DOUBTS: [&str; 4] = ["absent", ", if ", ", when ", ", where it"];

/// One entry of `error.details`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// What it is written as.
    pub kind: FactKind,
    /// Whether it is there each time.
    pub is_certain: bool,
    /// What the page says of it.
    pub meaning: &'static str,
}

/// What a reason's `details` hold, the reason itself first.
pub fn facts(reason: Reason) -> Vec<Fact> {
    let (_, section) = reason.page().split_once("## Details\n").unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "));
    // Lines about what lies deeper explain an entry that has its own.
    let entries = lines.filter(|(name, _)| !name.contains(['[', '.']));
    entries
        .map(|(name, meaning)| Fact {
            name,
            kind: KINDS
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(FactKind::Text, |(_, kind)| *kind),
            is_certain: !DOUBTS.iter().any(|doubt| meaning.contains(doubt)),
            meaning,
        })
        .collect()
}

/// The envelope that a reason's page shows.
pub fn example(reason: Reason) -> Value {
    let json = reason
        .page()
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    serde_json::from_str(json.unwrap_or_default()).unwrap_or_default()
}

/// The JSON Schema of a reason's `details`.
pub fn schema(reason: Reason) -> Value {
    let facts = facts(reason);
    let properties: Map<_, _> = facts
        .iter()
        .map(|fact| (fact.name.to_owned(), schema_of(fact, reason)))
        .collect();
    let certain: Vec<_> = facts
        .iter()
        .filter(|fact| fact.is_certain)
        .map(|fact| fact.name)
        .collect();
    json!({
        "type": "object",
        "description": crate::docs::summary(reason),
        "properties": properties,
        "required": certain,
    })
}

fn schema_of(fact: &Fact, reason: Reason) -> Value {
    let mut schema = match fact.kind {
        FactKind::Text if fact.name == "reason" => json!({ "type": "string", "const": reason.name() }),
        FactKind::Text => json!({ "type": "string" }),
        FactKind::Integer => json!({ "type": "integer", "minimum": 0 }),
        FactKind::Number => json!({ "type": "number" }),
        FactKind::Flag => json!({ "type": "boolean" }),
        FactKind::Time => json!({ "type": "string", "format": "date-time" }),
        FactKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        FactKind::Faults => json!({ "type": "array", "items": { "$ref": "#/components/schemas/FieldFault" } }),
    };
    schema["description"] = fact.meaning.into();
    schema
}

/// What in `details` is not as the reason's page says; one sentence for each fault.
pub fn faults(reason: Reason, details: &Map<String, Value>) -> Vec<String> {
    let facts = facts(reason);
    let missing = facts
        .iter()
        .filter(|fact| fact.is_certain && !details.contains_key(fact.name));
    let missing = missing.map(|fact| format!("{} is not there", fact.name));
    let known = |name: &str| facts.iter().find(|fact| fact.name == name);
    let wrong = details.iter().filter_map(|(name, value)| match known(name) {
        None => Some(format!("{name} is on no page")),
        Some(fact) if !is_of_kind(fact.kind, value) => Some(format!("{name} is not {:?}", fact.kind)),
        Some(_) => None,
    });
    missing.chain(wrong).collect()
}

fn is_of_kind(kind: FactKind, value: &Value) -> bool {
    match kind {
        FactKind::Text => value.is_string(),
        FactKind::Integer => value.is_u64(),
        FactKind::Number => value.is_number(),
        FactKind::Flag => value.is_boolean(),
        FactKind::Time => serde_json::from_value::<Timestamp>(value.clone()).is_ok(),
        FactKind::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        FactKind::Faults => serde_json::from_value::<Vec<crate::FieldFault>>(value.clone()).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_as_its_page_says() {
        for reason in Reason::ALL {
            let example = example(*reason);
            let details = example["error"]["details"].as_object().cloned().unwrap_or_default();
            let name = format!("{}/{}", reason.code().name(), reason.name());
            assert_eq!(faults(*reason, &details), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn every_page_begins_its_details_with_the_reason() {
        for reason in Reason::ALL {
            let facts = facts(*reason);
            let first = facts.first().map(|fact| (fact.name, fact.is_certain));
            assert_eq!(first, Some(("reason", true)), "{reason:?}");
            assert!(facts.iter().all(|fact| !fact.meaning.is_empty()), "{reason:?}");
        }
    }

    #[test]
    fn every_kind_is_of_a_fact_that_exists() {
        for (name, _) in KINDS {
            let is_known = Reason::ALL
                .iter()
                .any(|reason| facts(*reason).iter().any(|fact| fact.name == *name));
            assert!(is_known, "{name}");
        }
    }

    #[test]
    fn what_is_not_as_the_page_says_is_named() {
        let wrong = json!({ "reason": "requests", "limit": "60", "colour": "red" });
        let faults = faults(Reason::Requests, wrong.as_object().unwrap_or(&Map::new()));
        for fault in [
            "limit is not Integer",
            "colour is on no page",
            "retry_after is not there",
        ] {
            assert!(faults.iter().any(|found| found == fault), "{fault}: {faults:?}");
        }
    }
}
