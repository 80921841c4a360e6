//! How a window stands after a request, as headers and as the body of a refusal.

use contract::{Reason, Timestamp};
use domain::limits::Window;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::Problem;

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

/// What every authenticated answer says about limits.
#[derive(Clone, Default)]
pub(crate) struct LimitHeaders(Vec<(HeaderName, HeaderValue)>);

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Room for one policy or state, whatever its numbers.
const POLICY_BYTES: usize = 48;

/// A name in quotes, as structured fields have it (RFC 9651, section 3.3.3).
fn item(text: &mut Vec<u8>, name: &str) {
    text.push(b'"');
    text.extend_from_slice(name.as_bytes());
    text.push(b'"');
}

/// What is said of an item by a whole number.
fn parameter(text: &mut Vec<u8>, name: &[u8], value: u64) {
    text.extend_from_slice(name);
    let start = text.len();
    let mut left = value;
    loop {
        text.push(b'0' + (left % 10) as u8);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    text[start..].reverse();
}

impl LimitHeaders {
    /// Of the window that binds in each span; the tightest of all is the state.
    pub(super) fn of(standings: &[Standing]) -> Self {
        let Some(tightest) = standings.iter().min_by_key(|standing| standing.room()) else {
            return Self::default();
        };
        // Every answer has these, so they are put together without formats, which cost more than the counting.
        let mut policies = Vec::with_capacity(POLICY_BYTES * standings.len());
        for Standing { window, .. } in standings {
            let comma: &[u8] = if policies.is_empty() { b"" } else { b", " };
            policies.extend_from_slice(comma);
            item(&mut policies, window.span.name());
            parameter(&mut policies, b";q=", window.limit.into());
            parameter(&mut policies, b";w=", window.span.seconds().into());
        }
        let mut state = Vec::with_capacity(POLICY_BYTES);
        item(&mut state, tightest.window.span.name());
        parameter(&mut state, b";r=", tightest.remaining.into());
        parameter(&mut state, b";t=", tightest.wait.unsigned_abs());
        let mut headers = Vec::with_capacity(5);
        headers.extend([
            (LIMIT, tightest.window.limit.into()),
            (REMAINING, tightest.remaining.into()),
            (RESET, tightest.reset_at.into()),
        ]);
        for (name, text) in [(POLICY, policies), (STATE, state)] {
            headers.extend(HeaderValue::try_from(text).ok().map(|value| (name, value)));
        }
        Self(headers)
    }

    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.extend(self.0);
    }

    #[cfg(test)]
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str().ok()).unwrap_or_default()
    }
}
