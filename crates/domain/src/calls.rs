//! Calls: how they are created, admitted, followed and ended.

use std::{sync::Arc, time::Duration};

use contract::{AgentCreate, Call};

use crate::{
    events::EventPublisher,
    ports::{Brain, EndOfTurnModel, SpeechToText, StageDeadlines, TextToSpeech, VoiceActivityDetector},
    records::{Scope, TrunkRecord},
};

/// All that a session needs to hold a call.
pub struct SessionPlan {
    /// Whose call.
    pub scope: Scope,
    /// The record as it was created.
    pub call: Call,
    /// The agent's settings, the call's overrides applied and variables filled in.
    pub agent: AgentCreate,
    /// What thinks.
    pub brain: Box<dyn Brain>,
    /// What hears words.
    pub speech_to_text: Arc<dyn SpeechToText>,
    /// What speaks.
    pub text_to_speech: Arc<dyn TextToSpeech>,
    /// The voice's name at the synthesizer.
    pub voice: String,
    /// What hears speech.
    pub voice_activity: Box<dyn VoiceActivityDetector>,
    /// What hears the end of a sentence.
    pub end_of_turn: Option<Arc<dyn EndOfTurnModel>>,
    /// How long each stage may take.
    pub deadlines: StageDeadlines,
    /// Where live events go.
    pub events: EventPublisher,
}

/// Whom an outbound call goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// E.164, through the trunk's host.
    Phone(String),
    /// A SIP URI, as given.
    SipUri(String),
}

/// An outbound call on its way to the carrier.
pub struct OutboundCall {
    /// What the session needs.
    pub plan: SessionPlan,
    /// Through which trunk.
    pub trunk: TrunkRecord,
    /// Our number, E.164.
    pub from: String,
    /// Whom to call.
    pub to: Destination,
    /// Longest wait for an answer.
    pub join_timeout: Duration,
}
