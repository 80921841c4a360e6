//! The first page: how to ask, and everything that can be asked.

use std::fmt::Write as _;

use super::{
    html::escape,
    markdown,
    site::{Site, badge},
};

/// What holds for all operations. The rest of this page comes from the document.
const CONVENTIONS: &str = include_str!("conventions.md");

/// The page's body.
pub(super) fn page(site: &Site) -> String {
    let info = &site.document["info"];
    let (title, version) = (
        info["title"].as_str().unwrap_or_default(),
        info["version"].as_str().unwrap_or_default(),
    );
    let mut out = format!(
        "<h1>{} API</h1><p>Version {}. {}</p>{}",
        escape(title),
        escape(version),
        markdown::inline(info["description"].as_str().unwrap_or_default()),
        markdown::to_html(CONVENTIONS)
    );
    for (tag, description) in site.tags() {
        // A String takes whatever is written.
        let _ = write!(out, "<h2>{}</h2><p>{}</p>", escape(tag), escape(description));
        out.push_str("<div class=\"wide\"><table class=\"operations\"><tbody>");
        for operation in site.of_tag(tag) {
            let (href, path, summary) = (
                operation.href(),
                escape(&operation.path),
                escape(operation.text("summary")),
            );
            let badge = badge(operation);
            let _ = write!(
                out,
                "<tr><td>{badge}</td><td><a href=\"{href}\">{summary}</a></td><td><code>{path}</code></td></tr>"
            );
        }
        out.push_str("</tbody></table></div>");
    }
    out
}
