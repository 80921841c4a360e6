//! The one loop through which every request goes: deadlines, attempts, waits.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::{
    Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use uuid::Uuid;

use crate::{
    Client, Error, ErrorKind, TransportError,
    answer::text,
    decode,
    error::{Context, InvalidRequest},
    request::{Repeat, Spec},
};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A whole good answer.
#[doc(hidden)]
#[derive(Debug)]
pub struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) context: Context,
}

impl Whole {
    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.context.clone())
    }
}

/// The head of a good answer; its body is still to come.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) response: Response,
    pub(crate) context: Context,
    /// Longest silence before the body counts as lost.
    pub(crate) idle_timeout: Duration,
}

/// Sends until there is a whole good answer, or there is no point in trying on.
pub(crate) async fn whole(client: &Client, spec: &Spec) -> Result<Whole, Error> {
    let max = client.0.settings.answer_bytes_max;
    let ((status, headers, body), context) = attempts(client, spec, async |response: Response| {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = collect(response, max).await?;
        Ok((status, headers, body))
    })
    .await?;
    Ok(Whole {
        status,
        headers,
        body,
        context,
    })
}

/// Sends until a good answer has begun.
pub(crate) async fn begun(client: &Client, spec: &Spec) -> Result<Begun, Error> {
    let (response, context) = attempts(client, spec, async |response| Ok(response)).await?;
    Ok(Begun {
        response,
        context,
        idle_timeout: client.0.settings.idle_timeout,
    })
}

async fn attempts<T, R>(
    client: &Client,
    spec: &Spec,
    read: impl Fn(Response) -> R + Send + Sync,
) -> Result<(T, Context), Error>
where
    R: Future<Output = Result<T, ErrorKind>> + Send,
    T: Send,
{
    let inner = &client.0;
    let own_id = spec.headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
    let mut context = Context {
        operation: spec.operation,
        attempts: 0,
        client_request_id: Some(own_id.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)),
        idempotency_key: spec.idempotency_key.clone(),
    };
    let policy = spec.retry.unwrap_or(inner.settings.retry);
    let deadline = Deadline::after(inner.timer.now(), spec.deadline.unwrap_or(inner.settings.deadline));
    let invalid =
        |what: String, context: &Context| Error::new(ErrorKind::Invalid(InvalidRequest(what)), context.clone());
    if let Some(fault) = &spec.fault {
        return Err(invalid(fault.clone(), &context));
    }
    let url: Url = format!("{}{}", inner.base, spec.target())
        .parse()
        .map_err(|error| invalid(format!("the address can't be read: {error}"), &context))?;
    let headers = headers(client, spec, &context).map_err(|what| invalid(what, &context))?;
    let mut failed = None;
    loop {
        let left = deadline.left(inner.timer.now());
        if left.is_zero() {
            // Nothing is begun that could not end in time.
            return Err(failed.unwrap_or_else(|| Error::new(too_late(left, None), context)));
        }
        context.attempts += 1;
        let patience = inner.settings.attempt_timeout.min(left);
        let kind = match one(client, spec, &url, &headers, patience, &read).await {
            Ok(answer) => return Ok((answer, context)),
            Err(kind) => kind,
        };
        let error = Error::new(kind, context.clone());
        let wait = policy.wait(context.attempts, error.retry_after(), inner.timer.jitter());
        let is_last = context.attempts >= policy.attempts_max || deadline.is_before(inner.timer.now(), wait);
        if is_last || !may_repeat(spec.repeat, &error) {
            return Err(error);
        }
        failed = Some(error);
        inner.timer.sleep(wait).await;
    }
}

/// When a request with all its attempts must have ended; `None` where that is further away than clocks reach.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(now: Instant, time: Duration) -> Self {
        Self(now.checked_add(time))
    }

    fn left(self, now: Instant) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }

    /// A wait that ends after the deadline is not begun: the caller learns of the failure now.
    fn is_before(self, now: Instant, wait: Duration) -> bool {
        let Some(back) = now.checked_add(wait) else {
            return true;
        };
        self.0.is_some_and(|end| back >= end)
    }
}

fn may_repeat(repeat: Repeat, error: &Error) -> bool {
    let is_safe = match repeat {
        Repeat::Always => true,
        Repeat::WithKey => !error.may_have_reached_a_provider(),
        Repeat::OnlyIfUntouched => error.left_no_trace(),
    };
    is_safe && error.is_retryable()
}

fn too_late(after: Duration, request_id: Option<String>) -> ErrorKind {
    ErrorKind::Transport(TransportError::Timeout { after, request_id })
}

fn headers(client: &Client, spec: &Spec, context: &Context) -> Result<HeaderMap, String> {
    let mut headers = spec.headers.clone();
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("application/json"));
    if let Some(authorization) = &client.0.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    if spec.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let own = [
        (X_REQUEST_ID, &context.client_request_id),
        (IDEMPOTENCY_KEY, &context.idempotency_key),
    ];
    for (name, value) in own {
        let Some(value) = value else { continue };
        // What is wrong with it is not told: it may be a secret in the wrong place.
        let value = HeaderValue::try_from(value).map_err(|_| format!("the value given can't stand in {name}"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// One attempt: from the connection to the end of `read`.
async fn one<T, R>(
    client: &Client,
    spec: &Spec,
    url: &Url,
    headers: &HeaderMap,
    patience: Duration,
    read: &(impl Fn(Response) -> R + Sync),
) -> Result<T, ErrorKind>
where
    R: Future<Output = Result<T, ErrorKind>> + Send,
    T: Send,
{
    let max = client.0.settings.answer_bytes_max;
    let mut request_id = None;
    let attempt = async {
        let request = client
            .0
            .http
            .request(spec.method.clone(), url.clone())
            .headers(headers.clone());
        let request = match &spec.body {
            Some(body) => request.body(body.clone()),
            None => request,
        };
        let response = request.send().await.map_err(|error| lost(error, None))?;
        request_id = text(response.headers(), "x-request-id");
        let status = response.status().as_u16();
        if matches!(status, 200..=299 | 304) {
            return read(response).await;
        }
        let head = response.headers().clone();
        let body = collect(response, max).await?;
        Err(decode::error_of(status, &head, &body))
    };
    // Bound, so that the borrow of the id ends here.
    let ended = tokio::time::timeout(patience, attempt).await;
    ended.unwrap_or(Err(too_late(patience, request_id)))
}

/// The whole body, if it is not larger than `max`.
pub(crate) async fn collect(response: Response, max: usize) -> Result<Bytes, ErrorKind> {
    let request_id = text(response.headers(), "x-request-id");
    let mut body = BytesMut::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| lost(error, request_id.clone()))?;
        if body.len() + piece.len() > max {
            return Err(ErrorKind::Transport(TransportError::TooLarge {
                max_bytes: max,
                request_id,
            }));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The connection failed. The address is taken out: it may hold what is nobody's business.
pub(crate) fn lost(error: reqwest::Error, request_id: Option<String>) -> ErrorKind {
    let source = error.without_url();
    ErrorKind::Transport(if source.is_connect() {
        TransportError::Connect(source)
    } else {
        TransportError::Broken { source, request_id }
    })
}
