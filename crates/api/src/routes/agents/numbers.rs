//! `GET /agents/{id}/numbers`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Number};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiPath, ApiQuery},
    gate::Caller,
    operation::Operation,
    reply::PageQuery,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(agent_numbers), &[])
}

/// List an agent's numbers
///
/// Those it answers and those it calls from, newest first.
#[utoipa::path(
    get,
    path = "/agents/{id}/numbers",
    tag = "Agents",
    params(("id" = String, Path, description = "Its id"), PageQuery),
    responses((status = 200, description = "A page of numbers", body = ListEnvelope<Number>)),
)]
pub(crate) async fn agent_numbers(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let numbers = app.telephony().agent_numbers(caller.scope, &id, query.page()).await?;
    Ok(caller.list(&query, numbers, |number| number.id.0))
}
