//! `GET /telephony/trunks`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Trunk};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(trunk_list), &[])
}

/// List trunks
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/telephony/trunks",
    tag = "Telephony",
    params(PageQuery),
    responses((status = 200, description = "A page of trunks", body = ListEnvelope<Trunk>)),
)]
pub(crate) async fn trunk_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let trunks = app.telephony().trunk_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, trunks, |trunk| trunk.id.0))
}
