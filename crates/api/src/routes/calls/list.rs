//! `GET /calls`

use axum::{extract::State, response::Response};
use contract::{AgentId, Call, CallDirection, CallStatus, KeyScope, ListEnvelope};
use domain::records::CallFilter;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::{
    App, Problem,
    extract::ApiQuery,
    gate::Caller,
    operation::Operation,
    reply::{PageQuery, default_limit},
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_list), &[])
}

/// Which calls, and which page of them. Filters are exact.
#[derive(Serialize, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallQuery {
    /// Most things on the page.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 100)]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: u32,
    /// Things to skip. Not with `cursor`.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    offset: u64,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(nullable = false)]
    #[param(nullable = false)]
    cursor: Option<String>,
    /// Of this agent.
    #[serde(default)]
    #[schema(nullable = false)]
    #[param(nullable = false)]
    agent_id: Option<String>,
    /// In this state.
    #[serde(default)]
    #[schema(nullable = false)]
    #[param(nullable = false)]
    status: Option<CallStatus>,
    /// Of this direction.
    #[serde(default)]
    #[schema(nullable = false)]
    #[param(nullable = false)]
    direction: Option<CallDirection>,
}

impl CallQuery {
    fn split(self) -> (CallFilter, PageQuery) {
        // Text that is no id names no agent, so nothing matches; the nil id matches nothing either.
        let agent = self.agent_id.map(|id| id.parse().unwrap_or(AgentId(Uuid::nil())));
        let page = PageQuery {
            limit: self.limit,
            offset: self.offset,
            cursor: self.cursor,
        };
        (
            CallFilter {
                agent,
                status: self.status,
                direction: self.direction,
            },
            page,
        )
    }
}

/// List calls
///
/// Newest first, filtered exactly.
#[utoipa::path(
    get,
    path = "/calls",
    tag = "Calls",
    params(CallQuery),
    responses((status = 200, description = "A page of calls", body = ListEnvelope<Call>)),
)]
pub(crate) async fn call_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<CallQuery>,
) -> Result<Response, Problem> {
    let (filter, query) = query.split();
    let calls = app.calls().call_list(caller.scope, filter, query.page()?).await?;
    Ok(caller.list(&query, calls, |call| call.id.0))
}
