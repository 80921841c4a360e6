//! `GET /telephony/numbers`

use axum::{extract::State, response::Response};
use contract::{AgentId, KeyScope, ListEnvelope, Number};
use domain::records::NumberFilter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::list_query};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(number_list), &[])
}

list_query! {
    /// Which numbers, and which page of them. Filters are exact.
    NumberQuery {
        /// E.164.
        phone_number: String,
        /// That this agent serves, in either direction.
        agent_id: String,
    }
}

/// List numbers
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/telephony/numbers",
    tag = "Telephony",
    params(NumberQuery),
    responses((status = 200, description = "A page of numbers", body = ListEnvelope<Number>)),
)]
pub(crate) async fn number_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<NumberQuery>,
) -> Result<Response, Problem> {
    let page = query.page_query();
    let filter = NumberFilter {
        // Text that is no id names no agent, so nothing matches; the greatest id matches nothing either.
        agent: query.agent_id.map(|id| id.parse().unwrap_or(AgentId(Uuid::max()))),
        phone_number: query.phone_number,
    };
    let numbers = app.telephony().number_list(caller.scope, filter, page.page()).await?;
    Ok(caller.list(&page, numbers, |number| number.id.0))
}
