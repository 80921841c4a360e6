//! `GET /requests`

use axum::{extract::State, response::Response};
use contract::{Code, FailedRequestReport, KeyScope, ListEnvelope, OrganizationId, Timestamp};
use domain::requests::RequestFilter;
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
    Operation::new(KeyScope::Operator, routes!(request_report_list), &[])
}

list_query! {
    /// Which failed requests, and which page of them. Filters are exact.
    ReportQuery {
        /// Of this organisation.
        organization_id: String,
        /// Answered with this status.
        status: u16 (minimum = 400, maximum = 599),
        /// Answered with this code.
        code: Code,
        /// Answered because of this.
        reason: String (max_length = 64),
        /// Answered at this time or later.
        since: Timestamp,
    }
}

impl ReportQuery {
    fn split(self) -> (Option<OrganizationId>, RequestFilter, PageQuery) {
        let page = self.page_query();
        // Text that is no id names no organisation, so nothing matches; nor does the last of all ids.
        let organization = self
            .organization_id
            .map(|id| id.parse().unwrap_or(OrganizationId(Uuid::max())));
        let filter = RequestFilter {
            status: self.status,
            code: self.code.map(|code| code.name().to_owned()),
            reason: self.reason,
            since: self.since,
        };
        (organization, filter, page)
    }
}

/// List everybody's failed requests
///
/// Newest first, with the causes behind them and what the server logged meanwhile; those of strangers too.
#[utoipa::path(
    get,
    path = "/requests",
    tag = "Operator",
    params(ReportQuery),
    responses((status = 200, description = "A page of failed requests", body = ListEnvelope<FailedRequestReport>)),
)]
pub(crate) async fn request_report_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<ReportQuery>,
) -> Result<Response, Problem> {
    let (organization, filter, query) = query.split();
    let reports = app.requests().report_list(organization, &filter, query.page()).await?;
    Ok(caller.list(&query, reports, |report| report.request.id.0))
}
