//! The frame round every page. One style sheet and one small script, both our own; nothing from outside.

use axum::response::{Html, IntoResponse, Response};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// Where the style sheet is served.
pub(super) const STYLE_PATH: &str = "/docs/assets/docs.css";
/// Where the script is served.
pub(super) const SCRIPT_PATH: &str = "/docs/assets/docs.js";

const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");

/// A page may load our style sheet and our script, ask nothing of anyone else, and stand in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// What the frame shows beside the page itself.
pub(super) struct Frame<'a> {
    /// Of the window.
    pub(super) title: &'a str,
    /// What was searched for, on the page of results.
    pub(super) query: &'a str,
    /// The table of contents, as HTML.
    pub(super) contents: &'a str,
}

/// A whole page around `body`, which is HTML.
pub(super) fn page(frame: &Frame<'_>, body: &str) -> Response {
    let (title, query, contents) = (escape(frame.title), escape(frame.query), frame.contents);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title} · Callwright</title>\
         <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\
         <script src=\"{SCRIPT_PATH}\" defer></script></head><body><a class=\"skip\" href=\"#main\">Skip to the page</a>\
         <header class=\"top\"><a class=\"brand\" href=\"/docs\">Callwright</a>\
         <form role=\"search\" action=\"/docs/search\"><label class=\"hidden\" for=\"q\">Search the reference</label>\
         <input id=\"q\" name=\"q\" type=\"search\" value=\"{query}\" placeholder=\"Search operations, fields, errors\">\
         </form><nav aria-label=\"Site\"><a href=\"/docs\">API</a><a href=\"/docs/errors\">Errors</a>\
         <a href=\"/api/public/v1/openapi.json\">OpenAPI</a><a class=\"to-contents\" href=\"#contents\">Contents</a></nav>\
         </header><div class=\"frame\"><main id=\"main\">{body}</main>\
         <nav class=\"side\" id=\"contents\" aria-label=\"Contents\">{contents}</nav></div></body></html>"
    );
    guarded(Html(html).into_response())
}

/// The style sheet.
pub(super) async fn style() -> Response {
    asset(STYLE, "text/css; charset=utf-8")
}

/// The script.
pub(super) async fn script() -> Response {
    asset(SCRIPT, "text/javascript; charset=utf-8")
}

fn asset(text: &'static str, media_type: &'static str) -> Response {
    let mut response = guarded(text.into_response());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

fn guarded(mut response: Response) -> Response {
    let guards: [(HeaderName, &'static str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in guards {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Text that can't become markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
