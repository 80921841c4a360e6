//! `GET /organization`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Organization};
use utoipa_axum::routes;

use crate::{App, Problem, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(own_organization_fetch), &[])
}

/// Get the organisation
///
/// The one that the credentials belong to.
#[utoipa::path(
    get,
    path = "/organization",
    tag = "Organisation",
    responses((status = 200, description = "The organisation", body = Envelope<Organization>)),
)]
pub(crate) async fn own_organization_fetch(caller: Caller, State(app): State<App>) -> Result<Response, Problem> {
    Ok(caller.data(app.organizations().organization_fetch(caller.scope).await?))
}
