//! `DELETE /telephony/numbers/{id}`

use axum::{extract::State, response::Response};
use contract::KeyScope;
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Write, routes!(number_release), &[])
}

/// Release a number
///
/// It is no longer known here and may be imported again.
#[utoipa::path(
    delete,
    path = "/telephony/numbers/{id}",
    tag = "Telephony",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn number_release(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    app.telephony().number_release(&caller.change(), &id).await?;
    Ok(caller.deleted())
}
