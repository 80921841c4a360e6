//! `POST /organizations/{id}/subscription/start`

use axum::{extract::State, response::Response};
use contract::{Billing, Envelope, KeyScope, SubscriptionStart};
use utoipa_axum::routes;

use super::operator_change;
use crate::{
    App, Problem,
    extract::{ApiMaybeJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Operator, routes!(organization_subscription_start), &[])
}

/// Start a subscription
///
/// Or mend one whose payment is missing. Events of a payment provider may replace it.
#[utoipa::path(
    post,
    path = "/organizations/{id}/subscription/start",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation")),
    request_body(content = Option<SubscriptionStart>, description = "Nothing, or the name of the plan"),
    responses((status = 200, description = "How the organisation stands now", body = Envelope<Billing>)),
)]
pub(crate) async fn organization_subscription_start(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiMaybeJson(body): ApiMaybeJson<SubscriptionStart>,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    let change = operator_change(&caller, scope);
    Ok(caller.data(app.billing().subscription_start(&change, body).await?))
}
