//! `GET /agents`

use axum::{extract::State, response::Response};
use contract::{Agent, KeyScope, ListEnvelope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(agent_list), &[])
}

/// List agents
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/agents",
    tag = "Agents",
    params(PageQuery),
    responses((status = 200, description = "A page of agents", body = ListEnvelope<Agent>)),
)]
pub(crate) async fn agent_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let agents = app.agents().agent_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, agents, |agent| agent.id.0))
}
