//! The reference as a whole: its operations, its table of contents, and who can answer which error.

use std::{fmt::Write as _, sync::OnceLock};

use contract::{Code, Reason};
use serde_json::Value;

use super::html::escape;
use crate::document;

/// Everything pages are made from; made once, as it can't change while the program runs.
pub(super) struct Site {
    pub(super) document: Value,
    pub(super) operations: Vec<Operation>,
}

/// One operation of the document.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) method: String,
    pub(super) path: String,
    /// As it stands in the document.
    pub(super) described: Value,
}

impl Operation {
    pub(super) fn text(&self, name: &str) -> &str {
        self.described[name].as_str().unwrap_or_default()
    }

    /// Where its page is.
    pub(super) fn href(&self) -> String {
        format!("/docs/operations/{}", self.id)
    }

    /// Whether it is asked with an API key. What is not is signed in a way of its own.
    pub(super) fn takes_key(&self) -> bool {
        self.described["x-required-scope"].is_string()
    }

    /// Whether it says that it can answer this.
    pub(super) fn answers(&self, reason: Reason) -> bool {
        let response = &self.described["responses"][reason.code().status().to_string()];
        let mut reasons = response["x-reasons"].as_array().into_iter().flatten();
        reasons.any(|name| name == reason.name())
    }
}

/// The reference of this server.
pub(super) fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| Site::new(document::openapi()))
}

impl Site {
    pub(super) fn new(document: Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, described) in item.as_object().into_iter().flatten() {
                operations.push(Operation {
                    id: described["operationId"].as_str().unwrap_or_default().to_owned(),
                    tag: described["tags"][0].as_str().unwrap_or_default().to_owned(),
                    method: method.to_ascii_uppercase(),
                    path: path.clone(),
                    described: described.clone(),
                });
            }
        }
        // As people look for them: a list before its parts, reading before changing.
        let rank = |method: &str| {
            ["GET", "POST", "PUT", "PATCH", "DELETE"]
                .iter()
                .position(|known| *known == method)
        };
        operations.sort_by(|a, b| (&a.path, rank(&a.method)).cmp(&(&b.path, rank(&b.method))));
        Self { document, operations }
    }

    pub(super) fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    /// Tags with their descriptions, in the document's order; then those that it does not describe.
    pub(super) fn tags(&self) -> Vec<(&str, &str)> {
        let described = self.document["tags"].as_array().into_iter().flatten();
        let mut tags: Vec<_> = described
            .map(|tag| {
                (
                    tag["name"].as_str().unwrap_or_default(),
                    tag["description"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        for operation in &self.operations {
            if !tags.iter().any(|(name, _)| *name == operation.tag) {
                tags.push((&operation.tag, ""));
            }
        }
        tags
    }

    pub(super) fn of_tag<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.operations.iter().filter(move |operation| operation.tag == tag)
    }

    pub(super) fn schemas(&self) -> impl Iterator<Item = (&str, &Value)> {
        let schemas = self.document["components"]["schemas"].as_object().into_iter().flatten();
        schemas.map(|(name, schema)| (name.as_str(), schema))
    }

    pub(super) fn schema(&self, name: &str) -> Option<&Value> {
        self.document["components"]["schemas"].get(name)
    }

    /// The table of contents as HTML; the entry of the page at `here` is marked.
    pub(super) fn contents(&self, here: &str) -> String {
        let mut out = String::new();
        for (tag, _) in self.tags() {
            let entries = self.of_tag(tag).map(|operation| {
                let words = format!("{} {} {}", operation.path, operation.text("summary"), operation.id);
                entry(
                    here,
                    &operation.href(),
                    &words,
                    &format!("{}{}", badge(operation), escape(operation.text("summary"))),
                )
            });
            section(&mut out, tag, entries);
        }
        let errors = Code::ALL.iter().map(|code| {
            let reasons: Vec<_> = code.reasons().iter().map(|reason| reason.name()).collect();
            let words = format!("{} {} {}", code.name(), code.status(), reasons.join(" "));
            let label = format!("<span class=\"method\">{}</span>{}", code.status(), code.name());
            entry(here, &format!("/docs/errors/{}", code.name()), &words, &label)
        });
        section(&mut out, "Errors", errors);
        // Schemas of answers are on the pages of their operations; what has a name of its own stays.
        let schemas = self.schemas().filter(|(name, _)| is_worth_a_line(name));
        let schemas = schemas.map(|(name, _)| entry(here, &format!("/docs/schemas/{name}"), name, &escape(name)));
        section(&mut out, "Objects", schemas);
        out
    }
}

/// Envelopes, ids and the parts of errors are told where they are used.
fn is_worth_a_line(name: &str) -> bool {
    let is_part = ["Envelope", "Details", "Body", "Id"]
        .iter()
        .any(|end| name.ends_with(end));
    let is_wrapper = name.starts_with("Envelope_") || name.starts_with("ListEnvelope_");
    !(is_part || is_wrapper || ["String", "Timestamp", "Span"].contains(&name))
}

/// A method as a coloured word.
pub(super) fn badge(operation: &Operation) -> String {
    let (class, method) = (operation.method.to_ascii_lowercase(), escape(&operation.method));
    format!("<span class=\"method {class}\">{method}</span>")
}

fn section(out: &mut String, title: &str, entries: impl Iterator<Item = String>) {
    let entries: String = entries.collect();
    if !entries.is_empty() {
        // A String takes whatever is written.
        let _ = write!(out, "<section><h2>{}</h2><ul>{entries}</ul></section>", escape(title));
    }
}

fn entry(here: &str, href: &str, words: &str, label: &str) -> String {
    let current = if href == here { " aria-current=\"page\"" } else { "" };
    let (href, words) = (escape(href), escape(words));
    format!("<li data-words=\"{words}\"><a href=\"{href}\"{current}>{label}</a></li>")
}
