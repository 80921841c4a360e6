//! What handlers take: our own body, query and path, which fail as the contract says.

mod json;
mod query;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

pub(crate) use self::{
    json::{ApiJson, ApiMaybeJson, collect},
    query::{ApiQuery, decode, unescape},
};
use crate::gate::Caller;

/// The one id in the path, as the client wrote it. What can't be decoded names nothing, so use cases answer 404.
pub(crate) struct ApiPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ApiPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let route = parts
            .extensions
            .get::<Caller>()
            .and_then(|caller| caller.context.route());
        let id = route.and_then(|route| id_of(route, parts.uri.path()));
        Ok(Self(id.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string())))
    }
}

/// What stands in `path` where `route` has its `{id}`.
fn id_of(route: &str, path: &str) -> Option<String> {
    let (before, _) = route.split_once('{')?;
    let id = path.get(before.len()..)?.split('/').next()?;
    let id = percent_decode_str(id).decode_utf8().ok()?;
    Some(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_stands_in_its_place_decoded() {
        for (route, path, id) in [
            ("/a/{id}", "/a/7", Some("7")),
            ("/a/{id}/b", "/a/7/b", Some("7")),
            ("/a/{id}", "/a/%C3%A9+%2F%zz", Some("é+/%zz")),
            ("/a/{id}", "/a/%FF", None),
            ("/a", "/a", None),
        ] {
            assert_eq!(id_of(route, path).as_deref(), id, "{path}");
        }
    }
}
