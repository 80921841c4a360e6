//! Envelopes of good answers, and pagination.

use serde::{Deserialize, Serialize};

use crate::Meta;

/// A good answer with one thing in it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Envelope<T> {
    /// The thing asked for.
    pub data: T,
    /// Which request it was.
    pub meta: Meta,
}

/// A good answer with a page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ListEnvelope<T> {
    /// The page, newest first.
    pub data: Vec<T>,
    /// Where in the list it stands.
    pub pagination: Pagination,
    /// Which request it was.
    pub meta: Meta,
}

/// Where in a list a page stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pagination {
    /// Things in the whole list, after filters.
    pub total: u64,
    /// Most things a page may hold.
    pub limit: u32,
    /// Things skipped before this page.
    pub offset: u64,
    /// Whether things follow after this page.
    pub has_more: bool,
    /// Give it as `cursor` for the page after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Tells a field that is absent from one that is `null`: absent stays `None` by `default`, `null` is `Some(None)`.
#[expect(
    clippy::option_option,
    reason = "a field of a change can be absent, null, or have a value"
)]
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
