//! The documentation that the server brings along: a reference of the API, and a page for every failure.
//!
//! All of it is made from the API document and the catalogue, so it describes this very server. It needs no script;
//! the one there is narrows the contents while one types.

mod errors;
mod example;
mod html;
mod markdown;
mod operation;
mod overview;
mod search;
mod site;
mod tree;

use std::{convert::Infallible, sync::OnceLock};

use axum::{
    RequestPartsExt as _, Router,
    body::Bytes,
    extract::{FromRequestParts, RawPathParams, RawQuery},
    response::{IntoResponse, Response},
    routing::get,
};
use contract::{Code, Reason};
use hyper::{StatusCode, header::LOCATION, http::request::Parts};

use self::{
    html::{Frame, escape},
    site::{Site, site},
};
use crate::{App, Problem, document};

/// `/docs…` and `/errors.json`, which anybody may read, and where who only knows the host is sent.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { to_docs(StatusCode::FOUND) }))
        .route("/docs", get(overview_page))
        .route("/docs/", get(|| async { to_docs(StatusCode::PERMANENT_REDIRECT) }))
        .route("/docs/search", get(search_page))
        .route("/docs/operations/{id}", get(operation_page))
        .route("/docs/schemas/{name}", get(schema_page))
        .route("/docs/errors", get(errors_page))
        .route("/docs/errors/{code}", get(code_page))
        .route("/docs/errors/{code}/{reason}", get(reason_page))
        .route(html::STYLE_PATH, get(html::style))
        .route(html::SCRIPT_PATH, get(html::script))
        .route("/errors.json", get(catalogue))
}

fn to_docs(status: StatusCode) -> Response {
    (status, [(LOCATION, "/docs")]).into_response()
}

async fn overview_page() -> Response {
    page(site(), "API", "/docs", &overview::page(site()))
}

async fn search_page(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("q="))
        .unwrap_or_default();
    let Some(asked) = crate::extract::unescape(asked) else {
        let problem = Problem::new(Reason::MalformedQuery, "The query string can't be decoded.");
        return problem.with("expected", "percent-encoded UTF-8").into_response();
    };
    let (site, query) = (site(), search::cut(&asked));
    let frame = Frame {
        title: "Search",
        query: &query,
        contents: &site.contents(""),
    };
    html::page(&frame, &search::page(site, &query))
}

async fn operation_page(names: Names) -> Response {
    let (site, id) = (site(), names.get(0));
    match site.operation(id) {
        Some(found) => page(
            site,
            found.text("summary"),
            &found.href(),
            &operation::page(site, found),
        ),
        None => no_page(),
    }
}

async fn schema_page(names: Names) -> Response {
    let (site, name) = (site(), names.get(0));
    let Some(schema) = site.schema(name) else {
        return no_page();
    };
    let what = markdown::to_html(schema["description"].as_str().unwrap_or_default());
    let text = serde_json::to_string_pretty(schema).unwrap_or_default();
    let body = format!(
        "<p class=\"crumbs\"><a href=\"/docs\">API</a> › Objects</p><h1>{}</h1>{what}{}<h2>JSON Schema</h2>\
         <details><summary>Show</summary><pre><code>{}</code></pre></details>",
        escape(name),
        tree::tree(site, schema),
        escape(&text)
    );
    page(site, name, &format!("/docs/schemas/{name}"), &body)
}

async fn errors_page() -> Response {
    page(site(), "Errors", "/docs/errors", &errors::index())
}

async fn code_page(names: Names) -> Response {
    let name = names.get(0);
    match Code::ALL.iter().find(|code| code.name() == name) {
        Some(code) => page(site(), name, &format!("/docs/errors/{name}"), &errors::code(*code)),
        None => no_page(),
    }
}

async fn reason_page(names: Names) -> Response {
    let (code, reason) = (names.get(0), names.get(1));
    let known = Reason::ALL
        .iter()
        .find(|known| known.code().name() == code && known.name() == reason);
    match known {
        Some(known) => page(
            site(),
            reason,
            &format!("/docs/errors/{code}"),
            &errors::reason(site(), *known),
        ),
        None => no_page(),
    }
}

fn page(site: &Site, title: &str, here: &str, body: &str) -> Response {
    let frame = Frame {
        title,
        query: "",
        contents: &site.contents(here),
    };
    html::page(&frame, body)
}

/// The names in a page's path. Those that can't be decoded are names of nothing.
struct Names(Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let params = parts.extract::<RawPathParams>().await.ok();
        let names = params.iter().flat_map(|params| params.iter());
        Ok(Self(names.map(|(_, name)| name.to_owned()).collect()))
    }
}

impl Names {
    fn get(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }
}

fn no_page() -> Response {
    Problem::new(Reason::RouteNotFound, "There is no such page.").into_response()
}

async fn catalogue() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let write = || Bytes::from(serde_json::to_vec_pretty(&contract::docs::errors_json()).unwrap_or_default());
    document::json_text(TEXT.get_or_init(write).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_every_page_leads_somewhere() {
        let site = site();
        let mut pages = vec![
            overview::page(site),
            errors::index(),
            search::page(site, "agent"),
            site.contents(""),
        ];
        pages.extend(site.operations.iter().map(|found| operation::page(site, found)));
        pages.extend(site.schemas().map(|(_, schema)| tree::tree(site, schema)));
        pages.extend(Code::ALL.iter().map(|code| errors::code(*code)));
        pages.extend(Reason::ALL.iter().map(|reason| errors::reason(site, *reason)));
        for page in pages {
            for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(leads_somewhere(site, link), "{link}");
            }
        }
    }

    fn leads_somewhere(site: &Site, link: &str) -> bool {
        let parts: Vec<_> = link.split('/').skip(1).collect();
        match parts.as_slice() {
            ["docs"] | ["docs", "errors"] | ["api", "public", "v1", "openapi.json"] => true,
            ["docs", "operations", id] => site.operation(id).is_some(),
            ["docs", "schemas", name] => site.schema(name).is_some(),
            ["docs", "errors", code] => Code::ALL.iter().any(|known| known.name() == *code),
            ["docs", "errors", code, reason] => Reason::ALL
                .iter()
                .any(|known| known.code().name() == *code && known.name() == *reason),
            _ => false,
        }
    }

    #[test]
    fn every_operation_has_a_page_with_its_route_its_scope_and_all_its_errors() {
        let site = site();
        assert!(site.operations.len() >= 60, "{}", site.operations.len());
        for found in &site.operations {
            let page = operation::page(site, found);
            assert!(page.contains(&escape(&found.path)), "{}", found.id);
            assert!(!page.contains("<b></b>"), "{}", found.id);
            let scope = format!("Scope <b>{}</b>", found.text("x-required-scope"));
            let bearer = "Authorization: Bearer";
            assert_eq!(page.contains(&scope), found.takes_key(), "{}", found.id);
            assert_eq!(page.contains(bearer), found.takes_key(), "{}", found.id);
            for reason in Reason::ALL {
                let link = format!("/docs/errors/{}/{}\"", reason.code().name(), reason.name());
                assert_eq!(page.contains(&link), found.answers(*reason), "{} {reason:?}", found.id);
            }
        }
    }

    #[test]
    fn what_is_signed_is_shown_with_its_signature_and_without_a_key() {
        let site = site();
        let page = operation::page(site, site.operation("stripe_webhook").expect("an operation"));
        assert!(page.contains("<b>Signed</b>"), "{page}");
        assert!(page.contains("-H &quot;Stripe-Signature: …&quot;"), "{page}");
        assert!(!page.contains("RateLimit"), "{page}");
    }

    #[test]
    fn what_every_operation_can_answer_is_not_listed_operation_by_operation() {
        let page = errors::reason(site(), Reason::InvalidApiKey);
        assert!(page.contains("Every operation that takes a key can"), "{page}");
        assert!(!page.contains("/docs/operations/"), "{page}");
        let page = errors::reason(site(), Reason::MissingCredentials);
        assert!(page.contains("/docs/operations/stripe_webhook"), "{page}");
        assert!(!page.contains("/docs/operations/agent_create"), "{page}");
    }

    #[test]
    fn nothing_comes_from_outside() {
        let site = site();
        let pages = site
            .operations
            .iter()
            .map(|found| operation::page(site, found))
            .chain([overview::page(site)]);
        for page in pages {
            for mark in ["<script", "<style", " style=", "onclick", "src=\"http", "href=\"http"] {
                assert!(!page.contains(mark), "{mark}");
            }
        }
    }

    #[test]
    fn search_finds_operations_fields_and_errors_and_repeats_no_markup() {
        let site = site();
        let found = search::page(site, "create agent");
        assert!(found.contains("/docs/operations/agent_create"), "{found}");
        assert!(search::page(site, "credits balance").contains("insufficient_credits"));
        assert!(search::page(site, "inactivity_messages").contains("/docs/schemas/AgentCreate"));
        let odd = search::page(site, "<script>alert(1)</script>");
        assert!(!odd.contains("<script>") && odd.contains("Nothing holds"), "{odd}");
    }
}
