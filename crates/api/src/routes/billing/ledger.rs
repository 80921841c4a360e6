//! `GET /billing/ledger`

use axum::{extract::State, response::Response};
use contract::{KeyScope, LedgerEntry, ListEnvelope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(ledger_list), &[])
}

/// List the ledger
///
/// Every change of the organisation's credits, newest first. Entries are only ever added.
#[utoipa::path(
    get,
    path = "/billing/ledger",
    tag = "Billing",
    params(PageQuery),
    responses((status = 200, description = "A page of entries", body = ListEnvelope<LedgerEntry>)),
)]
pub(crate) async fn ledger_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let entries = app.billing().ledger_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, entries, |entry| entry.id.0))
}
