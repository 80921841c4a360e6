//! Organisations: the tenants of the platform.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyCreated, OrganizationId, Timestamp};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Organization {
    /// Its id. Clients never send it: it follows from their credentials.
    pub id: OrganizationId,
    /// For people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new tenant.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationCreate {
    /// For people.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
}

/// A change to a tenant: what is present changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationUpdate {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
}

/// A new tenant with its first key, which may do everything in it and is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OrganizationCreated {
    /// The tenant.
    #[serde(flatten)]
    pub organization: Organization,
    /// Its first key.
    pub api_key: ApiKeyCreated,
}
