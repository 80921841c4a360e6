//! `GET /telephony/numbers/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Number};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(number_fetch), &[])
}

/// Get a number
///
/// With the trunk it lives on and the agents that serve it.
#[utoipa::path(
    get,
    path = "/telephony/numbers/{id}",
    tag = "Telephony",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The number", body = Envelope<Number>)),
)]
pub(crate) async fn number_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.telephony().number_fetch(caller.scope, &id).await?))
}
