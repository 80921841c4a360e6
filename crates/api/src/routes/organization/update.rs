//! `PATCH /organization`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Organization, OrganizationUpdate};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(own_organization_update), &[])
}

/// Change the organisation
///
/// What is present changes.
#[utoipa::path(
    patch,
    path = "/organization",
    tag = "Organisation",
    request_body = OrganizationUpdate,
    responses((status = 200, description = "The organisation as it is now", body = Envelope<Organization>)),
)]
pub(crate) async fn own_organization_update(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<OrganizationUpdate>,
) -> Result<Response, Problem> {
    let change = caller.change();
    Ok(caller.data(app.organizations().organization_update(&change, body).await?))
}
