//! `PATCH /telephony/trunks/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Trunk, TrunkUpdate};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(trunk_update), &[])
}

/// Change a trunk
///
/// What is present changes, `null` clears.
#[utoipa::path(
    patch,
    path = "/telephony/trunks/{id}",
    tag = "Telephony",
    params(("id" = String, Path, description = "Its id")),
    request_body = TrunkUpdate,
    responses((status = 200, description = "The trunk as it is now", body = Envelope<Trunk>)),
)]
pub(crate) async fn trunk_update(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<TrunkUpdate>,
) -> Result<Response, Problem> {
    Ok(caller.data(app.telephony().trunk_update(&caller.change(), &id, body).await?))
}
