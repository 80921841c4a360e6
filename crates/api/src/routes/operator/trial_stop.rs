//! `POST /organizations/{id}/trial/stop`

use axum::{extract::State, response::Response};
use contract::{Billing, Empty, Envelope, KeyScope, Reason};
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
    Operation::new(
        KeyScope::Operator,
        routes!(organization_trial_stop),
        &[Reason::InvalidState],
    )
}

/// Stop a trial
///
/// It is over at once.
#[utoipa::path(
    post,
    path = "/organizations/{id}/trial/stop",
    tag = "Operator",
    params(("id" = String, Path, description = "The organisation")),
    request_body(content = Option<Empty>, description = "Nothing, or an empty object"),
    responses((status = 200, description = "How the organisation stands now", body = Envelope<Billing>)),
)]
pub(crate) async fn organization_trial_stop(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiMaybeJson(Empty {}): ApiMaybeJson<Empty>,
) -> Result<Response, Problem> {
    let scope = app.billing().organization_named(&id).await?;
    let change = operator_change(&caller, scope);
    Ok(caller.data(app.billing().trial_stop(&change).await?))
}
