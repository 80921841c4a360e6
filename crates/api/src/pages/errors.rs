//! Pages about failures: all of them, one code, one reason.

use std::fmt::Write as _;

use contract::{Code, Reason};

use super::{
    html::escape,
    markdown,
    site::{Operation, Site, badge},
};

/// All codes and reasons.
pub(super) fn index() -> String {
    let mut out = markdown::to_html(contract::docs::INTRODUCTION);
    for code in Code::ALL {
        let (name, status) = (code.name(), code.status());
        // A String takes whatever is written.
        let _ = write!(
            out,
            "<h2 id=\"{name}\"><span class=\"status bad\">{status}</span> <a href=\"/docs/errors/{name}\">{name}</a></h2>{}",
            cards(*code)
        );
    }
    out
}

/// One code and its reasons.
pub(super) fn code(code: Code) -> String {
    let crumbs = "<p class=\"crumbs\"><a href=\"/docs/errors\">Errors</a></p>";
    format!(
        "{crumbs}{}<h2>Reasons</h2>{}",
        markdown::to_html(code.page()),
        cards(code)
    )
}

/// One reason, and who can answer it.
pub(super) fn reason(site: &Site, reason: Reason) -> String {
    let code = reason.code().name();
    let mut out = format!(
        "<p class=\"crumbs\"><a href=\"/docs/errors\">Errors</a> › <a href=\"/docs/errors/{code}\">{code}</a></p>{}",
        markdown::to_html(reason.page())
    );
    out.push_str("<h2>Who answers this</h2>");
    let with_key = || site.operations.iter().filter(|operation| operation.takes_key());
    let mut answering: Vec<_> = site
        .operations
        .iter()
        .filter(|operation| operation.answers(reason))
        .collect();
    if answering.is_empty() {
        out.push_str("<p>No single operation: it is answered before one is found, or by none yet.</p>");
    } else if with_key().all(|operation| operation.answers(reason)) {
        out.push_str("<p>Every operation that takes a key can.</p>");
        answering.retain(|operation| !operation.takes_key());
    }
    out.push_str(&list(&answering));
    out
}

fn list(operations: &[&Operation]) -> String {
    if operations.is_empty() {
        return String::new();
    }
    let item = |operation: &&Operation| {
        let (href, summary) = (operation.href(), escape(operation.text("summary")));
        format!("<li>{}<a href=\"{href}\">{summary}</a></li>", badge(operation))
    };
    let items: String = operations.iter().map(item).collect();
    format!("<ul class=\"cards\">{items}</ul>")
}

fn cards(code: Code) -> String {
    let card = |reason: &Reason| {
        let what = markdown::inline(contract::docs::summary(*reason));
        let (code, reason) = (code.name(), reason.name());
        format!("<li><a href=\"/docs/errors/{code}/{reason}\">{reason}</a><p>{what}</p></li>")
    };
    let cards: String = code.reasons().iter().map(card).collect();
    format!("<ul class=\"cards\">{cards}</ul>")
}
