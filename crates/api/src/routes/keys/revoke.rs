//! `DELETE /api-keys/{id}`

use axum::{extract::State, response::Response};
use contract::{KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(key_revoke), &[Reason::InvalidState])
}

/// Revoke an API key
///
/// It stops working at once; its record stays. Only who revoked it may do so again.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    tag = "API keys",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It no longer works")),
)]
pub(crate) async fn key_revoke(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    app.keys().key_revoke(&caller.change(), &id).await?;
    Ok(caller.deleted())
}
