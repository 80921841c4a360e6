//! `POST /organizations/{id}/trial/start`

use axum::{extract::State, response::Response};
use contract::{Billing, Envelope, KeyScope, TrialStart};
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
    Operation::new(KeyScope::Operator, routes!(organization_trial_start), &[])
}

/// Start a trial
///
/// Even a second one. The credits that come with a trial come once.
#[utoipa::path(
    post,
    path = "/organizations/{id}/trial/start",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation")),
    request_body(content = Option<TrialStart>, description = "Nothing, or for how long"),
    responses((status = 200, description = "How the organisation stands now", body = Envelope<Billing>)),
)]
pub(crate) async fn organization_trial_start(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiMaybeJson(body): ApiMaybeJson<TrialStart>,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    let change = operator_change(&caller, scope);
    Ok(caller.data(app.billing().trial_start(&change, body).await?))
}
