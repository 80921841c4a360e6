//! `POST /calls`

use axum::{extract::State, response::Response};
use contract::{Call, CallCreate, Envelope, KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(
        KeyScope::Write,
        routes!(call_create),
        &[
            Reason::ResourceNotFound,
            Reason::AgentNotActive,
            Reason::NoOutboundNumber,
            Reason::SipUriNotAllowed,
            Reason::ConcurrentCalls,
            Reason::ProviderUnreachable,
            Reason::ProviderTimeout,
            Reason::ProviderRejected,
            Reason::ProviderRateLimited,
            Reason::ProviderBadResponse,
            Reason::ProviderCredentials,
        ],
    )
    .billable()
}

/// Place a call
///
/// Answers once the other side rings, answers or is on its way. A carrier that refuses at once is a `provider_error`, and the call's record says why.
#[utoipa::path(
    post,
    path = "/calls",
    tag = "Calls",
    request_body = CallCreate,
    responses((status = 201, description = "The call", body = Envelope<Call>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn call_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<CallCreate>,
) -> Result<Response, Problem> {
    let call = app.calls().call_create(&caller.creates("/calls"), body).await?;
    Ok(caller.created(&format!("/calls/{}", call.id), call))
}
