//! Typed ids: UUID version 7, a type per kind, so that no id can stand where another belongs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not a UUID, so it names nothing that can exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id, ordered by time of creation.
            #[expect(clippy::new_without_default, reason = "a default id would hide that each is fresh")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = &mut Uuid::encode_buffer();
                f.pad(self.0.hyphenated().encode_lower(text))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::parse_str(text).map(Self).map_err(|_| NotAnId)
            }
        }
    )+};
}

ids! {
    /// A tenant. Never sent by clients: it follows from their credentials.
    OrganizationId
    /// An API key, by its public record; not the secret.
    ApiKeyId
    /// A member of an organisation, by their record; not the person.
    MemberId
    /// An agent.
    AgentId
    /// A call.
    CallId
    /// A voice an agent can speak with.
    VoiceId
    /// A SIP trunk.
    TrunkId
    /// A phone number we can be reached at or call from.
    NumberId
    /// An entry of an organisation's ledger.
    LedgerEntryId
    /// One HTTP request, as clients quote it to support.
    RequestId
}
