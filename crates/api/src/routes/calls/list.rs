//! `GET /calls`

use axum::{extract::State, response::Response};
use contract::{AgentId, Call, CallDirection, CallStatus, KeyScope, ListEnvelope};
use domain::records::CallFilter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::{
    App, Problem,
    extract::ApiQuery,
    gate::Caller,
    operation::Operation,
    reply::{PageQuery, list_query},
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_list), &[])
}

list_query! {
    /// Which calls, and which page of them. Filters are exact.
    CallQuery {
        /// Of this agent.
        agent_id: String,
        /// In this state.
        status: CallStatus,
        /// Of this direction.
        direction: CallDirection,
    }
}

impl CallQuery {
    fn split(self) -> (CallFilter, PageQuery) {
        let page = self.page_query();
        // Text that is no id names no agent, so nothing matches; nor does the last of all ids.
        let agent = self.agent_id.map(|id| id.parse().unwrap_or(AgentId(Uuid::max())));
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
    let calls = app.calls().call_list(caller.scope, filter, query.page()).await?;
    Ok(caller.list(&query, calls, |call| call.id.0))
}
