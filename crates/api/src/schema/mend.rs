//! Makes a faulty value readable, so that rules can speak about the rest of it.

use contract::{FieldFault, FieldReason as R, unescaped};
use serde_json::{Map, Value, json};

use super::Shape;

/// Levels of objects that stand in for a missing one.
const DEPTH: usize = 8;

impl Shape {
    /// The value without what `faults` are about: what may be left out is, and what must be there is something that
    /// fits.
    pub(super) fn mended(&self, mut value: Value, faults: &[FieldFault]) -> Value {
        // Of two values the first one can be read.
        for fault in faults.iter().filter(|fault| fault.reason != R::Duplicate) {
            let pointer = &*fault.pointer;
            // Pointers are short: a search that makes ready for long texts takes longer.
            let Some(at) = pointer.bytes().rposition(|byte| byte == b'/') else {
                continue;
            };
            let (parent, token) = (&pointer[..at], &pointer[at + 1..]);
            let name = unescaped(token);
            if parent.is_empty()
                && let Value::Object(fields) = &mut value
            {
                match self.samples.get(&*name) {
                    Some(sample) => fields.insert(name.into_owned(), sample.clone()),
                    None => fields.remove(&*name),
                };
                continue;
            }
            let name = name.into_owned();
            let schema = self.at(parent);
            match value.pointer_mut(parent) {
                Some(Value::Object(fields)) => {
                    fields.remove(&name);
                    if let Some(missing) = schema.filter(|schema| requires(schema, &name)) {
                        fields.insert(name.clone(), self.sample(&missing["properties"][&name], DEPTH));
                    }
                }
                Some(Value::Array(items)) => {
                    let item = name.parse().ok().and_then(|index: usize| items.get_mut(index));
                    if let (Some(item), Some(schema)) = (item, schema) {
                        *item = self.sample(&schema["items"], DEPTH);
                    }
                }
                _ => {}
            }
        }
        value
    }

    /// What stands in for each field that must be there: most faults are of these.
    pub(super) fn samples(&self) -> Map<String, Value> {
        let schema = self.resolved(&self.document);
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let sample = |name: &str| (name.to_owned(), self.sample(&schema["properties"][name], DEPTH));
        required.map(sample).collect()
    }

    /// The schema of what lies at `pointer`.
    fn at(&self, pointer: &str) -> Option<&Value> {
        let mut tokens = pointer.split('/').skip(1);
        tokens.try_fold(self.resolved(&self.document), |schema, token| {
            let below = [
                &schema["properties"][&*unescaped(token)],
                &schema["items"],
                &schema["additionalProperties"],
            ];
            let below = below.into_iter().find(|below| below.is_object())?;
            Some(self.resolved(below))
        })
    }

    /// The schema itself, in place of one that names it or lets it be `null`.
    fn resolved<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..DEPTH {
            let named = schema["$ref"].as_str();
            let named = named.and_then(|reference| self.document.pointer(reference.trim_start_matches('#')));
            let branches = ["oneOf", "anyOf", "allOf"].iter().find_map(|of| schema[of].as_array());
            let branch = branches.and_then(|branches| branches.iter().find(|branch| branch["type"] != "null"));
            match named.or(branch) {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    /// Something that has this schema, as far as one can tell.
    fn sample(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        let kinds = schema["type"].as_array().and_then(|kinds| kinds.first());
        match kinds.unwrap_or(&schema["type"]).as_str() {
            Some("string") => sample_text(schema["format"].as_str()).into(),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
            Some("boolean") => false.into(),
            Some("array") => json!([]),
            Some("object") if depth > 0 => {
                let required = schema["required"].as_array().into_iter().flatten();
                let field = |name: &str| (name.to_owned(), self.sample(&schema["properties"][name], depth - 1));
                Value::Object(required.filter_map(Value::as_str).map(field).collect::<Map<_, _>>())
            }
            _ => Value::Null,
        }
    }
}

fn requires(schema: &Value, name: &str) -> bool {
    let mut required = schema["required"].as_array().into_iter().flatten();
    required.any(|required| required == name)
}

fn sample_text(format: Option<&str>) -> &'static str {
    match format {
        Some("date-time") => "1970-01-01T00:00:00Z",
        Some("duration-text") => "1s",
        Some("uuid") => "00000000-0000-0000-0000-000000000000",
        _ => "",
    }
}
