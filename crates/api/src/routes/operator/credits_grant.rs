//! `POST /organizations/{id}/credits/grant`

use axum::{extract::State, response::Response};
use contract::{CreditsGrant, Envelope, KeyScope, LedgerEntry};
use utoipa_axum::routes;

use super::operator_change;
use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(credits_grant), &[])
}

/// Grant credits
///
/// They are there at once. With an `Idempotency-Key` they are given once.
#[utoipa::path(
    post,
    path = "/organizations/{id}/credits/grant",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation")),
    request_body = CreditsGrant,
    responses((status = 200, description = "The entry in the ledger", body = Envelope<LedgerEntry>)),
)]
pub(crate) async fn credits_grant(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<CreditsGrant>,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    let change = operator_change(&caller, scope);
    Ok(caller.data(app.billing().credits_grant(&change, body, None).await?.entry))
}
