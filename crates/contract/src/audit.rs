//! The audit log: who changed what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RequestId, Timestamp};

/// What kind of actor changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditActorType {
    /// An API key.
    Key,
    /// A person, by the subject of their token.
    User,
    /// Who runs the platform.
    Operator,
    /// A provider of payments.
    Provider,
    /// The platform itself.
    System,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditActor {
    /// Of what kind.
    #[serde(rename = "type")]
    pub actor_type: AuditActorType,
    /// The id of the key, the subject of the person's token, or the name of the provider; for an operator the id of
    /// their key, or `command line`; absent for the platform itself.
    pub id: Option<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditLogEntry {
    /// Ordered by time.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: AuditActor,
    /// From where, when it came over the network.
    pub ip: Option<String>,
    /// In which request, when it came in one.
    pub request_id: Option<RequestId>,
    /// What happened, such as `agent.created`.
    pub action: String,
    /// To what kind of thing.
    pub resource: String,
    /// To which one.
    pub resource_id: String,
    /// The fields that a change named. Their values are not kept here.
    pub fields: Vec<String>,
}
