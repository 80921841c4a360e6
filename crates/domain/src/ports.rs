//! What use cases and call sessions need from outside, as traits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use contract::{
    AgentCreate, AgentId, ApiKeyId, CallId, Credits, LaterFailure, Member, MemberId, Number, NumberId,
    OrganizationLimits, Timestamp, TranscriptTurn, TrunkId, Variables, VoiceId,
};
use futures_util::stream::BoxStream;
use uuid::Uuid;

use crate::{
    billing::{BillingStore, Tariff},
    change::{Actor, Alongside, Answer, AuditEntry},
    error::{BoxError, ProviderFailure},
    nodes::NodeStore,
    records::{
        AgentRecord, AuditFilter, CallEnding, CallFilter, InboundNumber, KeyClaim, KeyRecord, KeyedRequest, Listing,
        MemberChanged, NumberCreated, NumberFilter, Organization, Page, Scope, TrunkRecord, Version, Versioned,
        VoiceRecord,
    },
    snapshot::Snapshot,
};

// ---------------------------------------------------------------- time

/// The only source of wall-clock time in use cases.
pub trait Clock: Send + Sync {
    /// Now, in UTC, cut to milliseconds.
    fn now(&self) -> Timestamp;
}

// ---------------------------------------------------------------- store

/// The store failed; absence is not a failure.
#[derive(Debug, thiserror::Error)]
#[error("store: {doing}")]
pub struct StoreError {
    /// Which method.
    pub doing: &'static str,
    /// Why.
    #[source]
    pub source: BoxError,
}

impl From<StoreError> for crate::Error {
    fn from(error: StoreError) -> Self {
        Self::Internal {
            doing: error.doing,
            source: error.source,
        }
    }
}

/// Result of a store method.
pub type Stored<T> = Result<T, StoreError>;

/// Organisations and their keys.
#[async_trait]
pub trait OrganizationStore: Send + Sync {
    /// Creates an organisation and its first key together.
    async fn organization_create(
        &self,
        organization: &Organization,
        first_key: &KeyRecord,
        with: &Alongside,
    ) -> Stored<()>;
    /// All organisations, oldest first; for the operator.
    async fn organization_list(&self) -> Stored<Vec<Organization>>;
    /// A page of all organisations but the platform's own; for the operator.
    async fn organization_page(&self, page: Page) -> Stored<Listing<Organization>>;
    /// `None` when there is none.
    async fn organization_fetch(&self, scope: Scope) -> Stored<Option<Versioned<Organization>>>;
    /// Replaces a name; `false`, and nothing happened, unless that is its version.
    async fn organization_update(&self, record: &Organization, version: Version, with: &Alongside) -> Stored<bool>;
    /// Adds a key.
    async fn key_create(&self, scope: Scope, key: &KeyRecord, with: &Alongside) -> Stored<()>;
    /// By the public part of the key, across organisations: this is how callers become known.
    async fn key_by_prefix(&self, prefix: &str) -> Stored<Option<Arc<KeyRecord>>>;
    /// A page of keys.
    async fn key_list(&self, scope: Scope, page: Page) -> Stored<Listing<contract::ApiKey>>;
    /// `None` also for another organisation's key.
    async fn key_versioned(&self, scope: Scope, id: ApiKeyId) -> Stored<Option<Versioned<contract::ApiKey>>>;
    /// Replaces what can be changed of a key; `false`, and nothing happened, unless that is its version and it was not
    /// revoked.
    async fn key_update(
        &self,
        scope: Scope,
        key: &contract::ApiKey,
        version: Version,
        with: &Alongside,
    ) -> Stored<bool>;
    /// Ends a key; `false`, and nothing happened, unless that is its version and it was not revoked.
    async fn key_revoke(
        &self,
        scope: Scope,
        id: ApiKeyId,
        version: Version,
        at: Timestamp,
        with: &Alongside,
    ) -> Stored<bool>;
    /// Notes a use; may be lost on a crash.
    async fn key_touch(&self, id: ApiKeyId, at: Timestamp) -> Stored<()>;
}

/// Members of organisations.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Adds a member; `false` when the subject is one already.
    async fn member_create(&self, scope: Scope, member: &Member, with: &Alongside) -> Stored<bool>;
    /// By the subject of a token: this is how people become known.
    async fn member_by_subject(&self, scope: Scope, subject: &str) -> Stored<Option<Member>>;
    /// `None` also for another organisation's member.
    async fn member_versioned(&self, scope: Scope, id: MemberId) -> Stored<Option<Versioned<Member>>>;
    /// A page of members.
    async fn member_list(&self, scope: Scope, page: Page) -> Stored<Listing<Member>>;
    /// Replaces name and role, if that is its version and an owner remains.
    async fn member_update(
        &self,
        scope: Scope,
        member: &Member,
        version: Version,
        with: &Alongside,
    ) -> Stored<MemberChanged>;
    /// Deletes, if that is its version and an owner remains.
    async fn member_delete(
        &self,
        scope: Scope,
        id: MemberId,
        version: Version,
        with: &Alongside,
    ) -> Stored<MemberChanged>;
}

/// Agents.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Adds an agent.
    async fn agent_create(&self, scope: Scope, agent: &AgentRecord, with: &Alongside) -> Stored<()>;
    /// `None` also for another organisation's agent.
    async fn agent_fetch(&self, scope: Scope, id: AgentId) -> Stored<Option<AgentRecord>>;
    /// As `agent_fetch`; who reads it again unchanged may be given the same snapshot.
    async fn agent_snapshot(&self, scope: Scope, id: AgentId) -> Stored<Option<Arc<Snapshot<AgentRecord>>>>;
    /// A page of agents.
    async fn agent_list(&self, scope: Scope, page: Page) -> Stored<Listing<AgentRecord>>;
    /// As `agent_fetch`, to be changed.
    async fn agent_versioned(&self, scope: Scope, id: AgentId) -> Stored<Option<Versioned<AgentRecord>>>;
    /// Replaces settings and `updated_at`; `false`, and nothing happened, unless that is its version.
    async fn agent_update(&self, scope: Scope, agent: &AgentRecord, version: Version, with: &Alongside)
    -> Stored<bool>;
    /// Deletes, and takes it off its numbers; `false`, and nothing happened, unless that is its version.
    async fn agent_delete(&self, scope: Scope, id: AgentId, version: Version, with: &Alongside) -> Stored<bool>;
}

/// Voices: the system's for everyone, the others for their organisation.
#[async_trait]
pub trait VoiceStore: Send + Sync {
    /// Makes a system voice known; the id of one already known by (provider, provider voice id) stays.
    async fn voice_register_system(&self, voice: &VoiceRecord) -> Stored<VoiceId>;
    /// `None` also for another organisation's voice.
    async fn voice_fetch(&self, scope: Scope, id: VoiceId) -> Stored<Option<VoiceRecord>>;
    /// A page of voices.
    async fn voice_list(&self, scope: Scope, page: Page) -> Stored<Listing<VoiceRecord>>;
}

/// Trunks and numbers.
#[async_trait]
pub trait TelephonyStore: Send + Sync {
    /// Adds a trunk.
    async fn trunk_create(&self, scope: Scope, trunk: &TrunkRecord, with: &Alongside) -> Stored<()>;
    /// `None` also for another organisation's trunk.
    async fn trunk_fetch(&self, scope: Scope, id: TrunkId) -> Stored<Option<TrunkRecord>>;
    /// A page of trunks.
    async fn trunk_list(&self, scope: Scope, page: Page) -> Stored<Listing<TrunkRecord>>;
    /// As `trunk_fetch`, to be changed.
    async fn trunk_versioned(&self, scope: Scope, id: TrunkId) -> Stored<Option<Versioned<TrunkRecord>>>;
    /// Replaces a trunk; `false`, and nothing happened, unless that is its version.
    async fn trunk_update(&self, scope: Scope, trunk: &TrunkRecord, version: Version, with: &Alongside)
    -> Stored<bool>;
    /// Deletes a trunk. `Ok(None)`: it has another version, or is gone; `Ok(Some(n))`: n numbers live on it, deleted
    /// only if 0.
    async fn trunk_delete(&self, scope: Scope, id: TrunkId, version: Version, with: &Alongside) -> Stored<Option<u64>>;
    /// Trunks of all organisations that register with their peer; for telephony.
    async fn trunks_that_register(&self) -> Stored<Vec<TrunkRecord>>;
    /// Adds a number, if it can be.
    async fn number_create(&self, scope: Scope, number: &Number, with: &Alongside) -> Stored<NumberCreated>;
    /// `None` also for another organisation's number.
    async fn number_fetch(&self, scope: Scope, id: NumberId) -> Stored<Option<Number>>;
    /// As `number_fetch`, to be changed.
    async fn number_versioned(&self, scope: Scope, id: NumberId) -> Stored<Option<Versioned<Number>>>;
    /// A page of numbers.
    async fn number_list(&self, scope: Scope, filter: NumberFilter, page: Page) -> Stored<Listing<Number>>;
    /// The number an agent calls from: the wanted one, or else the newest that it serves for outbound calls.
    async fn number_for_outbound(&self, scope: Scope, agent: AgentId, wanted: Option<String>)
    -> Stored<Option<Number>>;
    /// Replaces the agents of a number; `false`, and nothing happened, unless that is its version and the agents
    /// exist.
    async fn number_assign(&self, scope: Scope, number: &Number, version: Version, with: &Alongside) -> Stored<bool>;
    /// `false`, and nothing happened, unless that is its version.
    async fn number_delete(&self, scope: Scope, id: NumberId, version: Version, with: &Alongside) -> Stored<bool>;
    /// By phone number across organisations: how the telephone network finds an agent.
    async fn number_by_phone(&self, phone: &str) -> Stored<Option<InboundNumber>>;
}

/// Limits that operators grant single organisations.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// What an organisation was granted; `None` when there is no such organisation.
    async fn limits_fetch(&self, scope: Scope) -> Stored<Option<OrganizationLimits>>;
    /// Sets all of it; `false`, and nothing happened, unless there is such an organisation and `present` is what it was
    /// granted until then.
    async fn limits_set(
        &self,
        scope: Scope,
        present: &OrganizationLimits,
        limits: &OrganizationLimits,
        with: &Alongside,
    ) -> Stored<bool>;
}

/// What became of a call that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is there.
    Created,
    /// There is no place for it.
    Full,
    /// It is not paid.
    Unpaid {
        /// Credits there are.
        balance: Credits,
        /// Credits that were to be held.
        required: Credits,
    },
}

/// Calls, their transcripts and endings.
#[async_trait]
pub trait CallStore: Send + Sync {
    /// Adds a call, and holds what its beginning costs, unless the organisation already has `limit` that are not over
    /// or can't pay; the limit counts first.
    async fn call_create(
        &self,
        scope: Scope,
        call: &contract::Call,
        limit: u32,
        tariff: &Tariff,
        with: &Alongside,
    ) -> Stored<Admission>;
    /// `None` also for another organisation's call.
    async fn call_fetch(&self, scope: Scope, id: CallId) -> Stored<Option<contract::Call>>;
    /// How many calls of the organisation are not over.
    async fn calls_live(&self, scope: Scope) -> Stored<u32>;
    /// A page of calls.
    async fn call_list(&self, scope: Scope, filter: CallFilter, page: Page) -> Stored<Listing<contract::Call>>;
    /// Moves a call that is not over to `ringing` or `in_progress`.
    async fn call_progress(
        &self,
        scope: Scope,
        id: CallId,
        status: contract::CallStatus,
        answered_at: Option<Timestamp>,
    ) -> Stored<()>;
    /// Keeps a finished turn at once, so that a crash loses at most the turn in progress.
    async fn call_turn_append(&self, scope: Scope, id: CallId, index: u32, turn: &TranscriptTurn) -> Stored<()>;
    /// Notes what broke while the call goes on.
    async fn call_error_set(&self, scope: Scope, id: CallId, error: &LaterFailure) -> Stored<()>;
    /// Ends a call: status, times, transcript, metrics, recording flag and cost in one transaction. The first ending
    /// stays; `false` when the call was over already.
    async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) -> Stored<bool>;
    /// The turns kept so far, in order; `None` when there is no such call.
    async fn call_transcript(&self, scope: Scope, id: CallId) -> Stored<Option<Vec<TranscriptTurn>>>;
    /// Deletes a call that is over, with its transcript; `false` when there is no such call.
    async fn call_delete(&self, scope: Scope, id: CallId, with: &Alongside) -> Stored<bool>;
}

/// Who changed what.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Writes what goes with a change that has no record of its own.
    async fn audit_append(&self, scope: Scope, with: &Alongside) -> Stored<()>;
    /// A page of the organisation's log.
    async fn audit_list(&self, scope: Scope, filter: AuditFilter, page: Page) -> Stored<Listing<AuditEntry>>;
    /// Whether that actor did that to that thing.
    async fn audit_knows(&self, scope: Scope, actor: &Actor, action: &'static str, resource_id: &str) -> Stored<bool>;
}

/// Requests that were made under an `Idempotency-Key`, and their answers.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// What is known of a key.
    async fn idempotency_find(&self, scope: Scope, route: &str, key: &str) -> Stored<Option<KeyedRequest>>;
    /// Claims a key that nobody used since `fresh_after`, or whose claimant was cut off.
    async fn idempotency_claim(&self, scope: Scope, request: &KeyedRequest, fresh_after: Timestamp)
    -> Stored<KeyClaim>;
    /// Stores the answer of a claim that has none.
    async fn idempotency_answer(&self, scope: Scope, claim: Uuid, answer: &Answer) -> Stored<()>;
    /// Forgets a claim that has no answer: the request may be made again.
    async fn idempotency_release(&self, scope: Scope, claim: Uuid) -> Stored<()>;
    /// Gives up a claim that has no answer. What it made stays known; if it made nothing it is forgotten.
    async fn idempotency_abandon(&self, scope: Scope, claim: Uuid) -> Stored<()>;
    /// Forgets requests of all organisations made before that, at most `limit`; how many.
    async fn idempotency_purge(&self, before: Timestamp, limit: u32) -> Stored<u64>;
}

/// All of the store.
pub trait Store:
    OrganizationStore
    + MemberStore
    + AgentStore
    + VoiceStore
    + TelephonyStore
    + CallStore
    + AuditStore
    + IdempotencyStore
    + BillingStore
    + NodeStore
{
    /// Itself, for readiness probes and the like.
    fn name(&self) -> &'static str;
}

// ---------------------------------------------------------------- recordings

/// Where recordings lie.
#[async_trait]
pub trait RecordingStore: Send + Sync {
    /// Opens a recording for writing: 16-bit PCM WAV, stereo, caller left and agent right. Frames reach the
    /// disk as they come, so a crash leaves what was recorded so far.
    async fn recording_create(
        &self,
        scope: Scope,
        call: CallId,
        sample_rate: u32,
    ) -> Result<Box<dyn RecordingWriter>, BoxError>;
    /// Size in bytes, or `None` when there is no recording.
    async fn recording_size(&self, scope: Scope, call: CallId) -> Result<Option<u64>, BoxError>;
    /// Bytes `start..end`, at most the file's.
    async fn recording_read(
        &self,
        scope: Scope,
        call: CallId,
        start: u64,
        end: u64,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, BoxError>;
    /// Makes the header of a recording whose writer died agree with its length; `false` when there is none.
    async fn recording_repair(&self, scope: Scope, call: CallId) -> Result<bool, BoxError>;
    /// Deletes; fine when there is none.
    async fn recording_delete(&self, scope: Scope, call: CallId) -> Result<(), BoxError>;
}

/// One recording being written. Dropping it without `finish` is a crash, which `recording_repair` mends.
#[async_trait]
pub trait RecordingWriter: Send {
    /// Appends interleaved stereo samples. Never waits for the disk: what does not fit the bounded queue is
    /// dropped, and `finish` says so.
    fn write(&mut self, interleaved: &[i16]);
    /// Writes the header and closes.
    async fn finish(self: Box<Self>) -> Result<(), BoxError>;
}

// ---------------------------------------------------------------- speech and thought

/// Speech as services take it.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Mono, 16-bit, 16 kHz.
    pub samples: Arc<[i16]>,
    /// BCP 47, if known.
    pub language: Option<String>,
}

impl Utterance {
    /// The rate of `samples`.
    pub const SAMPLE_RATE: u32 = 16_000;
}

/// Turns speech into words. Dropping the future cancels the work as far as the service can.
#[async_trait]
pub trait SpeechToText: Send + Sync {
    /// The words, trimmed; empty when there were none.
    async fn transcribe(&self, utterance: Utterance) -> Result<String, ProviderFailure>;
}

/// What to say.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeechRequest {
    /// About a sentence.
    pub text: String,
    /// The voice's name at the provider.
    pub voice: String,
}

/// A piece of synthesized speech.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeechChunk {
    /// Mono, 16-bit.
    pub samples: Vec<i16>,
    /// The rate of `samples`; the same for all chunks of a stream.
    pub sample_rate: u32,
}

/// Turns words into speech.
#[async_trait]
pub trait TextToSpeech: Send + Sync {
    /// Speech, in order, as it comes. Dropping the stream cancels the work.
    async fn speak(
        &self,
        request: SpeechRequest,
    ) -> Result<BoxStream<'static, Result<SpeechChunk, ProviderFailure>>, ProviderFailure>;
}

/// Who said a message to a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the roles of chat completion APIs")]
pub enum ChatRole {
    System,
    User,
    Assistant,
}

/// A message to a language model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who.
    pub role: ChatRole,
    /// What.
    pub text: String,
}

/// A whole request to a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The model's name at the provider.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<ChatMessage>,
    /// 0 to 1.
    pub temperature: f32,
    /// Whether the model may end the call (offered as the tool `end_call`).
    pub may_end_call: bool,
}

/// What comes out of a brain, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrainEvent {
    /// Some more of the answer; any cut.
    Text(String),
    /// End the call once the answer is said.
    EndCall,
}

/// An answer as it comes. Dropping it cancels the work.
pub type BrainStream = BoxStream<'static, Result<BrainEvent, ProviderFailure>>;

/// A language model behind some API.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// The answer as it comes.
    async fn chat(&self, request: ChatRequest) -> Result<BrainStream, ProviderFailure>;
}

/// Meaning of sentences as unit vectors; the dot product of two is their likeness.
#[async_trait]
pub trait SentenceEmbedder: Send + Sync {
    /// A vector for each text, all of one length.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderFailure>;
}

/// What thinks in one call. One per call; keeps the conversation.
#[async_trait]
pub trait Brain: Send {
    /// Words the greeting itself; only called when the agent's greeting is a prompt.
    async fn greet(&mut self, prompt: &str) -> Result<BrainStream, ProviderFailure>;
    /// Answers the caller's words.
    async fn answer(&mut self, words: &str) -> Result<BrainStream, ProviderFailure>;
    /// What was really heard of the last answer or greeting; told before the next `answer`. Empty and interrupted:
    /// nothing of it, as the caller went on talking; all the words come again with the next `answer`. That may be
    /// told of an answer that was cancelled before this brain was asked for it.
    fn heard(&mut self, text: &str, interrupted: bool);
    /// What the caller heard from the agent without this brain: a fixed greeting, a message into silence.
    fn said(&mut self, text: &str) {
        let _ = text;
    }
}

/// Hears speech in one call, frame by frame. Keeps state; cheap enough for the session's own task.
pub trait VoiceActivityDetector: Send {
    /// Probability that 256 samples (16 ms at 16 kHz) hold speech.
    fn speech_probability(&mut self, frame: &[i16; 256]) -> f32;
}

/// Tells a finished sentence from a pause in the middle of one.
#[async_trait]
pub trait EndOfTurnModel: Send + Sync {
    /// Probability that the turn is over, from its audio up to now (mono 16 kHz; the last 8 s count).
    async fn turn_is_over(&self, utterance: Utterance) -> Result<f32, ProviderFailure>;
}

/// Makes a detector for each call.
pub type VoiceActivityFactory = Arc<dyn Fn() -> Box<dyn VoiceActivityDetector> + Send + Sync>;

/// What speech and thought services are configured, by provider name.
#[derive(Clone)]
pub struct Services {
    /// Makes a detector for each call.
    pub voice_activity: VoiceActivityFactory,
    /// Absent: silence alone ends turns.
    pub end_of_turn: Option<Arc<dyn EndOfTurnModel>>,
    /// For `builtin/guide`; absent: that model is not available.
    pub embedder: Option<Arc<dyn SentenceEmbedder>>,
    /// Recognisers by `<provider>/<model>`.
    pub speech_to_text: HashMap<String, Arc<dyn SpeechToText>>,
    /// The recogniser of agents that name none.
    pub default_speech_to_text: String,
    /// Synthesizers by provider.
    pub text_to_speech: HashMap<String, Arc<dyn TextToSpeech>>,
    /// Says the fallback when an agent's own synthesizer is what broke.
    pub understudy: Option<crate::calls::SpokenVoice>,
    /// Language models by provider; the rest of an agent's `model` is the name there.
    pub language_models: HashMap<String, Arc<dyn LanguageModel>>,
}

/// What a brain is opened with.
#[derive(Clone, Debug)]
pub struct BrainSetup {
    /// The agent's settings, overrides of the call applied.
    pub agent: AgentCreate,
    /// Values for `{{variables}}`.
    pub variables: Variables,
    /// For relative dates.
    pub now: Timestamp,
}

// ---------------------------------------------------------------- carrier

/// How far an outbound call must come before `Carrier::place` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The other side rings, or is on its way.
    Proceeding,
    /// It was answered at once.
    Answered,
    /// It ended at once in a way that is nobody's failure (busy, declined); the record says how.
    Ended,
}

/// Carries calls. Implemented by telephony.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Starts an outbound call and its session. Resolves at the first answer of the peer, or after a short
    /// grace without one; a peer that refuses at once is a failure.
    async fn place(&self, call: crate::calls::OutboundCall) -> Result<Placed, ProviderFailure>;
    /// Ends a live call in order; `false` when it is not live here.
    fn end(&self, call: CallId) -> bool;
}

/// Deadlines of the stages of a turn; each has a spoken fallback behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageDeadlines {
    /// To the text of a turn.
    pub transcribe: Duration,
    /// To the first words of an answer, and between words.
    pub reply: Duration,
    /// To the first audio of a sentence, and between pieces.
    pub speak: Duration,
}

impl Default for StageDeadlines {
    fn default() -> Self {
        Self {
            transcribe: Duration::from_secs(8),
            reply: Duration::from_millis(2500),
            speak: Duration::from_millis(2500),
        }
    }
}
