//! `POST /telephony/numbers/unassign`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Number, NumberUnassign, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(number_unassign), &[Reason::ResourceNotFound])
}

/// Unassign a number
///
/// Takes a number from its agents, for calls to it, from it, or both.
#[utoipa::path(
    post,
    path = "/telephony/numbers/unassign",
    tag = "Telephony",
    request_body = NumberUnassign,
    responses((status = 200, description = "The number as it is now", body = Envelope<Number>)),
)]
pub(crate) async fn number_unassign(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<NumberUnassign>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.telephony().number_unassign(&caller.change(), body).await?))
}
