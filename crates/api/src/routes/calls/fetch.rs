//! `GET /calls/{id}`

use axum::{extract::State, response::Response};
use contract::{Call, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_fetch), &[])
}

/// Get a call
///
/// With its state, times, measurements and what broke, if anything did.
#[utoipa::path(
    get,
    path = "/calls/{id}",
    tag = "Calls",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The call", body = Envelope<Call>)),
)]
pub(crate) async fn call_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.calls().call_fetch(caller.scope, &id).await?))
}
