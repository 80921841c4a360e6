//! `GET /usage`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Usage};
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(usage_fetch), &[])
}

/// Which days. Both are included, and in UTC.
#[derive(Serialize, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// First day; thirty days are shown when left out.
    #[serde(default)]
    #[schema(nullable = false, format = "date")]
    #[param(nullable = false, format = "date", example = "2026-02-01")]
    from: Option<String>,
    /// Last day; today when left out.
    #[serde(default)]
    #[schema(nullable = false, format = "date")]
    #[param(nullable = false, format = "date", example = "2026-02-28")]
    to: Option<String>,
}

/// Get usage by day
///
/// Calls, seconds and credits. A call counts on the day on which it ended, and stays counted when it is deleted. At
/// most 366 days.
#[utoipa::path(
    get,
    path = "/usage",
    tag = "Billing",
    params(UsageQuery),
    responses((status = 200, description = "What was used", body = Envelope<Usage>)),
)]
pub(crate) async fn usage_fetch(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<UsageQuery>,
) -> Result<Response, Problem> {
    let usage = app.billing();
    let usage = usage.usage_fetch(caller.scope, query.from.as_deref(), query.to.as_deref());
    Ok(caller.data(usage.await?))
}
