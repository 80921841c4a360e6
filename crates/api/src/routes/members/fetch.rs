//! `GET /members/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Member};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(member_fetch), &[])
}

/// Get a member
///
/// Who it is, and what they may do.
#[utoipa::path(
    get,
    path = "/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The member", body = Envelope<Member>)),
)]
pub(crate) async fn member_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    Ok(caller.data(app.organizations().member_fetch(caller.scope, &id).await?))
}
