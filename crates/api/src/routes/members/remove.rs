//! `DELETE /members/{id}`

use axum::{extract::State, response::Response};
use contract::{KeyScope, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(
        KeyScope::Admin,
        routes!(member_remove),
        &[Reason::InsufficientRole, Reason::LastOwner],
    )
}

/// Remove a member
///
/// Their tokens open nothing here from the next request on; keys that they made stay. Only owners remove owners, and
/// the last one stays.
#[utoipa::path(
    delete,
    path = "/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "They no longer belong to the organisation")),
)]
pub(crate) async fn member_remove(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    let change = caller.change();
    app.organizations()
        .member_remove(&change, caller.authority, &id)
        .await?;
    Ok(caller.deleted())
}
