//! `GET /organizations/{id}/limits`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, OrganizationLimits};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_limits_fetch), &[])
}

/// Fetch the limits of an organisation
///
/// What it was granted. Parts that are `null` are as the server's configuration says.
#[utoipa::path(
    get,
    path = "/organizations/{id}/limits",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation's id")),
    responses((status = 200, description = "What it was granted", body = Envelope<OrganizationLimits>)),
)]
pub(crate) async fn organization_limits_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.granted().limits_fetch(&id).await?))
}
