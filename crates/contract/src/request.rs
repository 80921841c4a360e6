//! Requests that failed, as they are kept for those who are asked about them.

use serde::{Deserialize, Serialize};

use crate::{OrganizationId, RequestId, Timestamp};

/// A request that was answered with 400 or above, as its organisation sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedRequest {
    /// The `meta.request_id` of the answer.
    pub id: RequestId,
    /// When it was answered.
    pub at: Timestamp,
    /// Its method; absent when its head could not be read.
    pub method: Option<String>,
    /// Its route, with names in place of ids; absent when there is no such route.
    #[schema(example = "/api/public/v1/agents/{id}")]
    pub route: Option<String>,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// `error.code` of the answer.
    #[schema(example = "not_found")]
    pub code: String,
    /// `error.details.reason` of the answer.
    #[schema(example = "resource_not_found")]
    pub reason: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What the client sent as `X-Request-Id`, if that was well formed.
    pub client_request_id: Option<String>,
    /// Where it came from.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
}

/// A request that failed, with what only the operator may see of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedRequestReport {
    /// What its organisation sees of it.
    #[serde(flatten)]
    pub request: FailedRequest,
    /// Whose credentials it carried; absent when it carried none that are valid.
    pub organization_id: Option<OrganizationId>,
    /// The chain of causes behind the answer, outermost first.
    pub cause: Option<String>,
    /// What the server logged while it worked on the request, oldest first.
    pub lines: Vec<LogLine>,
    /// Lines left out because there were too many.
    pub lines_omitted: u32,
}

/// Something the server logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// `ERROR`, `WARN` or `INFO`.
    #[schema(example = "WARN")]
    pub level: String,
    /// The part of the server that said it.
    #[schema(example = "telephony::switchboard")]
    pub target: String,
    /// The message, then its fields.
    pub text: String,
}
