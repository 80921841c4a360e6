//! `GET /telephony/trunks/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Trunk};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(trunk_fetch), &[])
}

/// Get a trunk
///
/// Without its password.
#[utoipa::path(
    get,
    path = "/telephony/trunks/{id}",
    tag = "Telephony",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The trunk", body = Envelope<Trunk>)),
)]
pub(crate) async fn trunk_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.telephony().trunk_fetch(caller.scope, &id).await?))
}
