//! `GET /calls/{id}/transcript`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Transcript};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_transcript), &[])
}

/// Get a transcript
///
/// What was said so far; of the agent's words only those really heard.
#[utoipa::path(
    get,
    path = "/calls/{id}/transcript",
    tag = "Calls",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The transcript", body = Envelope<Transcript>)),
)]
pub(crate) async fn call_transcript(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.calls().call_transcript(caller.scope, &id).await?))
}
