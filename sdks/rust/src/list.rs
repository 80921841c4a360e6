//! Lists: one page, or everything there is.

use std::{
    collections::{HashSet, VecDeque},
    future::IntoFuture,
    marker::PhantomData,
    ops::Deref,
};

use contract::{Pagination, Timestamp};
use futures_util::{Stream, future::BoxFuture, stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Client, Error, ErrorKind, RateLimit, Unexpected, answer, decode,
    error::Context,
    request::{Spec, options},
    send,
};

/// A page of a list. Stands for the things on it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The things, newest first.
    pub data: Vec<T>,
    /// Where in the list they stand.
    pub pagination: Pagination,
    /// The id under which the server's log knows the request.
    pub request_id: Option<String>,
    /// Server time of the answer.
    pub ts: Option<Timestamp>,
    /// How the tightest limit stands.
    pub rate_limit: Option<RateLimit>,
}

impl<T> Deref for Page<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data
    }
}

#[derive(Deserialize)]
struct Wire<T> {
    data: Vec<T>,
    pagination: Pagination,
    #[serde(default)]
    meta: Option<Value>,
}

/// A request for a list. Await it for one page, or take [`ListRequest::stream`] for everything.
#[must_use = "a request does nothing until it is awaited"]
#[derive(Clone, Debug)]
pub struct ListRequest<T> {
    client: Client,
    spec: Spec,
    answers: PhantomData<fn() -> T>,
}

options!(ListRequest<T>);

impl<T> ListRequest<T> {
    pub(crate) fn new(client: &Client, spec: Spec) -> Self {
        Self {
            client: client.clone(),
            spec,
            answers: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> ListRequest<T> {
    /// Everything from the page that was asked for on, page by page as it is needed. Ends after the first error.
    pub fn stream(self) -> impl Stream<Item = Result<T, Error>> + Send + 'static {
        let walk = Walk {
            next: Some(self),
            here: VecDeque::new(),
            known: HashSet::new(),
            failed: None,
        };
        Box::pin(stream::try_unfold(walk, async |mut walk| {
            let item = walk.item().await?;
            Ok(item.map(|item| (item, walk)))
        }))
    }

    /// A page, and which request brought it.
    async fn page(&self) -> Result<(Page<T>, Context), Error> {
        let whole = send::whole(&self.client, &self.spec).await?;
        match serde_json::from_slice::<Wire<T>>(&whole.body) {
            Ok(wire) => {
                let page = Page {
                    data: wire.data,
                    pagination: wire.pagination,
                    request_id: answer::text(&whole.headers, "x-request-id"),
                    ts: decode::ts(wire.meta.as_ref()),
                    rate_limit: answer::rate_limit(&whole.headers),
                };
                Ok((page, whole.context))
            }
            Err(error) => {
                let what = format!("it can't be understood: {error}");
                Err(whole.error(decode::unexpected(whole.status, &whole.headers, &whole.body, &what)))
            }
        }
    }

    /// The request for the page after this one.
    fn after(mut self, page: &Page<T>) -> Option<Self> {
        if !page.pagination.has_more {
            return None;
        }
        if let Some(cursor) = &page.pagination.next_cursor {
            self.spec.query_unset("offset");
            self.spec.query_set("cursor", cursor.clone());
        } else {
            let offset = page.pagination.offset.saturating_add(page.data.len() as u64);
            self.spec.query_set("offset", offset.to_string());
        }
        Some(self)
    }
}

/// A server that sends us round in a circle would keep us there for ever.
fn circle(request_id: Option<String>, context: Context) -> Error {
    let kind = ErrorKind::Unexpected(Unexpected {
        status: 200,
        content_type: None,
        what: "the page after this one was there already".to_owned(),
        body: String::new(),
        request_id,
        retry_after: None,
    });
    Error::new(kind, context)
}

struct Walk<T> {
    next: Option<ListRequest<T>>,
    here: VecDeque<T>,
    /// Where we have been.
    known: HashSet<String>,
    /// Told once what is here has been given out.
    failed: Option<Error>,
}

impl<T: DeserializeOwned + Send + 'static> Walk<T> {
    async fn item(&mut self) -> Result<Option<T>, Error> {
        while self.here.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let Some(request) = self.next.take() else {
                return Ok(None);
            };
            self.known.insert(request.spec.target());
            let (page, context) = request.page().await?;
            self.next = request.after(&page);
            let is_known = |next: &mut ListRequest<T>| self.known.contains(&next.spec.target());
            if self.next.take_if(is_known).is_some() {
                self.failed = Some(circle(page.request_id, context));
            }
            self.here = page.data.into();
        }
        Ok(self.here.pop_front())
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for ListRequest<T> {
    type Output = Result<Page<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.page().await?.0) })
    }
}
