//! What handlers take: our own body, query and path, which fail as the contract says.

mod json;
mod query;

use std::convert::Infallible;

use axum::{
    RequestPartsExt as _,
    extract::{FromRequestParts, RawPathParams},
};
use hyper::http::request::Parts;

pub(crate) use self::{
    json::{ApiJson, ApiMaybeJson, collect},
    query::{ApiQuery, decode, unescape},
};
/// The one id in the path, as the client wrote it. What can't be decoded names nothing, so use cases answer 404.
pub(crate) struct ApiPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ApiPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let id = parts.extract::<RawPathParams>().await.ok();
        let id = id.and_then(|params| params.iter().next().map(|(_, id)| id.to_owned()));
        Ok(Self(id.unwrap_or_else(|| char::REPLACEMENT_CHARACTER.to_string())))
    }
}
