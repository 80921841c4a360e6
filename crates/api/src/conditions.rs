//! What stands between the gate and the handler: what a request says about when it may be carried out, and what it
//! must not say at all.

mod idempotency;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
    routing::Route,
};
use contract::{FieldFault, FieldReason, Reason};
use domain::change::Precondition;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use tower::Service as _;

pub(crate) use self::idempotency::{Replayed, SameMeta, key_of, route_of};
use crate::{
    App, Problem,
    extract::decode,
    gate::Caller,
    operation::{Needs, RequestShape},
};

/// Faults of the query, for the body's extractor to tell beside its own.
#[derive(Clone)]
pub(crate) struct QueryFaults(pub(crate) Vec<FieldFault>);

/// Reads the conditions of a request and sees that they are kept.
pub(crate) async fn conditions(app: &App, needs: Needs, mut request: Request, handler: &Route) -> Response {
    let key = match head_check(needs.shape, &mut request) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    match *request.method() {
        Method::POST => {
            let mut response = match key {
                // Kept apart, so that requests without a key do not carry its room.
                Some(key) => Box::pin(idempotency::once(app, needs, key, request, handler)).await,
                None => run(handler, request).await,
            };
            if needs.shape.shows_more {
                response.headers_mut().remove(ETAG);
            }
            response
        }
        Method::GET | Method::HEAD => {
            let known = tags(request.headers(), &IF_NONE_MATCH).ok();
            let response = run(handler, request).await;
            unless_known(known.as_ref(), response)
        }
        _ => run(handler, request).await,
    }
}

/// The handler's answer. Like a router, a route is always ready, and does not fail.
async fn run(handler: &Route, request: Request) -> Response {
    handler
        .clone()
        .call(request)
        .await
        .unwrap_or_else(|never| match never {})
}

/// What is wrong with a request before its body: what can't be read, then what must not be there. The idempotency key,
/// if all is well.
fn head_check(shape: RequestShape, request: &mut Request) -> Result<Option<String>, Problem> {
    precondition(request)?;
    let key = match *request.method() {
        Method::POST => key_of(request.headers())?,
        _ => None,
    };
    query_check(shape, request)?;
    Ok(key)
}

/// `If-Match`, where it means something.
fn precondition(request: &mut Request) -> Result<(), Problem> {
    if !matches!(*request.method(), Method::PATCH | Method::PUT | Method::DELETE) {
        return Ok(());
    }
    let precondition = match tags(request.headers(), &IF_MATCH)? {
        Tags::None => Precondition::None,
        Tags::Any => Precondition::Any,
        // A weak tag never matches here (RFC 9110, section 13.1.1).
        Tags::OneOf(tags) => Precondition::OneOf(tags.into_iter().filter(|tag| !tag.starts_with("W/")).collect()),
    };
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.conditions.precondition = precondition;
    }
    Ok(())
}

/// Refuses parameters where an operation has none; where it has some, their extractor does.
fn query_check(shape: RequestShape, request: &mut Request) -> Result<(), Problem> {
    let query = request.uri().query().unwrap_or_default();
    if shape.has_query || query.is_empty() {
        return Ok(());
    }
    let message = "This operation has no such parameter.";
    let faults: Vec<_> = decode(query)?
        .into_iter()
        .map(|(name, _)| FieldFault::in_query(&name, FieldReason::UnknownField, message))
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    if !shape.has_body {
        return Err(Problem::invalid(faults));
    }
    request.extensions_mut().insert(QueryFaults(faults));
    Ok(())
}

/// 304 in place of what the client has already.
fn unless_known(known: Option<&Tags>, mut response: Response) -> Response {
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let is_known = match (known, tag) {
        (Some(Tags::Any), Some(_)) => true,
        // Compared weakly (RFC 9110, section 13.1.2).
        (Some(Tags::OneOf(known)), Some(tag)) => known.iter().any(|known| known.trim_start_matches("W/") == tag),
        _ => false,
    };
    if response.status() != StatusCode::OK || !is_known {
        return response;
    }
    let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
    unchanged.headers_mut().extend(std::mem::take(response.headers_mut()));
    for header in [CONTENT_TYPE, CONTENT_LENGTH] {
        unchanged.headers_mut().remove(header);
    }
    unchanged
}

/// The entity tags of a header.
enum Tags {
    None,
    Any,
    OneOf(Vec<String>),
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Tags, Problem> {
    let refusal = || {
        Problem::new(
            Reason::MalformedHeader,
            format!("The header {name} holds no entity tags."),
        )
        .with("header", name.as_str())
        .with("expected", "entity tags in double quotes, or *")
    };
    let mut tags = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| refusal())?;
        if value.trim() == "*" {
            return Ok(Tags::Any);
        }
        tags.extend(listed(value).ok_or_else(refusal)?);
    }
    Ok(if tags.is_empty() { Tags::None } else { Tags::OneOf(tags) })
}

/// Tags between commas, empty places left out; a tag may hold commas itself (RFC 9110, sections 5.6.1 and 8.8.3).
fn listed(mut value: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    loop {
        value = value.trim_start_matches([' ', '\t', ',']);
        if value.is_empty() {
            return Some(tags);
        }
        let (weak, opaque) = match value.strip_prefix("W/") {
            Some(opaque) => ("W/", opaque),
            None => ("", value),
        };
        let (tag, rest) = opaque.strip_prefix('"')?.split_once('"')?;
        tags.push(format!("{weak}\"{tag}\""));
        value = rest.trim_start_matches([' ', '\t']);
        if !(value.is_empty() || value.starts_with(',')) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_apart_by_their_quotes() {
        for (text, expected) in [
            (r#""a""#, &[r#""a""#][..]),
            (r#""a", W/"b","c,d" , "#, &[r#""a""#, r#"W/"b""#, r#""c,d""#]),
            (r#", "a",,"b""#, &[r#""a""#, r#""b""#]),
            ("", &[]),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(listed(text), Some(expected), "{text}");
        }
        for text in ["a", r#""a"#, r#""a" "b""#, r#""a"b"#, "W/", r#"w/"a""#] {
            assert_eq!(listed(text), None, "{text}");
        }
    }
}
