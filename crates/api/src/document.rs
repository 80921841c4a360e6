//! The API's description, `OpenAPI` 3.1, made from the handlers.

use std::sync::OnceLock;

use axum::{
    Router,
    body::Bytes,
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    App,
    operation::{Operation, Operations},
    router::{ADMINISTRATION, PUBLIC},
    routes,
};

const DESCRIPTION: &str = "Voice agents on the phone. Every answer of 400 and above is one envelope with one of nine \
    codes; see /docs/errors. Everything under /api/public/v1 also stands under /api/v1, which needs the scope `admin`.";

/// The whole document.
pub fn openapi() -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    add(&mut paths, &mut schemas, PUBLIC, routes::public());
    add(&mut paths, &mut schemas, ADMINISTRATION, routes::administration());
    add_error_schemas(&mut schemas);
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
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key: `Bearer cw_…`." },
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
        { "name": "API keys", "description": "Who may ask." },
    ])
}

fn add(paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>, base: &str, operations: Vec<Operation>) {
    let mut known = Operations::default();
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

fn add_error_schemas(schemas: &mut Map<String, Value>) {
    for (name, schema) in [
        ("ErrorEnvelope", contract::ErrorEnvelope::schema()),
        ("ErrorBody", contract::ErrorBody::schema()),
        ("FieldFault", contract::FieldFault::schema()),
        ("FieldReason", contract::FieldReason::schema()),
        ("Meta", contract::Meta::schema()),
        ("RequestId", contract::RequestId::schema()),
        ("Timestamp", contract::Timestamp::schema()),
    ] {
        schemas.insert(name.to_owned(), serde_json::to_value(schema).unwrap_or_default());
    }
    let codes: Vec<_> = contract::Code::ALL.iter().map(|code| code.name()).collect();
    schemas["ErrorBody"]["properties"]["code"]["enum"] = codes.into();
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
