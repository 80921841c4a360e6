//! Entities as the store keeps them, and the scope that guards them.

use contract::{
    Agent, AgentId, ApiKey, Call, CallMetrics, CallStatus, EndReason, LaterFailure, OrganizationId, Timestamp,
    TranscriptTurn, Trunk, Voice,
};

/// Whose data. Every store method takes one, so no query can forget the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The tenant.
    pub organization: OrganizationId,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// For people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key with what is needed to check it.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Whose.
    pub organization: OrganizationId,
    /// What is shown of it.
    pub key: ApiKey,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
}

/// An agent as stored: what is shown of it is all there is.
pub type AgentRecord = Agent;

/// A trunk with its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkRecord {
    /// What is shown of it.
    pub trunk: Trunk,
    /// For digest authentication. The store seals it at rest.
    pub password: Option<String>,
}

/// A number as found by the telephone network, which knows no tenants.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundNumber {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub number: contract::Number,
    /// Where it lives.
    pub trunk: TrunkRecord,
}

/// How a call ended; written once, with everything that follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnding {
    /// A final status.
    pub status: CallStatus,
    /// Why.
    pub end_reason: EndReason,
    /// When it was answered, if it was.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// The whole transcript, in order.
    pub turns: Vec<TranscriptTurn>,
    /// Latency, turn by turn.
    pub metrics: CallMetrics,
    /// Keys pressed.
    pub dtmf: String,
    /// What broke last, if anything did.
    pub last_error: Option<LaterFailure>,
    /// Whether a recording lies in the recording store.
    pub recorded: bool,
}

/// A page of a list: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// 1 to 100.
    pub limit: u32,
    /// Skipped before the page.
    pub offset: u64,
    /// Only what is older than this id (ids order by time).
    pub before: Option<uuid::Uuid>,
}

/// A page, and how much there is in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The page.
    pub items: Vec<T>,
    /// After filters, before paging.
    pub total: u64,
}

/// Filters of the list of calls; all exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// In this state.
    pub status: Option<CallStatus>,
    /// Of this direction.
    pub direction: Option<contract::CallDirection>,
}

/// A call with its tenant, for work that spans tenants (recovery, telephony).
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedCall {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub call: Call,
}

/// A voice with the synthesizer's own name for it.
pub type VoiceRecord = Voice;
