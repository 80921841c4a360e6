//! `POST /api-keys`

use axum::{extract::State, response::Response};
use contract::{ApiKeyCreate, ApiKeyCreated, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(key_create), &[])
}

/// Create an API key
///
/// The key itself is shown this once.
#[utoipa::path(
    post,
    path = "/api-keys",
    tag = "API keys",
    request_body = ApiKeyCreate,
    responses((status = 201, description = "The key", body = Envelope<ApiKeyCreated>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn key_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<ApiKeyCreate>,
) -> Result<Response, Problem> {
    let created = app.keys().key_create(&caller.creates("/api-keys"), body).await?;
    Ok(caller.created(&format!("/api-keys/{}", created.record.id), created))
}
