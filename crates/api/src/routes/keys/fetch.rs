//! `GET /api-keys/{id}`

use axum::{extract::State, response::Response};
use contract::{ApiKey, Envelope, KeyScope};
use domain::keys::key_version;
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(key_fetch), &[])
}

/// Get an API key
///
/// Its record; never the key itself. That of a revoked key stays.
#[utoipa::path(
    get,
    path = "/api-keys/{id}",
    tag = "API keys",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The record", body = Envelope<ApiKey>)),
)]
pub(crate) async fn key_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    let key = app.keys().key_fetch(caller.scope, &id).await?;
    Ok(caller.data_of_version(&key, key_version(&key)))
}
