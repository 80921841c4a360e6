//! `POST /calls/{id}/end`

use axum::{extract::State, response::Response};
use contract::{Call, Empty, Envelope, KeyScope, Reason};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiMaybeJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(call_end), &[Reason::InvalidState])
}

/// End a call
///
/// Hangs up in order. A call that is over already is `invalid_state`.
#[utoipa::path(
    post,
    path = "/calls/{id}/end",
    tag = "Calls",
    params(("id" = String, Path, description = "Its id")),
    request_body(content = Option<Empty>, description = "Nothing, or an empty object"),
    responses((status = 200, description = "The call as it is now", body = Envelope<Call>)),
)]
pub(crate) async fn call_end(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiMaybeJson(Empty {}): ApiMaybeJson<Empty>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.calls().call_end(&caller.change(), &id).await?))
}
