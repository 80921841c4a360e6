//! What can go wrong, and what is known about it.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use crate::{Code, Reason};

/// A request that failed, for good or after its last attempt.
///
/// Decide by [`Error::reason`] where the server answered, else by [`Error::kind`]. Whatever happened, the error knows
/// an id to quote to support: the server's own where an answer came, and always the one this library sent along.
#[derive(Debug)]
pub struct Error {
    // Boxed, as errors are rare and results are moved about.
    kind: Box<ErrorKind>,
    pub(crate) context: Box<Context>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.context.operation, self.kind)
    }
}

impl std::error::Error for Error {
    // The kind is told already, so that a chain of causes says it once.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

/// How a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server answered with an error of its contract.
    #[error(transparent)]
    Api(ApiError),
    /// An answer came that is none of the contract's: a proxy's page, a body cut short, another program.
    #[error(transparent)]
    Unexpected(Unexpected),
    /// No whole answer came.
    #[error(transparent)]
    Transport(TransportError),
    /// The request could not be made; nothing was sent.
    #[error(transparent)]
    Invalid(InvalidRequest),
}

/// Which request it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) operation: &'static str,
    pub(crate) attempts: u32,
    pub(crate) client_request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// The server's own error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: Code,
    /// What exactly; `None` only where a server left it out.
    pub reason: Option<Reason>,
    /// For people; may change at any time.
    pub message: String,
    /// The facts, as they were written. Typed views of them are methods of this type.
    pub details: Map<String, Value>,
    /// The id under which the server's log knows the request.
    pub request_id: Option<String>,
    /// How long to wait before trying again, where the server said; a year at most.
    pub retry_after: Option<Duration>,
    /// The documentation page, a path on the server or an address.
    pub help: Option<String>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, ": {}", self.message)?;
        for fault in self.fields() {
            write!(f, " [{}: {} {}]", fault.pointer, fault.reason, fault.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.status {
            429 => true,
            502 => self.details.get("retryable").and_then(Value::as_bool).unwrap_or(true),
            status => status >= 500,
        }
    }
}

/// An answer that no server of the contract gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unexpected {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, where there was one.
    pub content_type: Option<String>,
    /// What is wrong with it.
    pub what: String,
    /// The beginning of the body, as text.
    pub body: String,
    /// The `X-Request-Id`, where there was one.
    pub request_id: Option<String>,
    /// How long to wait before trying again, where the answer said.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an unexpected answer of status {}: {}", self.status, self.what)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unexpected {}

/// No whole answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection, so nothing reached the server.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// No answer within the time allowed for an attempt.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The time allowed.
        after: Duration,
        /// The `X-Request-Id`, where the answer had begun.
        request_id: Option<String>,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection broke")]
    Broken {
        /// How.
        #[source]
        source: reqwest::Error,
        /// The `X-Request-Id`, where the answer had begun.
        request_id: Option<String>,
    },
    /// More came than this library is willing to hold.
    #[error("the answer is larger than {max_bytes} bytes")]
    TooLarge {
        /// The most it holds.
        max_bytes: usize,
        /// The `X-Request-Id`.
        request_id: Option<String>,
    },
}

/// The request could not be made; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRequest(pub(crate) String);

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: Context) -> Self {
        Self {
            kind: Box::new(kind),
            context: Box::new(context),
        }
    }

    /// How it failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The server's own error, where it answered with one.
    pub fn api(&self) -> Option<&ApiError> {
        match &*self.kind {
            ErrorKind::Api(error) => Some(error),
            _ => None,
        }
    }

    /// The code of the server's own error.
    pub fn code(&self) -> Option<&Code> {
        self.api().map(|error| &error.code)
    }

    /// The reason of the server's own error.
    pub fn reason(&self) -> Option<&Reason> {
        self.api().and_then(|error| error.reason.as_ref())
    }

    /// The status, where an answer came.
    pub fn status(&self) -> Option<u16> {
        match &*self.kind {
            ErrorKind::Api(error) => Some(error.status),
            ErrorKind::Unexpected(answer) => Some(answer.status),
            ErrorKind::Transport(_) | ErrorKind::Invalid(_) => None,
        }
    }

    /// The id under which the server's log knows the request, where one came back.
    pub fn request_id(&self) -> Option<&str> {
        match &*self.kind {
            ErrorKind::Api(error) => error.request_id.as_deref(),
            ErrorKind::Unexpected(answer) => answer.request_id.as_deref(),
            ErrorKind::Transport(
                TransportError::Timeout { request_id, .. }
                | TransportError::Broken { request_id, .. }
                | TransportError::TooLarge { request_id, .. },
            ) => request_id.as_deref(),
            ErrorKind::Transport(TransportError::Connect(_)) | ErrorKind::Invalid(_) => None,
        }
    }

    /// The id that this library sent as `X-Request-Id`, the same for all attempts. The server's log has it as
    /// `client_request_id`, so a request can be found there also when no answer ever came.
    pub fn client_request_id(&self) -> Option<&str> {
        self.context.client_request_id.as_deref()
    }

    /// The idempotency key that was sent, to try again later without doing the thing twice.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.context.idempotency_key.as_deref()
    }

    /// The operation's name, as in the API document.
    pub fn operation(&self) -> &'static str {
        self.context.operation
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        self.context.attempts
    }

    /// How long the server wants us to wait, where it said; a year at most.
    pub fn retry_after(&self) -> Option<Duration> {
        match &*self.kind {
            ErrorKind::Api(error) => error.retry_after,
            ErrorKind::Unexpected(answer) => answer.retry_after,
            ErrorKind::Transport(_) | ErrorKind::Invalid(_) => None,
        }
    }

    /// Whether the same request may succeed later. That is no promise that it did nothing: send it again only if it
    /// changes nothing, or with the same [`Error::idempotency_key`].
    pub fn is_retryable(&self) -> bool {
        match &*self.kind {
            ErrorKind::Api(error) => error.is_retryable(),
            ErrorKind::Unexpected(answer) => matches!(answer.status, 408 | 425 | 429 | 500..),
            ErrorKind::Transport(TransportError::TooLarge { .. }) | ErrorKind::Invalid(_) => false,
            ErrorKind::Transport(_) => true,
        }
    }

    /// Whether a provider behind the server failed: the server lets a key go with that answer, so it would ask the
    /// provider once more, who may have done the thing all the same.
    pub(crate) fn may_have_reached_a_provider(&self) -> bool {
        self.api().is_some_and(|error| error.status == 502)
    }

    /// Whether it is certain that the request changed nothing.
    pub(crate) fn left_no_trace(&self) -> bool {
        match &*self.kind {
            ErrorKind::Transport(TransportError::Connect(_)) | ErrorKind::Invalid(_) => true,
            // The contract refuses for rate before anything is done. Who else says 429 is not known to.
            ErrorKind::Api(error) => error.status == 429,
            ErrorKind::Unexpected(_) | ErrorKind::Transport(_) => false,
        }
    }
}
