//! `POST /agents`

use axum::{extract::State, response::Response};
use contract::{Agent, AgentCreate, Envelope, KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(agent_create), &[Reason::ResourceNotFound])
}

/// Create an agent
///
/// It takes and places calls at once, unless `status` is `draft`.
#[utoipa::path(
    post,
    path = "/agents",
    tag = "Agents",
    request_body = AgentCreate,
    responses((status = 201, description = "The agent", body = Envelope<Agent>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn agent_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<AgentCreate>,
) -> Result<Response, Problem> {
    let agent = app.agents().agent_create(&caller.creates("/agents"), body).await?;
    Ok(caller.created(&format!("/agents/{}", agent.id), agent))
}
