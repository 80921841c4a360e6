//! `GET /api-keys`

use axum::{extract::State, response::Response};
use contract::{ApiKey, KeyScope, ListEnvelope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(key_list), &[])
}

/// List API keys
///
/// Their records, newest first; never the keys themselves.
#[utoipa::path(
    get,
    path = "/api-keys",
    tag = "API keys",
    params(PageQuery),
    responses((status = 200, description = "A page of keys", body = ListEnvelope<ApiKey>)),
)]
pub(crate) async fn key_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let keys = app.keys().key_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, keys, |key| key.id.0))
}
