//! A schema as a tree that people can read: names, types, limits, what each is for.

use std::fmt::Write as _;

use serde_json::Value;

use super::{html::escape, markdown, site::Site};

/// Deeper objects are links to their own page.
const DEPTH_MAX: usize = 5;

/// The fields of an object, or what a value is when it isn't one.
pub(super) fn tree(site: &Site, schema: &Value) -> String {
    fields(site, schema, 0)
}

fn fields(site: &Site, schema: &Value, depth: usize) -> String {
    let whole = resolved(site, schema);
    let Some(properties) = whole["properties"].as_object() else {
        return format!("<p>{}</p>", described(site, schema));
    };
    let required: Vec<_> = whole["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // What must be given comes first.
    let (needed, others): (Vec<_>, Vec<_>) = properties
        .iter()
        .partition(|(name, _)| required.contains(&name.as_str()));
    let mut out = String::from("<ul class=\"tree\">");
    for (name, property) in needed.iter().chain(&others) {
        let need = if required.contains(&name.as_str()) {
            " <span class=\"need\">required</span>"
        } else {
            ""
        };
        // A String takes whatever is written.
        let _ = write!(
            out,
            "<li><code>{}</code> {}{need}",
            escape(name),
            described(site, property)
        );
        out.push_str(&text_of(site, property));
        // What an answer is about is what one came to see.
        let opened = if depth == 0 && name.as_str() == "data" {
            " open"
        } else {
            ""
        };
        out.push_str(&deeper(site, property, depth, opened));
        out.push_str("</li>");
    }
    out.push_str("</ul>");
    out
}

/// The fields of what a property holds, folded.
fn deeper(site: &Site, property: &Value, depth: usize, opened: &str) -> String {
    let inner = without_null(site, property);
    let inner = if inner["items"].is_object() {
        without_null(site, &inner["items"])
    } else {
        inner
    };
    if !inner["properties"].is_object() || depth >= DEPTH_MAX {
        return alternatives(site, inner, depth);
    }
    format!(
        "<details{opened}><summary>Fields</summary>{}</details>",
        fields(site, inner, depth + 1)
    )
}

/// One of several objects, each folded.
fn alternatives(site: &Site, schema: &Value, depth: usize) -> String {
    let parts = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|part| resolved(site, part)["properties"].is_object())
        .collect();
    if parts.len() < 2 || depth >= DEPTH_MAX {
        return String::new();
    }
    let shown = parts.into_iter().map(|part| {
        let title = part["$ref"].as_str().map_or("One form", last);
        format!(
            "<details><summary>{}</summary>{}</details>",
            escape(title),
            fields(site, part, depth + 1)
        )
    });
    shown.collect()
}

/// A property's own words, else those of its type.
fn text_of(site: &Site, property: &Value) -> String {
    let mut parts = property["oneOf"].as_array().into_iter().flatten();
    let of_part = parts.find_map(|part| part["description"].as_str());
    let text = property["description"].as_str().or(of_part);
    let text = text
        .or_else(|| without_null(site, property)["description"].as_str())
        .unwrap_or_default();
    if text.is_empty() {
        String::new()
    } else {
        markdown::to_html(text)
    }
}

/// Type, limits, default and values.
pub(super) fn described(site: &Site, schema: &Value) -> String {
    let inner = without_null(site, schema);
    let mut out = format!("<span class=\"type\">{}</span>", type_name(site, schema));
    let mut limits = limits(inner);
    if inner["items"].is_object() {
        limits.extend(
            self::limits(without_null(site, &inner["items"]))
                .into_iter()
                .map(|limit| format!("each {limit}")),
        );
    }
    let default = [schema, inner].into_iter().find_map(|schema| schema.get("default"));
    if let Some(default) = default {
        limits.push(format!("default <code>{}</code>", escape(&default.to_string())));
    }
    if !limits.is_empty() {
        let _ = write!(out, " <span class=\"limits\">{}</span>", limits.join(", "));
    }
    let values: Vec<_> = values(inner)
        .iter()
        .map(|value| format!("<code>{}</code>", escape(value)))
        .collect();
    if !values.is_empty() {
        let _ = write!(out, " <span class=\"limits\">one of {}</span>", values.join(" "));
    }
    out
}

fn values(schema: &Value) -> Vec<String> {
    let of_items = &schema["items"]["enum"];
    let listed = schema["enum"]
        .as_array()
        .or_else(|| of_items.as_array())
        .into_iter()
        .flatten();
    let fixed = schema.get("const").into_iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    listed.chain(fixed).filter(|value| !value.is_null()).map(text).collect()
}

fn limits(schema: &Value) -> Vec<String> {
    let number = |name: &str| {
        schema
            .get(name)
            .filter(|limit| limit.is_number())
            .map(ToString::to_string)
    };
    let between = |low: &str, high: &str, unit: &str| match (number(low), number(high)) {
        (Some(low), Some(high)) if low == high => Some(format!("{low}{unit}")),
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) if low == "0" => None,
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    };
    let pattern = schema["pattern"].as_str().filter(|_| !schema["format"].is_string());
    let bounds = [
        between("minLength", "maxLength", " characters"),
        between("minimum", "maximum", ""),
        between("minItems", "maxItems", " items"),
        between("minProperties", "maxProperties", " entries"),
    ];
    let pattern = pattern.map(|pattern| format!("like <code>{}</code>", escape(pattern)));
    bounds.into_iter().flatten().chain(pattern).collect()
}

fn type_name(site: &Site, schema: &Value) -> String {
    let inner = without_null(site, schema);
    let reference = reference_of(schema).filter(|_| is_linked(inner));
    let name = match reference {
        Some(name) => format!("<a href=\"/docs/schemas/{0}\">{0}</a>", escape(name)),
        None if inner["items"].is_object() => format!("list of {}", type_name(site, &inner["items"])),
        None => match (plain_type(inner), inner["format"].as_str()) {
            (_, Some(format)) if !["int32", "int64", "float", "double"].contains(&format) => escape(format),
            (plain, _) => escape(&plain),
        },
    };
    let is_nullable = may_be_null(schema) || may_be_null(inner);
    if is_nullable { format!("{name} or null") } else { name }
}

fn plain_type(schema: &Value) -> String {
    let types = schema["type"]
        .as_array()
        .into_iter()
        .flatten()
        .chain(schema.get("type"));
    let named = types.filter_map(Value::as_str).find(|name| *name != "null");
    let is_choice = schema["oneOf"].is_array() || schema["anyOf"].is_array();
    let unnamed = if is_choice { "one of several" } else { "any value" };
    named.unwrap_or(unnamed).to_owned()
}

fn is_linked(schema: &Value) -> bool {
    schema["properties"].is_object() || schema["oneOf"].is_array()
}

fn may_be_null(schema: &Value) -> bool {
    let in_type = schema["type"]
        .as_array()
        .is_some_and(|types| types.iter().any(|name| name == "null"));
    let in_parts = schema["oneOf"]
        .as_array()
        .is_some_and(|parts| parts.iter().any(|part| part["type"] == "null"));
    in_type || in_parts
}

fn reference_of(schema: &Value) -> Option<&str> {
    let own = schema["$ref"].as_str();
    let of_part = || {
        let parts = schema["oneOf"].as_array()?;
        let mut others = parts.iter().filter(|part| part["type"] != "null");
        others.next().filter(|_| others.next().is_none())?["$ref"].as_str()
    };
    own.or_else(of_part).map(last)
}

/// The schema behind references, and behind "or null".
pub(super) fn without_null<'a>(site: &'a Site, schema: &'a Value) -> &'a Value {
    let whole = resolved(site, schema);
    let Some(parts) = whole["oneOf"].as_array() else {
        return whole;
    };
    let mut others = parts.iter().filter(|part| part["type"] != "null");
    match (others.next(), others.next()) {
        (Some(only), None) => resolved(site, only),
        _ => whole,
    }
}

pub(super) fn resolved<'a>(site: &'a Site, schema: &'a Value) -> &'a Value {
    let named = schema["$ref"]
        .as_str()
        .and_then(|reference| site.schema(last(reference)));
    // A name that stands for another name.
    named.map_or(schema, |named| {
        if named["$ref"].is_string() {
            resolved(site, named)
        } else {
            named
        }
    })
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or_default()
}
