//! Entities as the store keeps them, and the scope that guards them.

use contract::{
    Agent, AgentId, ApiKey, Call, CallMetrics, CallStatus, EndReason, LaterFailure, OrganizationId, RequestId,
    Timestamp, TranscriptTurn, Trunk, Voice,
};

use crate::change::Answer;

/// Whose data. Every store method takes one, so no query can forget the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The tenant.
    pub organization: OrganizationId,
}

/// A tenant as stored: what is shown of it is all there is.
pub type Organization = contract::Organization;

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

/// Counts the changes of one record, so that a change based on an older state is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub i64);

/// A record to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// As it is.
    pub record: T,
    /// Which state of it that is.
    pub version: Version,
}

/// What became of a member that was to be changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChanged {
    /// It was done.
    Done,
    /// It has another version, or is gone.
    Stale,
    /// The organisation has no other owner.
    LastOwner,
}

/// What became of a number that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberCreated {
    /// It was added.
    Added,
    /// That phone number is known already, to anyone.
    Known,
    /// Its trunk is gone.
    NoTrunk,
}

/// A request that was made under an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Method and path template: the same key may stand at another route.
    pub route: String,
    /// As the client chose it.
    pub key: String,
    /// SHA-256 of all that makes the request what it is.
    pub hash: [u8; 32],
    /// Names the right to its effect.
    pub claim: uuid::Uuid,
    /// The request's id, which its answer carries.
    pub request: RequestId,
    /// When it came first.
    pub created_at: Timestamp,
    /// When it counts as cut off, unless it was answered.
    pub lease_until: Timestamp,
    /// Its answer, once there is one.
    pub answer: Option<Answer>,
}

/// What became of an attempt to claim an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyClaim {
    /// The claim stands. An earlier claimant made the thing of this id before it was cut off, or nothing.
    Ours(Option<String>),
    /// Somebody else has it.
    Taken,
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

/// Filters of the audit log; all exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this key, user or operator.
    pub actor_id: Option<String>,
    /// Such as `agent.created`.
    pub action: Option<String>,
    /// Of this thing.
    pub resource_id: Option<String>,
    /// At that time or later.
    pub since: Option<Timestamp>,
    /// Before that time.
    pub until: Option<Timestamp>,
}

/// Filters of the list of numbers; all exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberFilter {
    /// That this agent serves, in either direction.
    pub agent: Option<AgentId>,
    /// E.164.
    pub phone_number: Option<String>,
}

impl NumberFilter {
    /// The numbers of one agent.
    pub fn of_agent(agent: AgentId) -> Self {
        Self {
            agent: Some(agent),
            phone_number: None,
        }
    }
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
    /// When more was paid for it last.
    pub extended_at: Option<Timestamp>,
    /// When the node that holds it said last that it is alive.
    pub node_seen_at: Option<Timestamp>,
}

/// A voice with the synthesizer's own name for it.
pub type VoiceRecord = Voice;
