//! `GET /requests/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, FailedRequestReport, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(request_report_fetch), &[])
}

/// Get anybody's failed request
///
/// By the `request_id` of its answer, with the causes behind it and what the server logged meanwhile.
#[utoipa::path(
    get,
    path = "/requests/{id}",
    tag = "Operator",
    params(("id" = String, Path, description = "The `request_id`")),
    responses((status = 200, description = "The failed request", body = Envelope<FailedRequestReport>)),
)]
pub(crate) async fn request_report_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.requests().report_fetch(&id).await?))
}
