//! The documentation that the server brings along: error pages, their catalogue, and a reference of the API.

mod html;
mod markdown;
mod reference;

use std::sync::OnceLock;

use axum::{
    Router,
    body::Bytes,
    extract::RawPathParams,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use contract::{Code, Reason};

use crate::{App, Problem, document};

/// `/docs`, `/docs/errors/*` and `/errors.json`, which anybody may read.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(reference_page))
        .route("/docs/errors", get(catalogue_page))
        .route("/docs/errors/{code}", get(code_page))
        .route("/docs/errors/{code}/{reason}", get(reason_page))
        .route("/errors.json", get(catalogue))
}

async fn reference_page() -> Html<String> {
    static PAGE: OnceLock<String> = OnceLock::new();
    Html(PAGE.get_or_init(|| reference::page(&document::openapi())).clone())
}

async fn catalogue_page() -> Html<String> {
    html::page("Errors", &markdown::to_html(&contract::docs::errors_index_markdown()))
}

async fn code_page(params: RawPathParams) -> Response {
    let name = params.iter().next().map_or("", |(_, name)| name);
    match Code::ALL.iter().find(|code| code.name() == name) {
        Some(code) => {
            html::page(code.name(), &markdown::to_html(&contract::docs::code_markdown(*code))).into_response()
        }
        None => no_page().into_response(),
    }
}

async fn reason_page(params: RawPathParams) -> Response {
    let mut names = params.iter().map(|(_, name)| name);
    let (code, reason) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let known = Reason::ALL
        .iter()
        .find(|known| known.code().name() == code && known.name() == reason);
    match known {
        Some(known) => html::page(known.name(), &markdown::to_html(known.page())).into_response(),
        None => no_page().into_response(),
    }
}

fn no_page() -> Problem {
    Problem::new(Reason::RouteNotFound, "There is no such page.")
}

async fn catalogue() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let write = || Bytes::from(serde_json::to_vec_pretty(&contract::docs::errors_json()).unwrap_or_default());
    document::json_text(TEXT.get_or_init(write).clone())
}
