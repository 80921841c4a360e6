//! `POST /organizations`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, OrganizationCreate, OrganizationCreated};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_create), &[])
}

/// Create an organisation
///
/// With its first API key, which may do everything in it and is shown this once.
#[utoipa::path(
    post,
    path = "/organizations",
    tag = "Operator",
    request_body = OrganizationCreate,
    responses((status = 201, description = "The organisation and its first key", body = Envelope<OrganizationCreated>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn organization_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<OrganizationCreate>,
) -> Result<Response, Problem> {
    let created = app
        .keys()
        .organization_open(&caller.creates("/organizations"), body)
        .await?;
    Ok(caller.created(&format!("/organizations/{}", created.organization.id), created))
}
