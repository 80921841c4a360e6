//! `GET /requests/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, FailedRequest, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(request_fetch), &[])
}

/// Get a failed request
///
/// By the `request_id` of its answer.
#[utoipa::path(
    get,
    path = "/requests/{id}",
    tag = "Requests",
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The failed request", body = Envelope<FailedRequest>)),
)]
pub(crate) async fn request_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    let request = app.requests().request_fetch(caller.scope, &id).await?;
    Ok(caller.data(request))
}
