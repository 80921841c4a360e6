//! Requests that failed: an organisation's own under `/api/v1`.

mod fetch;
mod list;

use contract::{Code, Timestamp};
use domain::requests::RequestFilter;

use crate::{
    operation::Operation,
    reply::{PageQuery, list_query},
};

/// All endpoints here.
pub(super) fn operations() -> Vec<Operation> {
    vec![list::operation(), fetch::operation()]
}

list_query! {
    /// Which failed requests, and which page of them. Filters are exact.
    RequestQuery {
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

impl RequestQuery {
    pub(super) fn split(self) -> (RequestFilter, PageQuery) {
        let page = self.page_query();
        (
            RequestFilter {
                status: self.status,
                code: self.code.map(|code| code.name().to_owned()),
                reason: self.reason,
                since: self.since,
            },
            page,
        )
    }
}
