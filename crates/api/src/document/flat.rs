//! One object in place of several.
//!
//! A type that holds another's fields as its own is described as both at once (`allOf`). As soon as one of them allows
//! no further fields, nothing can be both. What such a type is, is one object with the fields of all.

use serde_json::{Map, Value};

/// Replaces each `allOf` of objects by one object, everywhere in `schemas`.
pub(super) fn flatten(schemas: &mut Map<String, Value>) {
    let before = schemas.clone();
    schemas.values_mut().for_each(|schema| flatten_one(schema, &before));
}

fn flatten_one(schema: &mut Value, schemas: &Map<String, Value>) {
    match schema {
        Value::Object(object) => {
            if let Some(whole) = merged(object, schemas) {
                *object = whole;
            }
            object.values_mut().for_each(|part| flatten_one(part, schemas));
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| flatten_one(part, schemas)),
        _ => {}
    }
}

fn merged(object: &Map<String, Value>, schemas: &Map<String, Value>) -> Option<Map<String, Value>> {
    let parts = object.get("allOf")?.as_array()?;
    let mut whole = object.clone();
    whole.remove("allOf");
    let (mut properties, mut required) = (Map::new(), Vec::<Value>::new());
    for part in parts {
        let part = resolved(part, schemas)?;
        let nested = part.as_object().and_then(|part| merged(part, schemas));
        let part = nested.map_or_else(|| part.clone(), Value::Object);
        properties.extend(part["properties"].as_object()?.clone());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    whole.insert("type".to_owned(), "object".into());
    whole.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        whole.insert("required".to_owned(), required.into());
    }
    Some(whole)
}

fn resolved<'a>(part: &'a Value, schemas: &'a Map<String, Value>) -> Option<&'a Value> {
    match part["$ref"].as_str() {
        Some(reference) => schemas.get(reference.rsplit('/').next()?),
        None => Some(part),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_anothers_fields_becomes_one_object() {
        let closed =
            json!({ "type": "object", "properties": { "a": {} }, "required": ["a"], "additionalProperties": false });
        let both = json!({
            "description": "Both.",
            "allOf": [{ "$ref": "#/components/schemas/Closed" }, { "type": "object", "properties": { "b": {} } }],
        });
        let mut schemas = Map::from_iter([
            ("Closed".to_owned(), closed),
            ("Holder".to_owned(), json!({ "properties": { "both": both } })),
        ]);
        flatten(&mut schemas);
        let expected = json!({
            "description": "Both.", "type": "object", "properties": { "a": {}, "b": {} }, "required": ["a"],
        });
        assert_eq!(schemas["Holder"]["properties"]["both"], expected);
    }

    #[test]
    fn what_is_no_object_stays() {
        let text = json!({ "allOf": [{ "type": "string" }] });
        let mut schemas = Map::from_iter([("Text".to_owned(), text.clone())]);
        flatten(&mut schemas);
        assert_eq!(schemas["Text"], text);
    }
}
