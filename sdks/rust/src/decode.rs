//! From the bytes of an answer to what they mean.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::Timestamp;
use reqwest::header::HeaderMap;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Answer, ApiError, Code, Reason,
    answer::text,
    error::{ErrorKind, Unexpected},
    retry::WAIT_MAX,
};

/// As much of a body that can't be understood as is kept.
const KEPT_CHARS_MAX: usize = 1024;

/// A good answer. Fields that this version does not know are left alone.
#[derive(Deserialize)]
struct Good<T> {
    data: T,
    #[serde(default)]
    meta: Option<Value>,
}

/// Reads a good answer with one thing in it.
pub(crate) fn good<T: DeserializeOwned>(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    attempts: u32,
) -> Result<Answer<T>, ErrorKind> {
    match serde_json::from_slice::<Good<T>>(body) {
        Ok(good) => Ok(Answer::new(good.data, ts(good.meta.as_ref()), headers, attempts)),
        Err(error) => Err(unexpected(
            status,
            headers,
            body,
            &format!("it can't be understood: {error}"),
        )),
    }
}

/// `meta.ts`.
pub(crate) fn ts(meta: Option<&Value>) -> Option<Timestamp> {
    serde_json::from_value(meta?.get("ts")?.clone()).ok()
}

/// What an answer without success means. Never fails: what is not of the contract is [`ErrorKind::Unexpected`].
pub fn error_of(status: u16, headers: &HeaderMap, body: &[u8]) -> ErrorKind {
    let envelope: Value = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        Err(error) => return unexpected(status, headers, body, &format!("it is not JSON: {error}")),
    };
    let error = &envelope["error"];
    let Some(code) = error["code"].as_str().filter(|_| status >= 400) else {
        return unexpected(status, headers, body, "it is not the envelope of an error");
    };
    let details: Map<String, Value> = error["details"].as_object().cloned().unwrap_or_default();
    let reason = details.get("reason").and_then(Value::as_str);
    let request_id = envelope["meta"]["request_id"].as_str().map(ToOwned::to_owned);
    ErrorKind::Api(ApiError {
        status,
        code: Code::named(code),
        reason: reason.map(|reason| Reason::named(code, reason)),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
        request_id: request_id.or_else(|| text(headers, "x-request-id")),
        retry_after: retry_after(headers).or_else(|| details.get("retry_after")?.as_u64().map(seconds)),
        help: help(headers),
        details,
    })
}

pub(crate) fn unexpected(status: u16, headers: &HeaderMap, body: &[u8], what: &str) -> ErrorKind {
    let body = String::from_utf8_lossy(&body[..body.len().min(4 * KEPT_CHARS_MAX)]);
    ErrorKind::Unexpected(Unexpected {
        status,
        content_type: text(headers, "content-type"),
        what: what.to_owned(),
        body: body.chars().take(KEPT_CHARS_MAX).collect(),
        request_id: text(headers, "x-request-id"),
        retry_after: retry_after(headers),
    })
}

/// Whoever writes more than a wait can be gets the longest one.
fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(WAIT_MAX)
}

/// `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    if let Ok(asked) = value.trim().parse() {
        return Some(seconds(asked));
    }
    let at = DateTime::parse_from_rfc2822(&value).ok()?;
    // Measured by the clock of whoever wrote the date, where it tells: ours may be off.
    let now = text(headers, "date").and_then(|date| DateTime::parse_from_rfc2822(&date).ok());
    let now = now.map_or_else(Utc::now, |now| now.to_utc());
    let wait = (at.to_utc() - now).to_std().unwrap_or_default();
    Some(wait.min(WAIT_MAX))
}

/// The target of `Link` with `rel="help"`.
fn help(headers: &HeaderMap) -> Option<String> {
    let link = text(headers, "link")?;
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"help\"").then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_date_in_retry_after_is_measured_by_the_servers_clock() {
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
            ("Sun, 06 Nov 1994 08:51:00 GMT", 0),
        ] {
            let headers = headers(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", date)]);
            assert_eq!(retry_after(&headers), Some(Duration::from_secs(expected)));
        }
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
    }

    #[test]
    fn only_a_link_that_helps_is_help() {
        let help_of = |link: &str| help(&headers(&[("link", link)]));
        assert_eq!(
            help_of("</docs/errors/not_found>; rel=\"help\"").as_deref(),
            Some("/docs/errors/not_found")
        );
        assert_eq!(help_of("</style.css>; rel=\"preload\""), None);
    }
}
