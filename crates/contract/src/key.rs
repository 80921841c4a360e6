//! API keys.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, RateLimits, Timestamp};

/// What a key may do. A higher one includes the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Look.
    Read,
    /// Look, change, and spend.
    Write,
    /// All of it, and manage keys.
    Admin,
    /// Run the platform: all organisations. Given by its command line alone, never by the API.
    Operator,
}

/// What a key can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "stands in the schema of a new key, where `operator` must not")]
pub(crate) enum GrantableScope {
    /// Look.
    Read,
    /// Look, change, and spend.
    Write,
    /// All of it, and manage keys.
    Admin,
}

impl KeyScope {
    /// As it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// A key's record. The secret is shown once, at creation.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApiKey {
    /// Of the record.
    pub id: ApiKeyId,
    /// Chosen by people.
    pub name: String,
    /// The public part of the key, by which it is looked up.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// Networks from which it may be used (CIDRs); from anywhere when empty.
    pub ip_allowlist: Vec<String>,
    /// How often it may be used, where that is not as for its organisation.
    pub rate_limits: RateLimits,
    /// When it stops working, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Last use, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new key.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyCreate {
    /// Chosen by people.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// What it may do; `read` and `write` when left out.
    #[serde(default = "read_and_write")]
    #[schema(value_type = Vec<GrantableScope>, min_items = 1, max_items = 3)]
    pub scopes: Vec<KeyScope>,
    /// Networks or addresses from which it may be used (`192.0.2.0/24`, `2001:db8::/32`); from anywhere when left
    /// out or empty. Kept as networks: host bits are cleared.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub ip_allowlist: Vec<String>,
    /// How often it may be used, where that is not as for its organisation.
    #[serde(default)]
    pub rate_limits: RateLimits,
    /// When it stops working; never when left out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl ApiKeyCreate {
    /// A key that may be used from anywhere, for ever.
    pub fn named(name: impl Into<String>, scopes: Vec<KeyScope>) -> Self {
        Self {
            name: name.into(),
            scopes,
            ip_allowlist: Vec::new(),
            rate_limits: RateLimits::default(),
            expires_at: None,
        }
    }
}

/// A change to a key: what is present changes, `null` clears. Scopes stay as they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyUpdate {
    /// Chosen by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
    /// Networks or addresses from which it may be used; from anywhere when empty or `null`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    pub ip_allowlist: Option<Option<Vec<String>>>,
    /// How often it may be used; all of it is replaced.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<RateLimits>)]
    pub rate_limits: Option<Option<RateLimits>>,
    /// When it stops working; never when `null`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<Timestamp>)]
    pub expires_at: Option<Option<Timestamp>>,
}

fn read_and_write() -> Vec<KeyScope> {
    vec![KeyScope::Read, KeyScope::Write]
}

/// A new key with its secret, shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApiKeyCreated {
    /// The record.
    #[serde(flatten)]
    pub record: ApiKey,
    /// The whole key: `cw_…`. It can't be shown again.
    pub key: String,
}
