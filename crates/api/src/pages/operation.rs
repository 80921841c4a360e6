//! The page of one operation.

use std::fmt::Write as _;

use contract::{Code, Reason};
use serde_json::Value;

use super::{
    example,
    html::escape,
    markdown,
    site::{Operation, Site, badge},
    tree,
};

/// The page's body.
pub(super) fn page(site: &Site, operation: &Operation) -> String {
    let (summary, path, tag) = (
        escape(operation.text("summary")),
        escape(&operation.path),
        escape(&operation.tag),
    );
    let mut out = format!(
        "<p class=\"crumbs\"><a href=\"/docs\">API</a> › {tag}</p><h1>{summary}</h1>\
         <p class=\"route\">{}<code>{path}</code></p>{}",
        badge(operation),
        markdown::to_html(operation.text("description"))
    );
    out.push_str(&facts(operation));
    out.push_str(&parameters(site, operation));
    let body = &operation.described["requestBody"]["content"]["application/json"]["schema"];
    if body.is_object() {
        out.push_str("<h2 id=\"body\">Body</h2>");
        out.push_str(&tree::tree(site, body));
    }
    let curl = escape(&example::curl(site, operation));
    let _ = write!(out, "<h2 id=\"example\">Example</h2><pre><code>{curl}</code></pre>");
    out.push_str(&answers(site, operation));
    out.push_str(&errors(operation));
    out
}

/// What it needs and what it costs, at a glance.
fn facts(operation: &Operation) -> String {
    let mut facts = vec![if operation.takes_key() {
        format!("Scope <b>{}</b>", escape(operation.text("x-required-scope")))
    } else {
        "<b>Signed</b> by who sends it: no key".to_owned()
    }];
    if let Some(role) = operation.described["x-required-role"].as_str() {
        facts.push(format!("Role <b>{}</b>", escape(role)));
    }
    let bills = operation.described["x-billable"] == true;
    facts.push(if bills {
        "<b>Costs credits</b> where billing is on".to_owned()
    } else {
        "Free".to_owned()
    });
    let items = facts.join("</li><li>");
    let items = format!("<li>{items}</li>");
    format!("<ul class=\"facts\">{items}</ul>")
}

fn parameters(site: &Site, operation: &Operation) -> String {
    let all: Vec<_> = operation.described["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let mut out = String::new();
    for (place, title) in [("path", "Path"), ("query", "Query"), ("header", "Headers")] {
        let of_place: Vec<_> = all.iter().filter(|parameter| parameter["in"] == place).collect();
        if of_place.is_empty() {
            continue;
        }
        // A String takes whatever is written.
        let _ = write!(out, "<h2>{title}</h2><ul class=\"tree\">");
        for parameter in of_place {
            let name = escape(parameter["name"].as_str().unwrap_or_default());
            let is_needed = parameter["required"] == true;
            let need = if is_needed {
                " <span class=\"need\">required</span>"
            } else {
                ""
            };
            let what = markdown::to_html(parameter["description"].as_str().unwrap_or_default());
            let kind = tree::described(site, &parameter["schema"]);
            let _ = write!(out, "<li><code>{name}</code> {kind}{need}{what}</li>");
        }
        out.push_str("</ul>");
    }
    out
}

fn answers(site: &Site, operation: &Operation) -> String {
    let mut out = String::from("<h2 id=\"answers\">Answers</h2>");
    for (status, response) in responses(operation).filter(|(status, _)| status.starts_with(['2', '3'])) {
        let what = escape(response["description"].as_str().unwrap_or_default());
        let _ = write!(out, "<h3><span class=\"status\">{}</span> {what}</h3>", escape(status));
        out.push_str(&headers(response));
        for (media_type, content) in response["content"].as_object().into_iter().flatten() {
            let schema = &content["schema"];
            if media_type != "application/json" {
                let _ = write!(out, "<p>As <code>{}</code>.</p>", escape(media_type));
            } else if schema.is_object() {
                let text = serde_json::to_string_pretty(&example::answer(site, schema)).unwrap_or_default();
                let _ = write!(
                    out,
                    "{}<details><summary>Example</summary><pre><code>{}</code></pre></details>",
                    tree::tree(site, schema),
                    escape(&text)
                );
            }
        }
    }
    out
}

/// Folded: most of them come with every answer.
fn headers(response: &Value) -> String {
    let row = |(name, header): (&String, &Value)| {
        let what = markdown::to_html(header["description"].as_str().unwrap_or_default());
        format!("<li><code>{}</code>{what}</li>", escape(name))
    };
    let headers = response["headers"].as_object().into_iter().flatten();
    let rows: String = headers.map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!("<details><summary>Headers</summary><ul class=\"tree\">{rows}</ul></details>")
}

/// Every reason it can answer, each with its page.
fn errors(operation: &Operation) -> String {
    let mut out = String::from(
        "<h2 id=\"errors\">Errors</h2><div class=\"wide\"><table><thead><tr><th>Status</th><th>Code</th><th>Reason</th><th>What happened</th></tr></thead><tbody>",
    );
    for code in Code::ALL {
        let reasons = code.reasons().iter().filter(|reason| operation.answers(**reason));
        for (index, reason) in reasons.enumerate() {
            out.push_str(&error_row(*reason, index == 0));
        }
    }
    out.push_str("</tbody></table></div>");
    out
}

fn error_row(reason: Reason, is_first: bool) -> String {
    let code = reason.code();
    let (name, status) = (code.name(), code.status());
    let of_code = if is_first {
        format!("<span class=\"status bad\">{status}</span></td><td><a href=\"/docs/errors/{name}\">{name}</a>")
    } else {
        "</td><td>".to_owned()
    };
    let what = markdown::inline(contract::docs::summary(reason));
    let reason = reason.name();
    format!("<tr><td>{of_code}</td><td><a href=\"/docs/errors/{name}/{reason}\">{reason}</a></td><td>{what}</td></tr>")
}

fn responses(operation: &Operation) -> impl Iterator<Item = (&str, &Value)> {
    let responses = operation.described["responses"].as_object().into_iter().flatten();
    responses.map(|(status, response)| (status.as_str(), response))
}
