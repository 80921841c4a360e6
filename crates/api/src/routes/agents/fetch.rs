//! `GET /agents/{id}`

use axum::{extract::State, response::Response};
use contract::{Agent, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(agent_fetch), &[])
}

/// Get an agent
///
/// All that its owner set.
#[utoipa::path(
    get,
    path = "/agents/{id}",
    tag = "Agents",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The agent", body = Envelope<Agent>)),
)]
pub(crate) async fn agent_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.snapshot(&*app.agents().agent_fetch(caller.scope, &id).await?))
}
