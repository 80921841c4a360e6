//! Answers that are bytes, such as recordings.

use std::{
    future::IntoFuture,
    ops::{Bound, RangeBounds},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream};
use reqwest::{
    Response,
    header::{ACCEPT, CONTENT_LENGTH, RANGE},
};

use crate::{
    Client, Error, ErrorKind, TransportError,
    answer::text,
    error::Context,
    request::{Spec, options},
    send,
};

/// A request for bytes. Await it for its head; the bytes follow as they are read.
#[must_use = "a request does nothing until it is awaited"]
#[derive(Clone, Debug)]
pub struct Download {
    client: Client,
    spec: Spec,
}

options!(Download);

impl Download {
    pub(crate) fn new(client: &Client, mut spec: Spec) -> Self {
        spec.header(ACCEPT, "*/*");
        Self {
            client: client.clone(),
            spec,
        }
    }

    /// Only these bytes, where the server can: `0..1024`, `1024..`.
    pub fn range(mut self, range: impl RangeBounds<u64>) -> Self {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(last) => Some(*last),
            Bound::Excluded(end) => end.checked_sub(1),
            Bound::Unbounded => None,
        };
        if last.is_some_and(|last| last < first) || matches!(range.end_bound(), Bound::Excluded(0)) {
            self.spec.fault = Some("the range is empty".to_owned());
        }
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        self.spec.header(RANGE, &format!("bytes={first}-{last}"));
        self
    }
}

impl IntoFuture for Download {
    type Output = Result<Downloaded, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let begun = send::begun(&self.client, &self.spec).await?;
            let headers = begun.response.headers();
            Ok(Downloaded {
                content_type: text(headers, "content-type"),
                content_range: text(headers, "content-range"),
                etag: text(headers, "etag"),
                length: text(headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok()),
                request_id: text(headers, "x-request-id"),
                is_partial: begun.response.status() == 206,
                bytes_max: self.client.0.settings.answer_bytes_max,
                begun,
            })
        })
    }
}

/// Bytes on their way.
#[derive(Debug)]
#[non_exhaustive]
pub struct Downloaded {
    /// What they are, e.g. `audio/wav`.
    pub content_type: Option<String>,
    /// Which part of the whole they are.
    pub content_range: Option<String>,
    /// The version of the whole.
    pub etag: Option<String>,
    /// How many there are.
    pub length: Option<u64>,
    /// The id under which the server's log knows the request.
    pub request_id: Option<String>,
    /// Whether they are the part asked for, and not the whole.
    pub is_partial: bool,
    bytes_max: usize,
    begun: send::Begun,
}

impl Downloaded {
    /// The bytes in pieces, as they come. Ends after the first error.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        pieces(self.begun.response, self.begun.idle_timeout, self.begun.context)
    }

    /// All the bytes at once, if they are not more than the client's `answer_bytes_max`.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        let (max, request_id, context) = (self.bytes_max, self.request_id.clone(), self.begun.context.clone());
        let mut all = BytesMut::new();
        let mut pieces = Box::pin(self.stream());
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if all.len() + piece.len() > max {
                let max_bytes = max;
                let kind = ErrorKind::Transport(TransportError::TooLarge { max_bytes, request_id });
                return Err(Error::new(kind, context));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

/// The pieces of a body, each within the time that silence may last.
pub(crate) fn pieces(
    response: Response,
    patience: Duration,
    context: Context,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let request_id = text(response.headers(), "x-request-id");
    let body = Box::pin(response.bytes_stream());
    Box::pin(stream::unfold(Some(body), move |body| {
        let (context, request_id) = (context.clone(), request_id.clone());
        async move {
            let mut body = body?;
            let kind = match tokio::time::timeout(patience, body.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(piece))) => return Some((Ok(piece), Some(body))),
                Ok(Some(Err(error))) => send::lost(error, request_id),
                Err(_) => ErrorKind::Transport(TransportError::Timeout {
                    after: patience,
                    request_id,
                }),
            };
            Some((Err(Error::new(kind, context)), None))
        }
    }))
}
