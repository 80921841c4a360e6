//! `GET /voices/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Voice};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(voice_fetch), &[])
}

/// Get a voice
///
/// Its provider, language and state.
#[utoipa::path(
    get,
    path = "/voices/{id}",
    tag = "Voices",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The voice", body = Envelope<Voice>)),
)]
pub(crate) async fn voice_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.voices().voice_fetch(caller.scope, &id).await?))
}
