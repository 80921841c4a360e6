//! What all HTTP providers share: deadlines, bounded bodies, and one table from statuses to faults.

use std::{fmt, time::Duration};

use bytes::Bytes;
use contract::ProviderKind;
use domain::{ProviderFailure, ProviderFault};
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::{RequestBuilder, Response, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use tokio::time::timeout;

/// As much of an error body as is looked at.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// A credential. Shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long a provider may take at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To a connection.
    pub connect: Duration,
    /// From the request to the first byte of its answer, the connection included.
    pub first_byte: Duration,
    /// Between pieces of the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(8),
            idle: Duration::from_secs(5),
        }
    }
}

/// One request to a provider, for its failures.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub provider: String,
    pub kind: ProviderKind,
    pub name: &'static str,
    pub timeouts: Timeouts,
    pub request_id: Option<String>,
}

impl Operation {
    pub(crate) fn failure(&self, fault: ProviderFault, why: &'static str) -> ProviderFailure {
        let mut failure = ProviderFailure::new(&self.provider, self.kind, self.name, fault).with_source(why);
        failure.request_id.clone_from(&self.request_id);
        failure
    }

    /// Sends, and turns every answer but a success into a failure.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Result<Response, ProviderFailure> {
        let response = match timeout(self.timeouts.first_byte, request.send()).await {
            Err(_) => return Err(self.failure(ProviderFault::Timeout, "no answer within the deadline")),
            Ok(Err(error)) => return Err(self.transport(error)),
            Ok(Ok(response)) => response,
        };
        self.request_id = header(&response, "x-request-id").map(|id| clean(&id, 128));
        if response.status() == StatusCode::OK {
            Ok(response)
        } else {
            Err(self.refused(response).await)
        }
    }

    /// The connection failed. The URL is taken out, as it may hold credentials.
    fn transport(&self, error: reqwest::Error) -> ProviderFailure {
        let fault = if error.is_timeout() {
            ProviderFault::Timeout
        } else {
            // Nothing is decoded here, so an unreadable body is a connection that broke, too.
            ProviderFault::Unreachable
        };
        let mut failure = self.failure(fault, "").with_source(error.without_url());
        failure.retryable = true;
        failure
    }

    /// 401 and 403 are about credentials, 429 about pace, 408 and 504 about time. Other 4xx are refusals for good,
    /// other 5xx refusals that may pass. Whatever else is no answer that makes sense here.
    async fn refused(&self, response: Response) -> ProviderFailure {
        let status = response.status().as_u16();
        let (fault, retryable) = match status {
            401 | 403 => (ProviderFault::Credentials, false),
            429 => (ProviderFault::RateLimited, true),
            408 | 504 => (ProviderFault::Timeout, true),
            400..=499 => (ProviderFault::Rejected, false),
            500..=599 => (ProviderFault::Rejected, true),
            _ => (ProviderFault::BadResponse, false),
        };
        let mut failure = self
            .failure(fault, "the answer's status is no success")
            .with_status(status);
        failure.retryable = retryable;
        // A date instead of seconds is rare enough to be left out.
        failure.retry_after_seconds =
            header(&response, RETRY_AFTER.as_str()).and_then(|seconds| seconds.trim().parse().ok());
        let mut body = self.body(response);
        failure.code = body
            .read(ERROR_BYTES_MAX)
            .await
            .ok()
            .and_then(|bytes| error_code(&bytes));
        failure
    }

    pub(crate) fn body(&self, response: Response) -> Body {
        Body {
            operation: self.clone(),
            stream: response.bytes_stream().boxed(),
            started: false,
        }
    }
}

/// A server on this machine is never reached through a proxy.
pub(crate) fn is_this_machine(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn header(response: &Response, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// Ids and codes go on to clients: nothing but short plain tokens.
fn clean(text: &str, length: usize) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
        .take(length)
        .collect()
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

/// The error object of `OpenAI`'s API; its message may quote keys or words and is never read.
#[derive(Deserialize)]
pub(crate) struct ErrorObject {
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default, rename = "type")]
    error_type: Option<String>,
}

impl ErrorObject {
    pub(crate) fn code(&self) -> Option<String> {
        let code = match &self.code {
            serde_json::Value::String(code) => Some(code.clone()),
            serde_json::Value::Number(code) => Some(code.to_string()),
            _ => self.error_type.clone(),
        };
        code.map(|code| clean(&code, 64)).filter(|code| !code.is_empty())
    }
}

fn error_code(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<ErrorBody>(body).ok()?.error.code()
}

/// An answer's body, piece by piece, each within its deadline.
pub(crate) struct Body {
    pub operation: Operation,
    stream: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    started: bool,
}

impl Body {
    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ProviderFailure> {
        let timeouts = self.operation.timeouts;
        let patience = if self.started {
            timeouts.idle
        } else {
            timeouts.first_byte
        };
        match timeout(patience, self.stream.next()).await {
            Err(_) => Err(self.operation.failure(ProviderFault::Timeout, "the answer stalled")),
            Ok(Some(Err(error))) => Err(self.operation.transport(error)),
            Ok(Some(Ok(piece))) => {
                self.started = true;
                Ok(Some(piece))
            }
            Ok(None) => Ok(None),
        }
    }

    /// The whole, if it isn't longer than `bytes_max`.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> Result<Vec<u8>, ProviderFailure> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > bytes_max {
                return Err(self
                    .operation
                    .failure(ProviderFault::BadResponse, "the answer is too long"));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}
