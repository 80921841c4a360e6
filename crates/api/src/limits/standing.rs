//! How a window stands after a request, as headers and as the body of a refusal.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use contract::{Reason, Timestamp};
use domain::limits::{Span, Window};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use super::policies::{Policies, Policy};
use crate::{Problem, json::write::number};

/// How a window stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) window: Window,
    pub(super) remaining: u32,
    /// Seconds since the epoch.
    pub(super) reset_at: i64,
    /// Whole seconds until then, at least 1.
    pub(super) wait: i64,
}

impl Standing {
    pub(super) fn of(window: Window, used: u32, at: Timestamp) -> Self {
        let reset_at = window.span.end(at);
        let wait = (reset_at * 1000 - at.millis())
            .max(1)
            .cast_unsigned()
            .div_ceil(1000)
            .cast_signed();
        Self {
            window,
            remaining: window.limit.saturating_sub(used),
            reset_at,
            wait,
        }
    }

    /// The least is what binds: the fewest requests left, and for the longest time.
    pub(super) fn room(&self) -> (u32, i64) {
        (self.remaining, -self.wait)
    }

    pub(super) fn refusal(&self, reason: Reason, policy: &str, message: String) -> Problem {
        Problem::new(reason, message)
            .with("policy", policy)
            .with("limit", self.window.limit)
            .with("remaining", self.remaining)
            .with("window_seconds", self.window.span.seconds())
            .with("reset_at", Timestamp::from_millis(self.reset_at * 1000).to_string())
            .with("retry_after", self.wait)
            .header(RETRY_AFTER, self.wait)
    }
}

/// What every authenticated answer says about limits, where there are any.
#[derive(Clone, Default)]
pub(crate) struct LimitHeaders(Option<Told>);

#[derive(Clone)]
struct Told {
    policy: Arc<Policy>,
    span: Span,
    state: HeaderValue,
    remaining: HeaderValue,
    reset: HeaderValue,
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Room for a state and the time of a reset, whatever their numbers.
const STATE_BYTES: usize = 64;

impl LimitHeaders {
    /// Of the window that binds in each span; the tightest of all is the state.
    pub(super) fn of(standings: &[Standing], policies: &Policies) -> Self {
        let Some(tightest) = standings.iter().min_by_key(|standing| standing.room()) else {
            return Self::default();
        };
        // Every answer has these, so they are put together at once and without formats, which cost more than the
        // counting. The name is in quotes, as structured fields have it (RFC 9651, section 3.3.3).
        let mut text = Vec::with_capacity(STATE_BYTES);
        text.push(b'"');
        text.extend_from_slice(tightest.window.span.name().as_bytes());
        text.extend_from_slice(b"\";r=");
        let remaining_from = text.len();
        number(&mut text, tightest.remaining.into());
        let remaining_to = text.len();
        text.extend_from_slice(b";t=");
        number(&mut text, tightest.wait.unsigned_abs());
        let state_to = text.len();
        number(&mut text, tightest.reset_at.max(0).cast_unsigned());
        let text = Bytes::from(text);
        let header = |of: Range<usize>| HeaderValue::from_maybe_shared(text.slice(of)).ok();
        Self(header(0..state_to).and_then(|state| {
            Some(Told {
                policy: policies.of(standings.iter().map(|standing| standing.window)),
                span: tightest.window.span,
                state,
                remaining: header(remaining_from..remaining_to)?,
                reset: header(state_to..text.len())?,
            })
        }))
    }

    pub(crate) fn put(self, headers: &mut HeaderMap) {
        let Some(told) = self.0 else { return };
        headers.insert(LIMIT, told.policy.limit(told.span).clone());
        headers.insert(REMAINING, told.remaining);
        headers.insert(RESET, told.reset);
        headers.insert(POLICY, told.policy.text.clone());
        headers.insert(STATE, told.state);
    }

    #[cfg(test)]
    pub(super) fn get(&self, name: &str) -> String {
        let mut headers = HeaderMap::new();
        self.clone().put(&mut headers);
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }
}
