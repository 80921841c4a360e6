//! Good answers.

use std::ops::Deref;

use contract::Timestamp;
use reqwest::header::HeaderMap;

/// What was asked for, and what came beside it. Stands for the thing itself: `answer.name` is `answer.data.name`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The thing asked for.
    pub data: T,
    /// The id under which the server's log knows the request.
    pub request_id: Option<String>,
    /// Server time of the answer.
    pub ts: Option<Timestamp>,
    /// The version of the thing, for `if_match`.
    pub etag: Option<String>,
    /// Where the thing is, if it was created.
    pub location: Option<String>,
    /// Whether this is the stored answer to an earlier request with the same idempotency key.
    pub is_replayed: bool,
    /// How the tightest limit stands.
    pub rate_limit: Option<RateLimit>,
    /// How often it was tried.
    pub attempts: u32,
}

/// How the tightest of the limits on the key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Requests it allows in its window.
    pub limit: u64,
    /// Requests left in it.
    pub remaining: u64,
    /// When it ends, in seconds since 1970.
    pub reset_at: i64,
}

impl<T> Answer<T> {
    pub(crate) fn new(data: T, ts: Option<Timestamp>, headers: &HeaderMap, attempts: u32) -> Self {
        let text = |name: &str| text(headers, name);
        Self {
            data,
            request_id: text("x-request-id"),
            ts,
            etag: text("etag"),
            location: text("location"),
            is_replayed: text("idempotent-replayed").as_deref() == Some("true"),
            rate_limit: rate_limit(headers),
            attempts,
        }
    }

    /// The thing alone.
    pub fn into_inner(self) -> T {
        self.data
    }
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// A header as text.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(ToOwned::to_owned)
}

pub(crate) fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    Some(RateLimit {
        limit: text(headers, "x-ratelimit-limit")?.parse().ok()?,
        remaining: text(headers, "x-ratelimit-remaining")?.parse().ok()?,
        reset_at: text(headers, "x-ratelimit-reset")?.parse().ok()?,
    })
}
