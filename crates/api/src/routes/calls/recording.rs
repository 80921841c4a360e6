//! `GET /calls/{id}/recording`

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::{KeyScope, Reason};
use domain::calls::Recording;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, RANGE},
};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiPath, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_recording), &[Reason::RangeNotSatisfiable])
}

/// Get a recording
///
/// WAV, 16-bit, caller left and agent right, once the call is over. One range of bytes may be asked for; a
/// `Range` header that can't be read, or names several, is ignored as RFC 9110 wants it.
#[utoipa::path(
    get,
    path = "/calls/{id}/recording",
    tag = "Calls",
    params(
        ("id" = String, Path, description = "The call's id"),
        ("Range" = Option<String>, Header, description = "One range: `bytes=0-1023`, `bytes=1024-`, `bytes=-1024`"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of before: the range counts only if it still holds"),
    ),
    responses(
        (status = 200, description = "The whole recording", content_type = "audio/wav", body = Vec<u8>),
        (status = 206, description = "The range asked for", content_type = "audio/wav", body = Vec<u8>),
    ),
)]
pub(crate) async fn call_recording(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let recording = app.calls().call_recording(caller.scope, &id).await?;
    let tag = format!("\"{id}-{}\"", recording.size);
    let part = part_of(&headers, &tag, recording.size).map_err(|()| not_satisfiable(recording.size))?;
    let (start, end) = part.unwrap_or((0, recording.size));
    let body = body(&recording, &method, start, end).await?;
    let status = if part.is_some() {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    Ok(answer(status, body, &tag, start..end, recording.size))
}

async fn body(recording: &Recording, method: &Method, start: u64, end: u64) -> Result<Body, Problem> {
    if method == Method::HEAD {
        return Ok(Body::empty());
    }
    Ok(Body::from_stream(recording.read(start, end).await?))
}

fn not_satisfiable(size: u64) -> Problem {
    Problem::new(
        Reason::RangeNotSatisfiable,
        format!("The recording has {size} bytes, and the range lies outside of them."),
    )
    .with("size", size)
    .header(CONTENT_RANGE, format!("bytes */{size}"))
}

fn answer(status: StatusCode, body: Body, tag: &str, part: std::ops::Range<u64>, size: u64) -> Response {
    let mut response = (status, body).into_response();
    let range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
    let length = part.end - part.start;
    let named = [
        (CONTENT_TYPE, Some("audio/wav".to_owned())),
        (ACCEPT_RANGES, Some("bytes".to_owned())),
        (ETAG, Some(tag.to_owned())),
        (CONTENT_LENGTH, Some(length.to_string())),
        (CONTENT_RANGE, (status == StatusCode::PARTIAL_CONTENT).then_some(range)),
    ];
    for (name, value) in named {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The bytes `start..end` asked for; `None` for all of them, `Err` when there are none such (RFC 9110 section 14).
fn part_of(headers: &HeaderMap, tag: &str, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let is_stale = headers
        .get(IF_RANGE)
        .is_some_and(|condition| condition.as_bytes() != tag.as_bytes());
    let spec = range
        .filter(|_| !is_stale)
        .and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = spec
        .filter(|spec| !spec.contains(','))
        .and_then(|spec| spec.split_once('-'))
    else {
        return Ok(None);
    };
    let bound = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        if text.is_empty() || !is_number {
            None
        } else {
            Some(text.parse::<u64>().unwrap_or(u64::MAX))
        }
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match bound(suffix) {
            None => Ok(None),
            Some(count) if count == 0 || size == 0 => Err(()),
            Some(count) => Ok(Some((size.saturating_sub(count), size))),
        },
        (first, "") => match bound(first) {
            None => Ok(None),
            Some(start) if start >= size => Err(()),
            Some(start) => Ok(Some((start, size))),
        },
        (first, last) => match (bound(first), bound(last)) {
            (Some(start), Some(last)) if start <= last => {
                if start >= size {
                    Err(())
                } else {
                    Ok(Some((start, last.saturating_add(1).min(size))))
                }
            }
            _ => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn part(range: &str, if_range: Option<&str>) -> Result<Option<(u64, u64)>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(IF_RANGE, tag.parse().unwrap());
        }
        part_of(&headers, "\"tag\"", 100)
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (range, expected) in [
            ("bytes=0-9", Ok(Some((0, 10)))),
            ("bytes=90-", Ok(Some((90, 100)))),
            ("bytes=90-500", Ok(Some((90, 100)))),
            ("bytes=-10", Ok(Some((90, 100)))),
            ("bytes=-500", Ok(Some((0, 100)))),
            ("bytes=0-18446744073709551615", Ok(Some((0, 100)))),
            ("bytes=100-", Err(())),
            ("bytes=99999999999999999999999-", Err(())),
            ("bytes=100-200", Err(())),
            ("bytes=-0", Err(())),
            ("bytes=9-0", Ok(None)),
            ("bytes=0-1,5-6", Ok(None)),
            ("bytes=x-", Ok(None)),
            ("bytes=-", Ok(None)),
            ("items=0-1", Ok(None)),
        ] {
            assert_eq!(part(range, None), expected, "{range}");
        }
        assert_eq!(part("bytes=0-9", Some("\"tag\"")), Ok(Some((0, 10))));
        assert_eq!(part("bytes=0-9", Some("\"other\"")), Ok(None));
    }
}
