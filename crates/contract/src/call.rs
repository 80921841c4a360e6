//! Calls, their transcripts, their measurements and their live events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AgentId, CallId, Greeting, LaterFailure, Span, Timestamp, Variables};

/// Which way a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is its meaning")]
pub enum CallDirection {
    Inbound,
    Outbound,
    Webrtc,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// Accepted, not yet with the carrier.
    Queued,
    /// The other side rings, or ours does.
    Ringing,
    /// They talk.
    InProgress,
    /// Over, in order: answered or not.
    Completed,
    /// Over because something broke; see `context.last_error`.
    Failed,
    /// Ended by us before it was answered.
    Cancelled,
}

impl CallStatus {
    /// Whether nothing more can happen to the call.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// As it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The other side hung up.
    CallerHangup,
    /// The agent ended it, or a request to the API did.
    AgentHangup,
    /// It reached `max_duration`.
    MaxDuration,
    /// The other side stayed quiet.
    Inactivity,
    /// A machine answered.
    Voicemail,
    /// It went on elsewhere.
    Transferred,
    /// The peer was there, and nobody answered within `join_timeout`.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// The other side declined.
    Declined,
    /// Ended before it was answered.
    Cancelled,
    /// Something broke.
    Error,
}

/// A new outbound call.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallCreate {
    /// Who talks.
    pub agent_id: String,
    /// Whom to call, E.164. This or `sip_uri`.
    #[serde(default)]
    #[schema(format = "e164", example = "+14155550100")]
    pub phone_number: Option<String>,
    /// Whom to call, as a SIP URI, where the trunk allows it.
    #[serde(default)]
    #[schema(format = "sip-uri", max_length = 255, example = "sip:alice@192.0.2.4:5060")]
    pub sip_uri: Option<String>,
    /// Which of the agent's outbound numbers calls; the newest when left out.
    #[serde(default)]
    #[schema(format = "e164")]
    pub from_number: Option<String>,
    /// Values for `{{variables}}`.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub variables: Variables,
    /// Overrides of the agent's settings for this call.
    #[serde(default)]
    pub call_settings: Option<CallSettings>,
    /// Kept with the call, at most 50 keys.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Overrides of the agent's settings for one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of AgentCreate")]
pub struct CallSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcription_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Greeting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_timeout: Option<Span>,
}

/// A call as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// How far it has come.
    pub status: CallStatus,
    /// Which way it went.
    pub direction: CallDirection,
    /// Who called: E.164, or a SIP URI.
    pub from_number: Option<String>,
    /// Who was called.
    pub to_number: Option<String>,
    /// Who talks for us.
    pub agent_id: AgentId,
    /// When it was created or arrived.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Seconds from answer to end.
    pub duration_seconds: Option<f64>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// What it cost, once it is over. Where billing is off, what it would have cost.
    pub cost_credits: Option<f64>,
    /// What it was about, where a summary was made.
    pub summary: Option<String>,
    /// Path of the recording, once there is one.
    pub recording_url: Option<String>,
    /// Path of the transcript, once there is one.
    pub transcript_url: Option<String>,
    /// Latency, turn by turn.
    pub metrics: CallMetrics,
    /// Values given at creation.
    #[schema(value_type = Object)]
    pub variables: Variables,
    /// Given at creation.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// What else is known.
    pub context: CallContext,
}

/// What else is known of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallContext {
    /// What broke last, if anything did.
    pub last_error: Option<LaterFailure>,
    /// Keys the other side pressed (RFC 4733).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dtmf: String,
}

/// Latency of a call, turn by turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallMetrics {
    /// One for each answer of the agent.
    pub turns: Vec<TurnMetrics>,
}

/// Where the time of one answer went. Milliseconds; stages that did not run are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TurnMetrics {
    /// Last voiced frame received, to the decision that the turn is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpointing_ms: Option<f64>,
    /// Decision, to the text of the turn. Near zero when recognition ran ahead of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stt_ms: Option<f64>,
    /// Text of the turn, to the first sentence of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_ms: Option<f64>,
    /// First sentence, to its first audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tts_ms: Option<f64>,
    /// Last voiced frame received, to the first audio frame sent: what the caller waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<f64>,
}

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The agent.
    Agent,
    /// The other side.
    User,
}

/// One turn of a transcript. Of the agent's words only those really heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TranscriptTurn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was said.
    pub text: String,
    /// First sound.
    pub started_at: Timestamp,
    /// Last sound.
    pub ended_at: Timestamp,
    /// Whether the other side cut it off.
    pub interrupted: bool,
}

/// What was said in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Transcript {
    /// Whose.
    pub call_id: CallId,
    /// In order of time.
    pub turns: Vec<TranscriptTurn>,
}

/// Something that happened in a live call, as server-sent events carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallEvent {
    /// The call came to another state.
    Status {
        /// The new state.
        status: CallStatus,
        /// Why it ended, once it has.
        end_reason: Option<EndReason>,
        /// When.
        at: Timestamp,
    },
    /// Words of a turn that is not over; the next one replaces them.
    TranscriptPartial {
        /// Who speaks.
        speaker: Speaker,
        /// So far.
        text: String,
        /// When.
        at: Timestamp,
    },
    /// A turn that is over.
    TranscriptFinal {
        /// The turn.
        turn: TranscriptTurn,
    },
    /// How long an answer took.
    Latency {
        /// Stage by stage.
        metrics: TurnMetrics,
        /// When.
        at: Timestamp,
    },
    /// A key was pressed (RFC 4733).
    Dtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: String,
        /// When.
        at: Timestamp,
    },
    /// Something broke. Watchers get the whole error envelope as `event: error`, so this form never crosses a wire.
    #[serde(skip)]
    Error {
        /// What.
        error: LaterFailure,
    },
}

impl CallEvent {
    /// Name of the server-sent event, equal to `type` in its data.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::TranscriptPartial { .. } => "transcript_partial",
            Self::TranscriptFinal { .. } => "transcript_final",
            Self::Latency { .. } => "latency",
            Self::Dtmf { .. } => "dtmf",
            Self::Error { .. } => "error",
        }
    }
}
