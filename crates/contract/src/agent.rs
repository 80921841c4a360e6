//! Agents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AgentId, LaterFailure, Script, Span, Timestamp};

/// Whether an agent takes and places calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Being written; takes no calls.
    Draft,
    /// Being prepared by the platform.
    Creating,
    /// Takes and places calls.
    #[default]
    Active,
    /// Could not be prepared.
    Failed,
}

/// Who speaks first when a call is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstSpeaker {
    /// The agent, with its greeting.
    #[default]
    Agent,
    /// The other side.
    User,
}

/// What the agent says first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// Said word for word. Takes `{{variables}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1000)]
    pub text: Option<String>,
    /// Given to the model, which then words the greeting itself. Not with `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 4000)]
    pub prompt: Option<String>,
    /// Whether the other side can talk over it.
    #[serde(default = "yes")]
    pub interruptible: bool,
}

/// Said when the other side has been quiet for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InactivityMessage {
    /// Quiet time before it is said, 1 s to 24 h.
    pub after: Span,
    /// What is said.
    #[schema(min_length = 1, max_length = 1000)]
    pub message: String,
    /// What follows.
    #[serde(default)]
    pub then: AfterInactivity,
}

/// What follows an inactivity message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterInactivity {
    /// Wait on.
    #[default]
    Continue,
    /// End the call.
    HangUp,
}

/// When the other side may interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Interruption {
    /// Whether at all.
    pub enabled: bool,
    /// Words needed before the agent stops; 0 goes by sound alone.
    #[schema(minimum = 0, maximum = 10)]
    pub min_words: u8,
    /// Speech needed before the agent stops, 0 to 5 s.
    pub min_speech: Span,
}

impl Default for Interruption {
    fn default() -> Self {
        Self {
            enabled: true,
            min_words: 0,
            min_speech: Span::millis(300),
        }
    }
}

/// How the end of the other side's turn is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Endpointing {
    /// Silence, shortened or lengthened by a model that hears whether the sentence is finished.
    #[default]
    Smart,
    /// Silence alone.
    Silence,
}

/// Turn-taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TurnSettings {
    /// How the end of a turn is found.
    pub endpointing: Endpointing,
    /// Start recognising in every pause, before it is sure that the turn is over.
    pub eager: bool,
}

impl Default for TurnSettings {
    fn default() -> Self {
        Self {
            endpointing: Endpointing::Smart,
            eager: true,
        }
    }
}

fn yes() -> bool {
    true
}
fn default_model() -> String {
    "builtin/guide".to_owned()
}
fn default_temperature() -> f32 {
    0.3
}
fn default_max_duration() -> Span {
    Span::seconds(3600)
}
fn default_join_timeout() -> Span {
    Span::seconds(30)
}

/// A new agent; also the whole of what an agent's owner can set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentCreate {
    /// For people.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// The voice it speaks with.
    #[schema(example = "019a3b5e-7c00-7000-8000-000000000001")]
    pub voice_id: String,
    /// Who it is and what it knows. Takes `{{variables}}`.
    #[schema(min_length = 1, max_length = 100_000)]
    pub system_prompt: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// `active` takes and places calls, `draft` does not. The other states are the platform's.
    #[serde(default)]
    pub status: AgentStatus,
    /// The brain: `builtin/guide`, or `<provider>/<model>` of a configured provider.
    #[serde(default = "default_model")]
    #[schema(min_length = 1, max_length = 255)]
    pub model: String,
    /// The recogniser: `<provider>/<model>`; the server's default when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub transcription_model: Option<String>,
    /// How freely a language model words its answers.
    #[serde(default = "default_temperature")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub temperature: f32,
    /// BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "bcp47", example = "en-US")]
    pub language_hint: Option<String>,
    /// Whether calls are recorded.
    #[serde(default = "yes")]
    pub recording_enabled: bool,
    /// Whether transcripts are kept.
    #[serde(default = "yes")]
    pub transcription_enabled: bool,
    /// Who speaks first.
    #[serde(default)]
    pub first_speaker: FirstSpeaker,
    /// What the agent says first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Greeting>,
    /// Longest call, 1 s to 24 h.
    #[serde(default = "default_max_duration")]
    pub max_duration: Span,
    /// Longest wait for an answer to an outbound call, 1 s to 24 h.
    #[serde(default = "default_join_timeout")]
    pub join_timeout: Span,
    /// Said when the other side is quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub inactivity_messages: Vec<InactivityMessage>,
    /// When the other side may interrupt.
    #[serde(default)]
    pub interruption: Interruption,
    /// Turn-taking.
    #[serde(default)]
    pub turn: TurnSettings,
    /// What `builtin/guide` knows. Required for that model to be of use, ignored by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
}

/// A change to an agent: what is present changes, `null` clears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of AgentCreate")]
pub struct AgentUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub voice_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100_000, nullable = false)]
    pub system_prompt: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, max_length = 1000)]
    pub description: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub status: Option<AgentStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255, nullable = false)]
    pub model: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pub transcription_model: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 1.0, nullable = false)]
    pub temperature: Option<f32>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<String>, format = "bcp47")]
    pub language_hint: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recording_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub transcription_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_speaker: Option<FirstSpeaker>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<Greeting>)]
    pub greeting: Option<Option<Greeting>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub max_duration: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub join_timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10, nullable = false)]
    pub inactivity_messages: Option<Vec<InactivityMessage>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub interruption: Option<Interruption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub turn: Option<TurnSettings>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::list::present"
    )]
    #[schema(value_type = Option<Script>)]
    pub script: Option<Option<Script>>,
}

/// An agent as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// All that its owner set.
    #[serde(flatten)]
    pub settings: AgentCreate,
    /// Why it failed, if it did.
    pub last_error: Option<LaterFailure>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Values for `{{variables}}` in prompts and greetings.
pub type Variables = BTreeMap<String, String>;
