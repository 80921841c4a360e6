//! `POST /billing/trial`

use axum::{extract::State, response::Response};
use contract::{Billing, Empty, Envelope, KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiMaybeJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(trial_begin), &[Reason::InvalidState])
}

/// Start the trial
///
/// Once for each organisation, and before any subscription. The credits that come with it are there at once.
#[utoipa::path(
    post,
    path = "/billing/trial",
    tag = "Billing",
    request_body(content = Option<Empty>, description = "Nothing, or an empty object"),
    responses((status = 200, description = "How the organisation stands now", body = Envelope<Billing>)),
)]
pub(crate) async fn trial_begin(
    caller: Caller,
    State(app): State<App>,
    ApiMaybeJson(Empty {}): ApiMaybeJson<Empty>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.billing().trial_begin(&caller.change()).await?))
}
