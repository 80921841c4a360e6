//! `GET /requests`

use axum::{extract::State, response::Response};
use contract::{FailedRequest, KeyScope, ListEnvelope};
use utoipa_axum::routes;

use super::RequestQuery;
use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(request_list), &[])
}

/// List failed requests
///
/// The organisation's requests that were answered with 400 or above, newest first. They are kept for some days (7 by default), as far as
/// there is room, and appear a moment after their answer. Requests whose credentials were refused belong to nobody and
/// are not among them.
#[utoipa::path(
    get,
    path = "/requests",
    tag = "Requests",
    params(RequestQuery),
    responses((status = 200, description = "A page of failed requests", body = ListEnvelope<FailedRequest>)),
)]
pub(crate) async fn request_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<RequestQuery>,
) -> Result<Response, Problem> {
    let (filter, query) = query.split();
    let requests = app.requests().request_list(caller.scope, &filter, query.page()).await?;
    Ok(caller.list(&query, requests, |request| request.id.0))
}
