//! `GET /organizations`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Organization};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_list), &[])
}

/// List organisations
///
/// All tenants of the platform, newest first.
#[utoipa::path(
    get,
    path = "/organizations",
    tag = "Operator",
    params(PageQuery),
    responses((status = 200, description = "A page of organisations", body = ListEnvelope<Organization>)),
)]
pub(crate) async fn organization_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let organizations = app.organizations().organization_page(query.page()).await?;
    Ok(caller.list(&query, organizations, |organization| organization.id.0))
}
