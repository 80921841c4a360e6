//! `GET /members`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Member};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(member_list), &[])
}

/// List members
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/members",
    tag = "Members",
    params(PageQuery),
    responses((status = 200, description = "A page of members", body = ListEnvelope<Member>)),
)]
pub(crate) async fn member_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let members = app.organizations().member_list(caller.scope, query.page()).await?;
    Ok(caller.list(&query, members, |member| member.id.0))
}
