//! `PATCH /agents/{id}`

use axum::{extract::State, response::Response};
use contract::{Agent, AgentUpdate, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(agent_update), &[])
}

/// Change an agent
///
/// What is present changes, `null` clears. Calls under way keep the settings they began with.
#[utoipa::path(
    patch,
    path = "/agents/{id}",
    tag = "Agents",
    params(("id" = String, Path, description = "Its id")),
    request_body = AgentUpdate,
    responses((status = 200, description = "The agent as it is now", body = Envelope<Agent>)),
)]
pub(crate) async fn agent_update(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<AgentUpdate>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.agents().agent_update(&caller.change(), &id, body).await?))
}
