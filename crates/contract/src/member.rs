//! Members: people who belong to an organisation.

use serde::{Deserialize, Serialize};

use crate::{KeyScope, MemberId, Timestamp};

/// What a member may do. A higher one includes the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Look.
    Viewer,
    /// Look, change, and spend.
    Member,
    /// All of it, and manage keys and members other than owners.
    Admin,
    /// All of it, and say who else is an owner.
    Owner,
}

impl MemberRole {
    /// From the least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// As it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// What a key with the same rights would have.
    pub const fn scope(self) -> KeyScope {
        match self {
            Self::Viewer => KeyScope::Read,
            Self::Member => KeyScope::Write,
            Self::Admin | Self::Owner => KeyScope::Admin,
        }
    }

    /// The least role with the rights of such a key; none runs the platform.
    pub fn with_scope(scope: KeyScope) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.scope() >= scope)
    }
}

/// A person who belongs to the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Member {
    /// Of the record.
    pub id: MemberId,
    /// Who it is: the subject of their tokens.
    pub subject: String,
    /// For people.
    pub name: Option<String>,
    /// What they may do.
    pub role: MemberRole,
    /// When they were added.
    pub created_at: Timestamp,
    /// When the record was changed last.
    pub updated_at: Timestamp,
}

/// A new member.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberCreate {
    /// Who it is: the subject of their tokens.
    #[schema(min_length = 1, max_length = 255)]
    pub subject: String,
    /// For people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// What they may do.
    pub role: MemberRole,
}

/// A change to a member: what is present changes, `null` clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberUpdate {
    /// For people.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub name: Option<Option<String>>,
    /// What they may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<MemberRole>,
}
