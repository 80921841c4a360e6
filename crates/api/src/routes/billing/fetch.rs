//! `GET /billing`

use axum::{extract::State, response::Response};
use contract::{Billing, Envelope, KeyScope};
use utoipa_axum::routes;

use crate::{App, Problem, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(billing_fetch), &[])
}

/// Get standing, credits and prices
///
/// What the organisation may spend now, and what things cost.
#[utoipa::path(
    get,
    path = "/billing",
    tag = "Billing",
    responses((status = 200, description = "How the organisation stands", body = Envelope<Billing>)),
)]
pub(crate) async fn billing_fetch(caller: Caller, State(app): State<App>) -> Result<Response, Problem> {
    Ok(caller.data(app.billing().billing_fetch(caller.scope).await?))
}
