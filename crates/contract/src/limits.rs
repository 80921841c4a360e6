//! How much a client may ask.

use serde::{Deserialize, Serialize};

/// Requests allowed in each window. What is absent or `null` is as the next wider setting says: a key's as its
/// organisation's, an organisation's as the server's. `0` means no limit of this window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// In a minute.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub minute: Option<u32>,
    /// In an hour.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub hour: Option<u32>,
    /// In a day (UTC).
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub day: Option<u32>,
}

impl RateLimits {
    /// These, and where they say nothing, the wider ones.
    #[must_use]
    pub fn or(self, wider: Self) -> Self {
        Self {
            minute: self.minute.or(wider.minute),
            hour: self.hour.or(wider.hour),
            day: self.day.or(wider.day),
        }
    }
}

/// What an operator grants one organisation. What is absent or `null` is as the server's configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationLimits {
    /// Requests of the organisation in each window, and of each of its keys that has no limits of its own.
    pub rate_limits: RateLimits,
    /// Calls that the organisation may hold at once.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub concurrent_calls: Option<u32>,
}
