//! `DELETE /telephony/trunks/{id}`

use axum::{extract::State, response::Response};
use contract::{KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(trunk_delete), &[Reason::TrunkInUse])
}

/// Delete a trunk
///
/// Only once no number lives on it.
#[utoipa::path(
    delete,
    path = "/telephony/trunks/{id}",
    tag = "Telephony",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn trunk_delete(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    app.telephony().trunk_delete(&caller.change(), &id).await?;
    Ok(caller.deleted())
}
