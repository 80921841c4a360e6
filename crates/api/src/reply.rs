//! Good answers: `{data, meta}`, and pages of lists.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use contract::{ListEnvelope, Pagination};
use domain::{
    change::{etag, etag_of_text},
    records::{Listing, Page},
    snapshot::Snapshot,
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Problem, RequestContext, changing::enveloped, gate::Caller};

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
    #[schema(nullable = false, format = "uuid")]
    #[param(nullable = false, format = "uuid")]
    pub(crate) cursor: Option<String>,
}

pub(crate) fn default_limit() -> u32 {
    50
}

impl PageQuery {
    /// For the store: one thing more than the page holds, to know whether anything follows.
    pub(crate) fn page(&self) -> Page {
        Page {
            limit: self.limit + 1,
            // The databases count in signed numbers.
            offset: self.offset.min(i64::MAX as u64),
            // Its form was checked with the schema.
            before: self.cursor.as_deref().and_then(|cursor| cursor.parse().ok()),
        }
    }
}

/// 200, to who is known by something else than credentials.
pub(crate) fn data_without_caller(context: &RequestContext, data: impl Serialize) -> Response {
    match serde_json::to_vec(&data) {
        Ok(data) => json(StatusCode::OK, enveloped(&data, context.meta())),
        Err(error) => unwritable(&error),
    }
}

impl Caller {
    /// 200.
    pub(crate) fn data(&self, data: impl Serialize) -> Response {
        self.one(StatusCode::OK, data)
    }

    /// 200, for a thing whose text may be known from the last time.
    pub(crate) fn snapshot(&self, snapshot: &Snapshot<impl Serialize>) -> Response {
        match snapshot.text() {
            Ok(text) => self.written(StatusCode::OK, &text.json, &text.etag),
            Err(error) => unwritable(&error),
        }
    }

    /// 200, for a thing that shows more than what its version is made of.
    pub(crate) fn data_of_version(&self, data: impl Serialize, version: impl Serialize) -> Response {
        let mut response = self.one(StatusCode::OK, data);
        let tag = etag(&version).ok().and_then(|tag| HeaderValue::try_from(tag).ok());
        if let Some(tag) = tag {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }

    /// 201, and where the new thing is.
    pub(crate) fn created(&self, path: &str, data: impl Serialize) -> Response {
        let mut response = self.one(StatusCode::CREATED, data);
        if let Ok(location) = HeaderValue::try_from(format!("{}{path}", self.base)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    /// One thing and its version.
    fn one(&self, status: StatusCode, data: impl Serialize) -> Response {
        let data = match serde_json::to_vec(&data) {
            Ok(data) => data,
            Err(error) => return unwritable(&error),
        };
        self.written(status, &data, &etag_of_text(&data))
    }

    fn written(&self, status: StatusCode, data: &[u8], tag: &str) -> Response {
        let mut response = json(status, enveloped(data, self.context.meta()));
        if let Ok(tag) = HeaderValue::from_str(tag) {
            response.headers_mut().insert(ETAG, tag);
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
        let body = ListEnvelope {
            data,
            pagination,
            meta: self.context.meta(),
        };
        match serde_json::to_vec(&body) {
            Ok(bytes) => json(StatusCode::OK, bytes),
            Err(error) => unwritable(&error),
        }
    }
}

/// Room for the headers that most answers have by the end, so that they are not moved as they come.
pub(crate) const HEADERS: usize = 12;

fn json(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unwritable(error: &serde_json::Error) -> Response {
    Problem::internal(format!("an answer that can't be written: {error}")).into_response()
}

/// The query of a list: where to look, and filters, each with bounds of its schema in brackets.
macro_rules! list_query {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ident $(($($bound:tt)+))?,)+ }) => {
        $(#[$about])*
        #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            /// Most things on the page.
            #[serde(default = "crate::reply::default_limit")]
            #[schema(minimum = 1, maximum = 100)]
            #[param(minimum = 1, maximum = 100, default = 50)]
            limit: u32,
            /// Things to skip. Not with `cursor`.
            #[serde(default)]
            #[param(minimum = 0, default = 0)]
            offset: u64,
            /// `next_cursor` of the page before.
            #[serde(default)]
            #[schema(nullable = false, format = "uuid")]
            #[param(nullable = false, format = "uuid")]
            cursor: Option<String>,
            $(
                $(#[$doc])*
                #[serde(default)]
                #[schema(nullable = false $(, $($bound)+)?)]
                #[param(nullable = false $(, $($bound)+)?)]
                $field: Option<$type>,
            )+
        }

        impl $name {
            fn page_query(&self) -> crate::reply::PageQuery {
                crate::reply::PageQuery {
                    limit: self.limit,
                    offset: self.offset,
                    cursor: self.cursor.clone(),
                }
            }
        }
    };
}
pub(crate) use list_query;
