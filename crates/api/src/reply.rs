//! Good answers: `{data, meta}`, and pages of lists.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use contract::{Envelope, FieldFault, FieldReason, ListEnvelope, Pagination};
use domain::records::{Listing, Page};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Problem, gate::Caller};

/// Where in a list to look.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Most things on the page.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 100)]
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub(crate) limit: u32,
    /// Things to skip. Not with `cursor`.
    #[serde(default)]
    #[param(minimum = 0, default = 0)]
    pub(crate) offset: u64,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[schema(nullable = false)]
    #[param(nullable = false)]
    pub(crate) cursor: Option<String>,
}

pub(crate) fn default_limit() -> u32 {
    50
}

impl PageQuery {
    /// For the store: one thing more than the page holds, to know whether anything follows.
    pub(crate) fn page(&self) -> Result<Page, Problem> {
        let before = self.cursor.as_deref().map(Uuid::parse_str).transpose();
        let before = before.map_err(|_| {
            let message = "This is no cursor that a page gave.";
            Problem::invalid(vec![FieldFault::in_query(
                "cursor",
                FieldReason::InvalidFormat,
                message,
            )])
        })?;
        if before.is_some() && self.offset > 0 {
            let message = "An offset and a cursor do not go together.";
            let fault = FieldFault::in_query("offset", FieldReason::ConflictsWith, message);
            return Err(Problem::invalid(vec![fault.with("field", "cursor")]));
        }
        // The databases count in signed numbers.
        let offset = self.offset.min(i64::MAX as u64);
        Ok(Page {
            limit: self.limit + 1,
            offset,
            before,
        })
    }
}

impl Caller {
    /// 200.
    pub(crate) fn data(&self, data: impl Serialize) -> Response {
        Self::json(
            StatusCode::OK,
            &Envelope {
                data,
                meta: self.context.meta(),
            },
        )
    }

    /// 201, and where the new thing is.
    pub(crate) fn created(&self, path: &str, data: impl Serialize) -> Response {
        let mut response = Self::json(
            StatusCode::CREATED,
            &Envelope {
                data,
                meta: self.context.meta(),
            },
        );
        if let Ok(location) = HeaderValue::try_from(format!("{}{path}", self.base)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    /// 204.
    #[expect(clippy::unused_self, reason = "every answer comes from the caller that it goes to")]
    pub(crate) fn deleted(&self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }

    /// A page of a list that was asked for with one thing too many.
    pub(crate) fn list<T: Serialize>(
        &self,
        query: &PageQuery,
        listing: Listing<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Response {
        let Listing { items: mut data, total } = listing;
        let has_more = data.len() > query.limit as usize;
        data.truncate(query.limit as usize);
        let next_cursor = data.last().filter(|_| has_more).map(|last| id(last).to_string());
        let pagination = Pagination {
            total,
            limit: query.limit,
            offset: query.offset,
            has_more,
            next_cursor,
        };
        Self::json(
            StatusCode::OK,
            &ListEnvelope {
                data,
                pagination,
                meta: self.context.meta(),
            },
        )
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Response {
        match serde_json::to_vec(body) {
            Ok(bytes) => {
                let mut response = (status, Body::from(bytes)).into_response();
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => Problem::internal(format!("an answer that can't be written: {error}")).into_response(),
        }
    }
}
