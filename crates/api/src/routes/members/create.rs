//! `POST /members`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Member, MemberCreate, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(member_create), &[Reason::InsufficientRole])
}

/// Add a member
///
/// Whoever brings a token with this subject may act in the organisation from now on. Only owners make owners.
#[utoipa::path(
    post,
    path = "/members",
    tag = "Members",
    request_body = MemberCreate,
    responses((status = 201, description = "The member", body = Envelope<Member>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn member_create(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<MemberCreate>,
) -> Result<Response, Problem> {
    let change = caller.creates("/members");
    let member = app
        .organizations()
        .member_create(&change, caller.authority, body)
        .await?;
    Ok(caller.created(&format!("/members/{}", member.id), member))
}
