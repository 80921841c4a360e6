//! `GET /organizations/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Organization};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_fetch), &[])
}

/// Get an organisation
///
/// Any tenant of the platform.
#[utoipa::path(
    get,
    path = "/organizations/{id}",
    tag = "Operator",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The organisation", body = Envelope<Organization>)),
)]
pub(crate) async fn organization_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.organizations().organization_of_all(&id).await?))
}
