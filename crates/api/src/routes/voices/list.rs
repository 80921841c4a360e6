//! `GET /voices`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Voice};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(voice_list), &[])
}

/// List voices
///
/// The system's and the organisation's, newest first.
#[utoipa::path(
    get,
    path = "/voices",
    tag = "Voices",
    params(PageQuery),
    responses((status = 200, description = "A page of voices", body = ListEnvelope<Voice>)),
)]
pub(crate) async fn voice_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let voices = app.voices().voice_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, voices, |voice| voice.id.0))
}
