//! `DELETE /agents/{id}`

use axum::{extract::State, response::Response};
use contract::KeyScope;
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(agent_delete), &[])
}

/// Delete an agent
///
/// Its numbers stay, without an agent; its calls stay too.
#[utoipa::path(
    delete,
    path = "/agents/{id}",
    tag = "Agents",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn agent_delete(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    app.agents().agent_delete(&caller.change(), &id).await?;
    Ok(caller.deleted())
}
