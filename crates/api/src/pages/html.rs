//! The frame round every page; no scripts, nothing from outside.

use axum::response::Html;

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1c2430;\
    background:#fff}pre,code{font:14px/1.45 ui-monospace,monospace;background:#f2f4f7;border-radius:4px}pre{padding:.8rem;\
    overflow:auto}code{padding:.1em .3em}pre code{padding:0}table{border-collapse:collapse}td,th{border:1px solid #d5dae1;\
    padding:.3rem .6rem;text-align:left;vertical-align:top}a{color:#0b57d0}h1,h2,h3{line-height:1.25}details{margin:.6rem 0;\
    border:1px solid #d5dae1;border-radius:6px;padding:.5rem .8rem}summary{cursor:pointer}\
    @media(prefers-color-scheme:dark){body{background:#11151a;color:#dfe5ec}pre,code{background:#1d242c}a{color:#8ab4f8}\
    td,th,details{border-color:#39434f}}";

/// A whole page.
pub(super) fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{} · Callwright</title><style>{STYLE}</style></head><body>\
         <nav><a href=\"/docs\">API</a> · <a href=\"/docs/errors\">Errors</a></nav>{body}</body></html>",
        escape(title)
    ))
}

/// Text that can't become markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
