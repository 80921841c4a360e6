//! `PUT /organizations/{id}/limits`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, OrganizationLimits};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_limits_set), &[])
}

/// Set the limits of an organisation
///
/// All of them at once: parts that are absent or `null` become as the server's configuration says, and `0` takes a
/// window's limit away. They hold at once on the node that is asked, and within ten seconds on all others.
#[utoipa::path(
    put,
    path = "/organizations/{id}/limits",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation's id")),
    request_body = OrganizationLimits,
    responses((status = 200, description = "What it is granted now", body = Envelope<OrganizationLimits>)),
)]
pub(crate) async fn organization_limits_set(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<OrganizationLimits>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.granted().limits_set(&caller.change(), &id, body).await?))
}
