//! API keys.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, Timestamp};

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
}

impl KeyScope {
    /// As it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
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
    #[schema(min_items = 1, max_items = 3)]
    pub scopes: Vec<KeyScope>,
    /// When it stops working; never when left out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
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
