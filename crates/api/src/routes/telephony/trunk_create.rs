//! `POST /telephony/trunks`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Trunk, TrunkCreate};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(trunk_create), &[])
}

/// Create a trunk
///
/// A SIP peer that brings calls and takes them. The password is never shown again.
#[utoipa::path(
    post,
    path = "/telephony/trunks",
    tag = "Telephony",
    request_body = TrunkCreate,
    responses((status = 201, description = "The trunk", body = Envelope<Trunk>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn trunk_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<TrunkCreate>,
) -> Result<Response, Problem> {
    let trunk = app
        .telephony()
        .trunk_create(&caller.creates("/telephony/trunks"), body)
        .await?;
    Ok(caller.created(&format!("/telephony/trunks/{}", trunk.id), trunk))
}
