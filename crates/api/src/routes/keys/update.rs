//! `PATCH /api-keys/{id}`

use axum::{extract::State, response::Response};
use contract::{ApiKey, ApiKeyUpdate, Envelope, KeyScope, Reason};
use domain::keys::key_version;
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(key_update), &[Reason::InvalidState])
}

/// Change an API key
///
/// What is present changes, `null` clears; scopes stay as they were made. It counts from the next request on. A
/// revoked key can't be changed.
#[utoipa::path(
    patch,
    path = "/api-keys/{id}",
    tag = "API keys",
    params(("id" = String, Path, description = "Its id")),
    request_body = ApiKeyUpdate,
    responses((status = 200, description = "The record as it is now", body = Envelope<ApiKey>)),
)]
pub(crate) async fn key_update(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<ApiKeyUpdate>,
) -> Result<Response, Problem> {
    let key = app.keys().key_update(&caller.change(), &id, body).await?;
    Ok(caller.data_of_version(&key, key_version(&key)))
}
