//! Search over the reference, on the server, so that it works without scripts.

use std::fmt::Write as _;

use contract::Reason;
use serde_json::Value;

use super::{
    html::escape,
    markdown,
    site::{Operation, Site, badge},
};

/// Longest query that is looked at.
const QUERY_CHARS_MAX: usize = 100;
/// Most results of a kind.
const RESULTS_MAX: usize = 50;

/// The query, as far as it is looked at.
pub(super) fn cut(query: &str) -> String {
    query.trim().chars().take(QUERY_CHARS_MAX).collect()
}

/// The page's body: what holds every word of the query.
pub(super) fn page(site: &Site, query: &str) -> String {
    let lowered = query.to_lowercase();
    let words: Vec<_> = lowered.split_whitespace().collect();
    let holds = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let operations = site.operations.iter().filter(|operation| holds(&words_of(operation)));
    let operations: Vec<_> = operations.map(operation_item).collect();
    let errors = Reason::ALL.iter().filter(|reason| {
        let (code, page) = (reason.code(), reason.page());
        holds(&format!("{} {} {} {page}", code.name(), code.status(), reason.name()))
    });
    let errors: Vec<_> = errors.map(|reason| error_item(*reason)).collect();
    let objects = site
        .schemas()
        .filter(|(name, schema)| schema["properties"].is_object() && holds(&names(name, schema)));
    let objects: Vec<_> = objects.map(|(name, schema)| object_item(name, schema)).collect();
    let mut out = format!("<h1>Search</h1><p>For <mark>{}</mark>.</p>", escape(query));
    if words.is_empty() {
        return "<h1>Search</h1><p class=\"none\">Say what to look for.</p>".to_owned();
    }
    if operations.is_empty() && errors.is_empty() && objects.is_empty() {
        out.push_str("<p class=\"none\">Nothing holds all of these words.</p>");
    }
    for (title, items) in [("Operations", operations), ("Errors", errors), ("Objects", objects)] {
        if !items.is_empty() {
            let shown: String = items.iter().take(RESULTS_MAX).map(String::as_str).collect();
            // A String takes whatever is written.
            let _ = write!(
                out,
                "<h2>{title} ({})</h2><ul class=\"cards\">{shown}</ul>",
                items.len()
            );
        }
    }
    out
}

/// Everything an operation can be found by.
fn words_of(operation: &Operation) -> String {
    let parameters = operation.described["parameters"].as_array().into_iter().flatten();
    let parameters: Vec<_> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
    [
        operation.method.as_str(),
        &operation.path,
        &operation.id,
        &operation.tag,
        operation.text("summary"),
        operation.text("description"),
        &parameters.join(" "),
    ]
    .join(" ")
}

fn names(name: &str, schema: &Value) -> String {
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    format!(
        "{name} {} {}",
        schema["description"].as_str().unwrap_or_default(),
        fields.join(" ")
    )
}

fn operation_item(operation: &Operation) -> String {
    let (href, summary) = (operation.href(), escape(operation.text("summary")));
    format!(
        "<li>{}<a href=\"{href}\">{summary}</a><p><code>{}</code></p></li>",
        badge(operation),
        escape(&operation.path)
    )
}

fn error_item(reason: Reason) -> String {
    let (code, name) = (reason.code(), reason.name());
    let what = markdown::inline(contract::docs::summary(reason));
    let (status, code) = (code.status(), code.name());
    format!(
        "<li><span class=\"status bad\">{status}</span><a href=\"/docs/errors/{code}/{name}\">{name}</a><p>{what}</p></li>"
    )
}

fn object_item(name: &str, schema: &Value) -> String {
    let (name, what) = (
        escape(name),
        markdown::inline(schema["description"].as_str().unwrap_or_default()),
    );
    format!("<li><a href=\"/docs/schemas/{name}\">{name}</a><p>{what}</p></li>")
}
