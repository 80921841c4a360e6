//! `PATCH /members/{id}`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Member, MemberUpdate, Reason};
use utoipa_axum::routes;

use crate::{
    App, Problem,
    extract::{ApiJson, ApiPath},
    gate::Caller,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(
        KeyScope::Admin,
        routes!(member_update),
        &[Reason::InsufficientRole, Reason::LastOwner],
    )
}

/// Change a member
///
/// What is present changes, `null` clears. A new role counts from the next request on. Only owners make owners, and
/// only they take that role from one; the last owner keeps it.
#[utoipa::path(
    patch,
    path = "/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "Its id")),
    request_body = MemberUpdate,
    responses((status = 200, description = "The member as it is now", body = Envelope<Member>)),
)]
pub(crate) async fn member_update(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    ApiJson(body): ApiJson<MemberUpdate>,
) -> Result<Response, Problem> {
    let change = caller.change();
    let member = app.organizations().member_update(&change, caller.authority, &id, body);
    Ok(caller.data(member.await?))
}
