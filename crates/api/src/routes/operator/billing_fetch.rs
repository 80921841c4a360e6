//! `GET /organizations/{id}/billing`

use axum::{extract::State, response::Response};
use contract::{Billing, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_billing_fetch), &[])
}

/// Get an organisation's standing and credits
///
/// As the organisation itself sees it under `/billing`.
#[utoipa::path(
    get,
    path = "/organizations/{id}/billing",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation")),
    responses((status = 200, description = "How the organisation stands", body = Envelope<Billing>)),
)]
pub(crate) async fn organization_billing_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    Ok(caller.data(app.billing().billing_fetch(scope).await?))
}
