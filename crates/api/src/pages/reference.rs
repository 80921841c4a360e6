//! A browsable reference of the API, rendered from its own document.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::{self, escape};

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let mut body = String::from("<h1>Callwright API</h1>");
    let text = document["info"]["description"].as_str().unwrap_or_default();
    let _ = write!(
        body,
        "<p>{}</p><p><a href=\"/api/public/v1/openapi.json\">OpenAPI document</a></p>",
        escape(text)
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = tag["name"].as_str().unwrap_or_default();
        let _ = write!(body, "<h2>{}</h2>", escape(name));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"][0] == *name {
                    body.push_str(&self::operation(path, method, operation));
                }
            }
        }
    }
    body.push_str("<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let text = serde_json::to_string_pretty(schema).unwrap_or_default();
        let (id, text) = (escape(name), escape(&text));
        let _ = write!(
            body,
            "<details id=\"{id}\"><summary><code>{id}</code></summary><pre><code>{text}</code></pre></details>"
        );
    }
    html::page("API", &body).0
}

fn operation(path: &str, method: &str, operation: &Value) -> String {
    let text = |name: &str| escape(operation[name].as_str().unwrap_or_default());
    let mut out = format!(
        "<details><summary><code>{} {}</code> {}</summary><p>{}</p><p>Scope: <code>{}</code></p>",
        method.to_ascii_uppercase(),
        escape(path),
        text("summary"),
        text("description"),
        text("x-required-scope"),
    );
    if let Some(parameters) = operation["parameters"].as_array().filter(|all| !all.is_empty()) {
        out.push_str("<table><tr><th>Parameter</th><th>In</th><th>What</th></tr>");
        for parameter in parameters {
            let cell = |name: &str| escape(parameter[name].as_str().unwrap_or_default());
            let (name, place, what) = (cell("name"), cell("in"), cell("description"));
            let _ = write!(
                out,
                "<tr><td><code>{name}</code></td><td>{place}</td><td>{what}</td></tr>"
            );
        }
        out.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let Some(name) = reference_of(body) {
        let _ = write!(out, "<p>Body: <a href=\"#{name}\"><code>{name}</code></a></p>");
    }
    out.push_str("<table><tr><th>Status</th><th>What</th></tr>");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let what = escape(response["description"].as_str().unwrap_or_default());
        let _ = write!(out, "<tr><td>{status}</td><td>{what}</td></tr>");
    }
    out.push_str("</table></details>");
    out
}

fn reference_of(schema: &Value) -> Option<String> {
    schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next())
        .map(escape)
}
