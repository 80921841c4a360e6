//! Heads that the HTTP library lets pass and that two programs could read in two ways: whose request is it, and where
//! does it end. Refused before anything else looks at them.

use axum::extract::Request;
use contract::Reason;
use hyper::{
    HeaderMap, Method, Version,
    header::{HOST, TRANSFER_ENCODING},
};

use crate::{Problem, server::HEAD_BYTES_MAX};

/// What is wrong with the head of a request.
pub(crate) fn fault(request: &Request) -> Option<Problem> {
    let headers = request.headers();
    if request.version() == Version::HTTP_11 && !has_one_host(headers) {
        return Some(malformed("Host", "An HTTP/1.1 request has exactly one Host header."));
    }
    if size(request) > HEAD_BYTES_MAX {
        return Some(Problem::new(
            Reason::MalformedHeader,
            "The request's headers are too large.",
        ));
    }
    if !is_chunked_at_most(headers) {
        let message = "The only Transfer-Encoding that is read here is chunked, given once.";
        return Some(malformed("Transfer-Encoding", message));
    }
    None
}

/// Whether the connection ends with the answer to this request. The library has thrown away a Content-Length that
/// stood beside a Transfer-Encoding, so whether there was one can't be told; RFC 9112, section 6.1, then demands that
/// nothing that follows is taken for a request.
pub(crate) fn must_be_the_last(request: &Request) -> bool {
    request.headers().contains_key(TRANSFER_ENCODING)
}

/// The method as it is logged and kept. Any word is a method to the library, and what a client made up stays out.
pub(crate) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The library's own limit is that of its buffer, which may have taken a whole larger head in one read.
fn size(request: &Request) -> usize {
    let target = request.uri().path().len() + request.uri().query().map_or(0, str::len);
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + 4);
    headers.sum::<usize>() + target + request.method().as_str().len()
}

fn malformed(header: &str, message: &'static str) -> Problem {
    Problem::new(Reason::MalformedHeader, message).with("header", header)
}

fn has_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next().map(hyper::header::HeaderValue::as_bytes);
    first.is_some_and(is_host) && hosts.next().is_none()
}

/// Characters of a name, an address or a port, as RFC 3986 has them for `host` and `port`.
fn is_host(value: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte);
    !value.is_empty() && value.iter().all(fits)
}

fn is_chunked_at_most(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = encodings.next();
    first.is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")) && encodings.next().is_none()
}
