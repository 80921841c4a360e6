//! A request until it is sent.

use std::{
    fmt::{self, Display, Write as _},
    future::IntoFuture,
    marker::PhantomData,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::{Answer, Client, Error, RetryPolicy, decode, send};

/// Whether a request whose fate is not known may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Always,
    /// The server recognises it by its idempotency key.
    WithKey,
    /// Only when it is certain that it changed nothing.
    OnlyIfUntouched,
}

/// All that makes a request.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) headers: HeaderMap,
    pub(crate) repeat: Repeat,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) deadline: Option<Duration>,
    /// What kept it from being made; told when it is sent.
    pub(crate) fault: Option<String>,
}

impl fmt::Debug for Spec {
    /// Without bodies and headers, which may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Spec")
            .field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("headers", &headers)
            .field("idempotency_key", &self.idempotency_key)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl Spec {
    /// `template` has a `{…}` for each of `ids`.
    pub(crate) fn new(
        operation: &'static str,
        method: Method,
        template: &str,
        ids: &[&dyn Display],
        repeat: Repeat,
    ) -> Self {
        let mut ids = ids.iter().map(ToString::to_string);
        let mut fault = None;
        let mut path = String::with_capacity(template.len() + 36);
        for segment in template.split('/').skip(1) {
            path.push('/');
            if segment.starts_with('{') {
                let id = ids.next().unwrap_or_default();
                // A client that lets `..` through would ask for something else than was meant.
                if matches!(id.as_str(), "" | "." | "..") {
                    fault = Some(format!("{id:?} is no id"));
                }
                escape(&id, &mut path);
            } else {
                path.push_str(segment);
            }
        }
        Self {
            operation,
            method,
            path,
            query: Vec::new(),
            body: None,
            headers: HeaderMap::new(),
            repeat,
            // The same for all attempts, and for a request that is sent by several clones of it.
            idempotency_key: (repeat == Repeat::WithKey).then(|| Uuid::now_v7().to_string()),
            retry: None,
            deadline: None,
            fault,
        }
    }

    pub(crate) fn query(mut self, query: &impl Serialize) -> Self {
        let pairs = serde_json::to_value(query).unwrap_or_default();
        for (name, value) in pairs.as_object().into_iter().flatten() {
            match value {
                Value::Array(items) => self.query.extend(items.iter().map(|item| (name.clone(), plain(item)))),
                Value::Null => {}
                value => self.query.push((name.clone(), plain(value))),
            }
        }
        self
    }

    pub(crate) fn query_set(&mut self, name: &str, value: String) {
        self.query_unset(name);
        self.query.push((name.to_owned(), value));
    }

    pub(crate) fn query_unset(&mut self, name: &str) {
        self.query.retain(|(known, _)| known != name);
    }

    pub(crate) fn body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes.into()),
            Err(error) => self.fault = Some(format!("the body can't be written: {error}")),
        }
        self
    }

    pub(crate) fn header(&mut self, name: HeaderName, value: &str) {
        if name == send::IDEMPOTENCY_KEY {
            self.idempotency_key = Some(value.to_owned());
            return;
        }
        match HeaderValue::try_from(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            // The value is not told: it may be a secret in the wrong place.
            Err(_) => self.fault = Some(format!("the value given can't stand in {name}")),
        }
    }

    /// Path and query.
    pub(crate) fn target(&self) -> String {
        let mut target = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            escape(name, &mut target);
            target.push('=');
            escape(value, &mut target);
        }
        target
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Settings that every kind of request has.
macro_rules! options {
    ($kind:ident $(<$parameter:ident>)?) => {
        impl$(<$parameter>)? $kind$(<$parameter>)? {
            /// Another retry policy than the client's.
            pub fn retry(mut self, policy: $crate::RetryPolicy) -> Self {
                self.spec.retry = Some(policy);
                self
            }

            /// Another deadline for all attempts together than the client's.
            pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
                self.spec.deadline = Some(deadline);
                self
            }

            /// A header of the caller's own.
            pub fn header(mut self, name: reqwest::header::HeaderName, value: &str) -> Self {
                self.spec.header(name, value);
                self
            }
        }
    };
}
pub(crate) use options;

/// A request for one thing. Await it to send it.
#[must_use = "a request does nothing until it is awaited"]
#[derive(Clone, Debug)]
pub struct Request<T> {
    client: Client,
    spec: Spec,
    answers: PhantomData<fn() -> T>,
}

options!(Request<T>);

impl<T> Request<T> {
    pub(crate) fn new(client: &Client, spec: Spec) -> Self {
        Self {
            client: client.clone(),
            spec,
            answers: PhantomData,
        }
    }

    /// A key of the caller's own instead of a fresh one, e.g. the id of an order: whoever sends the same request with
    /// the same key within a day gets the first one's answer. It changes nothing where the operation takes no key
    /// (changes and deletions): such a request is not tried again for it.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.spec.idempotency_key = Some(key.into());
        self
    }

    /// Only if the thing still has this version, else `stale_version`.
    pub fn if_match(mut self, etag: &str) -> Self {
        self.spec.header(reqwest::header::IF_MATCH, etag);
        self
    }
}

impl<T: Payload> Request<T> {
    /// Sends; `None` when the thing still has the version `etag`.
    pub async fn if_changed_since(mut self, etag: &str) -> Result<Option<Answer<T>>, Error> {
        self.spec.header(reqwest::header::IF_NONE_MATCH, etag);
        let whole = send::whole(&self.client, &self.spec).await?;
        if whole.status == 304 {
            return Ok(None);
        }
        T::read(&whole).map(Some).map_err(|kind| whole.error(kind))
    }
}

impl<T: Payload + 'static> IntoFuture for Request<T> {
    type Output = Result<Answer<T>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let whole = send::whole(&self.client, &self.spec).await?;
            T::read(&whole).map_err(|kind| whole.error(kind))
        })
    }
}

/// What can be in a good answer: any wire type, or nothing.
pub trait Payload: Sized + Send {
    #[doc(hidden)]
    fn read(whole: &send::Whole) -> Result<Answer<Self>, crate::ErrorKind>;
}

impl<T: DeserializeOwned + Send> Payload for T {
    fn read(whole: &send::Whole) -> Result<Answer<Self>, crate::ErrorKind> {
        // 204 and 205 have no body; `()` reads from `null`.
        if whole.body.is_empty()
            && matches!(whole.status, 204 | 205)
            && let Ok(nothing) = serde_json::from_value(Value::Null)
        {
            return Ok(Answer::new(nothing, None, &whole.headers, whole.context.attempts));
        }
        decode::good(whole.status, &whole.headers, &whole.body, whole.context.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(id: &str) -> Spec {
        Spec::new("x", Method::GET, "/api/things/{id}/parts", &[&id], Repeat::Always)
    }

    #[test]
    fn an_id_never_leaves_its_place_in_the_path() {
        for (id, path) in [
            ("a", "/api/things/a/parts"),
            ("a/b", "/api/things/a%2Fb/parts"),
            ("?x=1#y", "/api/things/%3Fx%3D1%23y/parts"),
            ("é%00", "/api/things/%C3%A9%2500/parts"),
        ] {
            assert_eq!((spec(id).target().as_str(), spec(id).fault), (path, None));
        }
        for id in ["", ".", ".."] {
            assert!(spec(id).fault.is_some(), "{id:?}");
        }
    }

    #[test]
    fn a_query_holds_what_was_given_and_nothing_else() {
        let query = serde_json::json!({ "limit": 5, "status": "in_progress", "cursor": null, "q": "a b&c" });
        assert_eq!(
            spec("1").query(&query).target(),
            "/api/things/1/parts?limit=5&q=a%20b%26c&status=in_progress"
        );
    }
}
