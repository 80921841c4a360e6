//! Stand-ins for what lies outside of the program.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use contract::{CallEvent, CallId, CallStatus, EndReason, ProviderKind, TranscriptTurn};
use domain::{
    ProviderFailure, ProviderFault,
    calls::{Calls, OutboundCall, SessionPlan},
    error::BoxError,
    ports::{
        BrainEvent, BrainStream, Carrier, ChatRequest, LanguageModel, Placed, RecordingStore, RecordingWriter,
        SentenceEmbedder, Services, SpeechChunk, SpeechRequest, SpeechToText, TextToSpeech, Utterance,
        VoiceActivityDetector,
    },
    records::{CallEnding, Scope},
};
use futures_util::{StreamExt as _, stream, stream::BoxStream};

/// What the next placed calls come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side talks until somebody ends the call.
    Answered,
    /// The carrier fails in this way, with `MARKER` in its cause.
    Fails(ProviderFault),
    /// The carrier panics.
    Panics,
    /// The carrier says nothing, ever.
    Hangs,
}

/// A carrier without wires. Keeps sessions, so that tests can publish their events and end them.
pub struct FakeCarrier {
    calls: Calls,
    outcome: Mutex<Outcome>,
    sessions: Mutex<HashMap<CallId, SessionPlan>>,
    turns: Mutex<HashMap<CallId, Vec<TranscriptTurn>>>,
}

impl FakeCarrier {
    /// For these calls; answers everything.
    pub fn new(calls: Calls) -> Self {
        Self {
            calls,
            outcome: Mutex::new(Outcome::Answered),
            sessions: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// From now on calls come to this.
    pub fn set(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    /// Publishes an event of a live call, as its session would. Turns that are over become the call's transcript.
    pub fn publish(&self, call: CallId, event: CallEvent) {
        if let CallEvent::TranscriptFinal { turn } = &event {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(call).or_default().push(turn.clone());
        }
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&call).expect("the call is live").events.publish(event);
    }

    /// The other side hangs up; comes back once the record was written, or was tried to be.
    pub async fn hang_up(&self, call: CallId) {
        let plan = self.take(call).expect("the call is live");
        self.finish(plan).await;
    }

    /// The session of a live call is gone, and left no word.
    pub fn lose(&self, call: CallId) {
        drop(self.take(call).expect("the call is live"));
    }

    /// Whether a session holds the call.
    pub fn holds(&self, call: CallId) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.contains_key(&call)
    }

    fn take(&self, call: CallId) -> Option<SessionPlan> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&call)
    }

    async fn finish(&self, plan: SessionPlan) {
        let now = self.calls.now();
        let said = self
            .turns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&plan.call.id);
        let ending = CallEnding {
            turns: said.unwrap_or_default(),
            // It answers at once.
            answered_at: Some(plan.call.started_at),
            recorded: true,
            ..CallEnding::before_answer(CallStatus::Completed, EndReason::AgentHangup, now, None)
        };
        self.calls.call_finish(plan.scope, plan.call.id, &ending).await;
        let (status, end_reason) = (ending.status, Some(ending.end_reason));
        plan.events.publish(CallEvent::Status {
            status,
            end_reason,
            at: now,
        });
    }
}

#[async_trait]
impl Carrier for Shared {
    async fn place(&self, call: OutboundCall) -> Result<Placed, ProviderFailure> {
        let outcome = *self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let (scope, id, now) = (call.plan.scope, call.plan.call.id, self.0.calls.now());
        match outcome {
            Outcome::Answered => {
                self.0
                    .calls
                    .call_progress(scope, id, CallStatus::InProgress, Some(now))
                    .await;
                self.0
                    .sessions
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(id, call.plan);
                Ok(Placed::Answered)
            }
            Outcome::Fails(fault) => {
                let failure = ProviderFailure::new("sip", ProviderKind::Telephony, "place_call", fault);
                let failure = failure.with_source("MARKER in the cause");
                let later = Some(failure.later(now));
                let ending = CallEnding::before_answer(CallStatus::Failed, EndReason::Error, now, later);
                self.0.calls.call_finish(scope, id, &ending).await;
                Err(failure)
            }
            Outcome::Panics => panic!("MARKER in a panic"),
            Outcome::Hangs => std::future::pending().await,
        }
    }

    fn end(&self, call: CallId) -> bool {
        let Some(plan) = self.0.take(call) else { return false };
        let carrier = Arc::clone(&self.0);
        tokio::spawn(async move { carrier.finish(plan).await });
        true
    }
}

/// The carrier as the program holds it.
pub(crate) struct Shared(pub(crate) Arc<FakeCarrier>);

/// Speech and thought that cost nothing and understand nothing.
pub struct FakeServices;

impl FakeServices {
    /// One of each, under the name `fake`.
    pub fn services() -> Services {
        let fake = || Arc::new(Self);
        Services {
            voice_activity: Arc::new(|| Box::new(Self)),
            end_of_turn: None,
            embedder: Some(fake()),
            speech_to_text: HashMap::from([("fake/words".to_owned(), fake() as Arc<dyn SpeechToText>)]),
            default_speech_to_text: "fake/words".to_owned(),
            text_to_speech: HashMap::from([("fake".to_owned(), fake() as Arc<dyn TextToSpeech>)]),
            understudy: None,
            language_models: HashMap::from([("fake".to_owned(), fake() as Arc<dyn LanguageModel>)]),
        }
    }
}

impl VoiceActivityDetector for FakeServices {
    fn speech_probability(&mut self, _frame: &[i16; 256]) -> f32 {
        0.0
    }
}

#[async_trait]
impl SpeechToText for FakeServices {
    async fn transcribe(&self, _utterance: Utterance) -> Result<String, ProviderFailure> {
        Ok("hello".to_owned())
    }
}

#[async_trait]
impl TextToSpeech for FakeServices {
    async fn speak(
        &self,
        _request: SpeechRequest,
    ) -> Result<BoxStream<'static, Result<SpeechChunk, ProviderFailure>>, ProviderFailure> {
        let chunk = SpeechChunk {
            samples: vec![0; 1600],
            sample_rate: 16_000,
        };
        Ok(stream::iter([Ok(chunk)]).boxed())
    }
}

#[async_trait]
impl LanguageModel for FakeServices {
    async fn chat(&self, _request: ChatRequest) -> Result<BrainStream, ProviderFailure> {
        Ok(stream::iter([Ok(BrainEvent::Text("Yes.".to_owned()))]).boxed())
    }
}

#[async_trait]
impl SentenceEmbedder for FakeServices {
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderFailure> {
        // Texts with the same first letter mean the same.
        let letter = |text: &String| usize::from(text.bytes().next().unwrap_or_default()) % 32;
        let one_hot = |index: usize| (0..32).map(|at| if at == index { 1.0 } else { 0.0 }).collect();
        Ok(texts.iter().map(letter).map(one_hot).collect())
    }
}

/// A recording store that is broken, with `MARKER` in the cause.
pub struct BrokenRecordings;

fn broken<T>() -> Result<T, BoxError> {
    Err("MARKER in the cause".into())
}

#[async_trait]
impl RecordingStore for BrokenRecordings {
    async fn recording_create(&self, _: Scope, _: CallId, _: u32) -> Result<Box<dyn RecordingWriter>, BoxError> {
        broken()
    }

    async fn recording_size(&self, _: Scope, _: CallId) -> Result<Option<u64>, BoxError> {
        broken()
    }

    async fn recording_read(
        &self,
        _: Scope,
        _: CallId,
        _: u64,
        _: u64,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, BoxError> {
        broken()
    }

    async fn recording_repair(&self, _: Scope, _: CallId) -> Result<bool, BoxError> {
        broken()
    }

    async fn recording_delete(&self, _: Scope, _: CallId) -> Result<(), BoxError> {
        broken()
    }
}
