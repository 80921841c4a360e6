//! `DELETE /calls/{id}`

use axum::{extract::State, response::Response};
use contract::{KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(call_delete), &[Reason::InvalidState])
}

/// Delete a call
///
/// With its transcript and recording; only once it is over.
#[utoipa::path(
    delete,
    path = "/calls/{id}",
    tag = "Calls",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn call_delete(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    app.calls().call_delete(&caller.change(), &id).await?;
    Ok(caller.deleted())
}
