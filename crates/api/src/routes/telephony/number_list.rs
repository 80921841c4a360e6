//! `GET /telephony/numbers`

use axum::{extract::State, response::Response};
use contract::{KeyScope, ListEnvelope, Number};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::PageQuery};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(number_list), &[])
}

/// List numbers
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/telephony/numbers",
    tag = "Telephony",
    params(PageQuery),
    responses((status = 200, description = "A page of numbers", body = ListEnvelope<Number>)),
)]
pub(crate) async fn number_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Response, Problem> {
    let numbers = app.telephony().number_list(caller.scope, query.page()?).await?;
    Ok(caller.list(&query, numbers, |number| number.id.0))
}
