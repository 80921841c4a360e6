//! `GET /organizations/{id}/credits`

use axum::{extract::State, response::Response};
use contract::{KeyScope, LedgerEntry, ListEnvelope};
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
    Operation::new(KeyScope::Operator, routes!(organization_ledger_list), &[])
}

/// List an organisation's ledger
///
/// Every change of its credits, newest first.
#[utoipa::path(
    get,
    path = "/organizations/{id}/credits",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation"), PageQuery),
    responses((status = 200, description = "A page of entries", body = ListEnvelope<LedgerEntry>)),
)]
pub(crate) async fn organization_ledger_list(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    let entries = app.billing().ledger_list(scope, query.page()).await?;
    Ok(caller.list(&query, entries, |entry| entry.id.0))
}
