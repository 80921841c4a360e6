//! Live events: server-sent events with their types.

use std::{
    collections::VecDeque,
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    task::{Context as Task, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, future::BoxFuture, stream::BoxStream};
use reqwest::header::{ACCEPT, HeaderMap};
use serde::de::DeserializeOwned;

use crate::{
    Client, Error, ErrorKind, Unexpected,
    answer::text,
    decode,
    download::pieces,
    error::Context,
    request::{Spec, options},
    send,
};

/// One event may be this long.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// A request to watch something. Await it for its [`EventStream`].
#[must_use = "a request does nothing until it is awaited"]
#[derive(Clone, Debug)]
pub struct Watch<E> {
    client: Client,
    spec: Spec,
    events: PhantomData<fn() -> E>,
}

options!(Watch<E>);

impl<E> Watch<E> {
    pub(crate) fn new(client: &Client, mut spec: Spec) -> Self {
        spec.header(ACCEPT, "text/event-stream");
        Self {
            client: client.clone(),
            spec,
            events: PhantomData,
        }
    }
}

impl<E: DeserializeOwned + Send + 'static> IntoFuture for Watch<E> {
    type Output = Result<EventStream<E>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let begun = send::begun(&self.client, &self.spec).await?;
            let request_id = text(begun.response.headers(), "x-request-id");
            let context = begun.context.clone();
            Ok(EventStream {
                pieces: pieces(begun.response, begun.idle_timeout, begun.context).boxed(),
                parser: Parser::default(),
                ready: VecDeque::new(),
                is_over: false,
                request_id,
                context,
                events: PhantomData,
            })
        })
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WatchEvent<E> {
    /// One that this version knows.
    Known(E),
    /// One that a newer server has.
    Unknown {
        /// Its name.
        name: String,
        /// Its data.
        data: String,
    },
}

/// Live events, in order. Ends when the server has told everything; what breaks is its last item.
pub struct EventStream<E> {
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    parser: Parser,
    ready: VecDeque<Result<WatchEvent<E>, Error>>,
    is_over: bool,
    request_id: Option<String>,
    context: Context,
    events: PhantomData<fn() -> E>,
}

impl<E> std::fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

// Nothing of it is pinned in place.
impl<E> Unpin for EventStream<E> {}

impl<E> EventStream<E> {
    /// The id under which the server's log knows the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl<E: DeserializeOwned> EventStream<E> {
    fn feed(&mut self, bytes: &[u8]) {
        match self.parser.push(bytes) {
            Ok(messages) => {
                for message in messages {
                    if !self.is_over {
                        self.message(message);
                    }
                }
            }
            Err(TooLong) => self.end(ErrorKind::Unexpected(self.unexpected("an event without an end", ""))),
        }
    }

    fn message(&mut self, message: Message) {
        if message.name == "error" {
            let kind = self.error(&message.data);
            return self.end(kind);
        }
        let event = match serde_json::from_str(&message.data) {
            Ok(event) => WatchEvent::Known(event),
            Err(_) => WatchEvent::Unknown {
                name: message.name,
                data: message.data,
            },
        };
        self.ready.push_back(Ok(event));
    }

    /// The envelope of an error says its own status only by its code.
    fn error(&self, data: &str) -> ErrorKind {
        let code = serde_json::from_str::<serde_json::Value>(data).ok();
        let code = code.and_then(|envelope| envelope["error"]["code"].as_str().map(ToOwned::to_owned));
        let known = contract::Code::ALL
            .iter()
            .find(|known| Some(known.name()) == code.as_deref());
        let status = known.map_or(500, |known| known.status());
        // An envelope without an id, or what is none, still belongs to this request.
        let id = self.request_id.as_deref().and_then(|id| id.parse().ok());
        let headers: HeaderMap = id.into_iter().map(|id| (send::X_REQUEST_ID, id)).collect();
        decode::error_of(status, &headers, data.as_bytes())
    }

    fn unexpected(&self, what: &str, body: &str) -> Unexpected {
        Unexpected {
            status: 200,
            content_type: Some("text/event-stream".to_owned()),
            what: what.to_owned(),
            body: body.to_owned(),
            request_id: self.request_id.clone(),
            retry_after: None,
        }
    }

    fn end(&mut self, kind: ErrorKind) {
        self.is_over = true;
        self.ready.push_back(Err(Error::new(kind, self.context.clone())));
    }
}

impl<E: DeserializeOwned> Stream for EventStream<E> {
    type Item = Result<WatchEvent<E>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(event));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match std::task::ready!(self.pieces.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => self.feed(&bytes),
                Some(Err(error)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.is_over = true,
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Message {
    name: String,
    data: String,
}

#[derive(Debug, PartialEq, Eq)]
struct TooLong;

/// Reads the format of server-sent events from any cut of their bytes: all three line endings, comments, other
/// fields. An event that is not finished by an empty line does not count, as the standard wants it.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    name: String,
    data: Option<String>,
    after_cr: bool,
    has_begun: bool,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut complete = Vec::new();
        for &byte in bytes {
            let ends_a_pair = byte == b'\n' && std::mem::take(&mut self.after_cr);
            if ends_a_pair {
                continue;
            }
            self.after_cr = byte == b'\r';
            if matches!(byte, b'\n' | b'\r') {
                complete.extend(self.end_of_line());
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(complete)
    }

    fn end_of_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = if std::mem::replace(&mut self.has_begun, true) {
            &line
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        };
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| Message { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const STREAM: &str = "\u{feff}: hello\r\nevent: status\r\ndata: {\"a\":\"ü€😀\"}\r\n\r\nid: 1\rdata:two\rdata: lines\r\revent: empty\n\ndata\n\ndata: cut";

    #[test]
    fn events_come_out_the_same_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let found: Vec<_> = pieces
                .flat_map(|piece| parser.push(piece).unwrap())
                .map(|message| (message.name, message.data))
                .collect();
            let expected = [("status", "{\"a\":\"ü€😀\"}"), ("", "two\nlines"), ("", "")];
            let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 64 * 1024];
        assert!((0..17).any(|_| parser.push(&piece).is_err()));
    }
}
