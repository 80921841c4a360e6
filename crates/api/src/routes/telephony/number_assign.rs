//! `POST /telephony/numbers/assign`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Number, NumberAssign, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(
        KeyScope::Write,
        routes!(number_assign),
        &[Reason::ResourceNotFound, Reason::NumberInUse],
    )
}

/// Assign a number
///
/// Gives a number to an agent, for calls to it, from it, or both.
#[utoipa::path(
    post,
    path = "/telephony/numbers/assign",
    tag = "Telephony",
    request_body = NumberAssign,
    responses((status = 200, description = "The number as it is now", body = Envelope<Number>)),
)]
pub(crate) async fn number_assign(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<NumberAssign>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.telephony().number_assign(&caller.change(), body).await?))
}
