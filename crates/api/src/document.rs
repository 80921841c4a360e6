//! The API's description, `OpenAPI` 3.1, made from the handlers.

mod errors;
mod flat;
mod headers;

use std::sync::OnceLock;

use axum::{
    Router,
    body::Bytes,
    response::{IntoResponse, Response},
    routing::get,
};
use contract::KeyScope;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::{errors::response, headers::describe_headers};
use crate::{
    App,
    operation::{Operation, Operations},
    router::{ADMINISTRATION, OPERATOR, PUBLIC},
    routes,
};

const DESCRIPTION: &str = "Voice agents on the phone. Every answer of 400 and above is one envelope with one of nine \
    codes; see /docs/errors. Everything under /api/public/v1 also stands under /api/v1, which needs the scope `admin`. /api/operator/v1 is for those \
    who run the platform.";

/// The whole document.
pub fn openapi() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for (base, floor, operations) in [
        (PUBLIC, KeyScope::Read, routes::public()),
        (ADMINISTRATION, KeyScope::Admin, routes::administration()),
        (OPERATOR, KeyScope::Operator, routes::operator()),
        ("", KeyScope::Read, routes::signed()),
    ] {
        add(&mut paths, &mut schemas, base, Operations::above(floor), operations);
    }
    errors::add_schemas(&mut schemas);
    flat::flatten(&mut schemas);
    headers::add_everywhere(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Callwright",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "security": [{ "bearer": [] }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": errors::examples(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key: `Bearer cw_…`. Or, where the server is configured for an issuer, a person's token: `Bearer <JWT>`." },
            },
        },
    })
}

fn tags() -> Value {
    json!([
        { "name": "Agents", "description": "Who talks." },
        { "name": "Voices", "description": "What agents sound like." },
        { "name": "Telephony", "description": "Trunks and numbers." },
        { "name": "Calls", "description": "Placing, following and ending calls." },
        { "name": "Organisation", "description": "The organisation itself." },
        { "name": "Members", "description": "Who belongs to it." },
        { "name": "Billing", "description": "Standing, credits and usage." },
        { "name": "Audit log", "description": "Who changed what." },
        { "name": "API keys", "description": "Who may ask." },
        { "name": "Operator", "description": "Running the platform: all organisations." },
        { "name": "Requests", "description": "What failed, and why." },
    ])
}

fn add(
    paths: &mut Map<String, Value>,
    schemas: &mut Map<String, Value>,
    base: &str,
    mut known: Operations,
    operations: Vec<Operation>,
) {
    let router: OpenApiRouter<App> = known.mount(operations);
    let document = serde_json::to_value(router.get_openapi()).unwrap_or_default();
    let mut own = document["paths"].as_object().cloned().unwrap_or_default();
    known.annotate(&mut own);
    paths.extend(own.into_iter().map(|(path, item)| (format!("{base}{path}"), item)));
    schemas.extend(
        document["components"]["schemas"]
            .as_object()
            .cloned()
            .unwrap_or_default(),
    );
}

/// `/api/public/v1/openapi.json`, which anybody may read.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/api/public/v1/openapi.json", get(show))
}

async fn show() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(serde_json::to_vec_pretty(&openapi()).unwrap_or_default()));
    json_text(text.clone())
}

/// JSON that was written before.
pub(crate) fn json_text(text: Bytes) -> Response {
    let mut response = text.into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
