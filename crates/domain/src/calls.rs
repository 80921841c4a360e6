//! Calls: how they are created, admitted, followed and ended.

mod endings;
mod inbound;
mod keeper;
mod live;
mod outbound;
mod sessions;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use contract::{
    AgentCreate, Call, CallEvent, CallId, CallMetrics, CallStatus, EndReason, LaterFailure, Reason, Timestamp,
    Transcript,
};
use serde_json::{Map, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use self::{endings::Endings, live::Loss};
use crate::{
    Change, Error,
    billing::{Billing, Meter},
    change::deleted_before,
    events::{EventBus, EventPublisher},
    limits::GrantedLimits,
    nodes::Holder,
    ports::{
        Brain, Carrier, Clock, EndOfTurnModel, RecordingStore, Services, SpeechToText, StageDeadlines, Store,
        TextToSpeech, VoiceActivityDetector,
    },
    records::{CallEnding, CallFilter, Listing, Page, Scope, TrunkRecord},
    rules,
};

pub use keeper::{LEASE, NodeKeeper};
pub use outbound::call_faults;

/// Longest wait of a request for a call that it ended to be over.
const END_WAIT: Duration = Duration::from_secs(3);

/// Between askings of a carrier that did not know the call yet.
const END_AGAIN: Duration = Duration::from_millis(200);

/// A synthesizer and the name of a voice there.
#[derive(Clone)]
pub struct SpokenVoice {
    /// The synthesizer's configured name, for errors.
    pub provider: String,
    /// What speaks.
    pub text_to_speech: Arc<dyn TextToSpeech>,
    /// The voice's name at the synthesizer.
    pub voice: String,
}

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
    pub voice: SpokenVoice,
    /// What says the fallback when the voice itself is what broke.
    pub understudy: Option<SpokenVoice>,
    /// What hears speech.
    pub voice_activity: Box<dyn VoiceActivityDetector>,
    /// What hears the end of a sentence.
    pub end_of_turn: Option<Arc<dyn EndOfTurnModel>>,
    /// How long each stage may take.
    pub deadlines: StageDeadlines,
    /// Where live events go.
    pub events: EventPublisher,
    /// What pays for it, where somebody has to.
    pub meter: Option<Meter>,
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

/// Why an inbound call is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// No agent serves the number, or it is not active.
    NobodyHome,
    /// The organisation holds as many calls as it may.
    Full,
    /// The organisation may not spend, or has too few credits.
    Unpaid,
    /// Something broke.
    Broken(Error),
}

/// What calls stand on.
pub struct CallsSetup {
    /// Where records lie.
    pub store: Arc<dyn Store>,
    /// Where recordings lie.
    pub recordings: Arc<dyn RecordingStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Speech and thought.
    pub services: Services,
    /// Who pays.
    pub billing: Billing,
    /// Calls an organisation may hold at once, unless it was granted another number.
    pub concurrent_calls: u32,
    /// What single organisations may instead.
    pub granted: GrantedLimits,
    /// Deadlines of the stages of a turn.
    pub deadlines: StageDeadlines,
}

/// Use cases around calls.
#[derive(Clone)]
pub struct Calls {
    setup: Arc<CallsSetup>,
    events: EventBus,
    carrier: Arc<OnceLock<Arc<dyn Carrier>>>,
    endings: Arc<Endings>,
    /// Names this process among those that were the same node.
    run: Uuid,
}

impl Calls {
    /// Refuses while the organisation holds as many calls as it may. For early answers: the transaction that makes a
    /// call has the last word.
    pub async fn room_check(&self, scope: Scope) -> Result<(), Error> {
        let limit = self.calls_max(scope).await?;
        if self.setup.store.calls_live(scope).await? < limit {
            return Ok(());
        }
        Err(Error::ConcurrentCalls { limit })
    }

    async fn calls_max(&self, scope: Scope) -> Result<u32, Error> {
        let granted = self.setup.granted.of(scope, self.now()).await?;
        Ok(granted.concurrent_calls.unwrap_or(self.setup.concurrent_calls))
    }

    /// Calls without a carrier yet: `carrier_set` gives it, since carriers need calls themselves.
    pub fn new(setup: CallsSetup) -> Self {
        Self {
            setup: Arc::new(setup),
            events: EventBus::default(),
            carrier: Arc::new(OnceLock::new()),
            endings: Arc::default(),
            run: Uuid::now_v7(),
        }
    }

    /// Gives the carrier, once.
    pub fn carrier_set(&self, carrier: Arc<dyn Carrier>) {
        // A second carrier would mean a wiring bug; the first one stays.
        let _ = self.carrier.set(carrier);
    }

    /// Who says the apology when an agent's own voice is what broke.
    pub fn understudy_voice(&self) -> Option<&SpokenVoice> {
        self.setup.services.understudy.as_ref()
    }

    /// Now, by the platform's clock.
    pub fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }

    /// One call.
    pub async fn call_fetch(&self, scope: Scope, id: &str) -> Result<Call, Error> {
        let call_id = rules::id_in_path("call", id)?;
        self.fetch(scope, call_id, id).await
    }

    pub(super) async fn fetch(&self, scope: Scope, id: CallId, shown: &str) -> Result<Call, Error> {
        self.setup
            .store
            .call_fetch(scope, id)
            .await?
            .ok_or_else(|| Error::not_found("call", shown))
    }

    /// A page of calls.
    pub async fn call_list(&self, scope: Scope, filter: CallFilter, page: Page) -> Result<Listing<Call>, Error> {
        Ok(self.setup.store.call_list(scope, filter, page).await?)
    }

    /// Ends a live call and waits, briefly, until it is over.
    pub async fn call_end(&self, change: &Change, id: &str) -> Result<Call, Error> {
        let scope = change.scope;
        let call = self.call_fetch(scope, id).await?;
        match (change.made_before(), call.status.is_final()) {
            (Some(_), true) => return Ok(call),
            // An earlier attempt was cut off after it was noted, perhaps before the carrier heard of it.
            (Some(_), false) => {}
            (None, true) => return Err(over_already(&call)),
            (None, false) => {
                // Noted first: what follows can't be taken back.
                let with = change.note(self.now(), "call.ended", "call", call.id)?;
                self.setup.store.audit_append(scope, &with).await?;
            }
        }
        let events = self.events.watch(scope.organization, call.id);
        if self.carrier()?.end(call.id) || events.is_some() {
            if let Some(events) = events {
                self.until_over(call.id, events).await;
            }
        } else if self.endings.holds(call.id) {
            self.ending_write(call.id).await?;
        } else {
            self.end_elsewhere(scope, call.id).await?;
        }
        self.call_fetch(scope, id).await
    }

    /// Ends a call that is not held by this process.
    async fn end_elsewhere(&self, scope: Scope, id: CallId) -> Result<(), Error> {
        match self.setup.store.call_end_request(scope, id, self.now()).await? {
            Some(Holder::Elsewhere) => self.until_recorded(scope, id).await,
            // What held it broke. Its record must not stay open.
            Some(Holder::Here) => self.close_lost(scope, id, Loss::Unheld).await,
            None => Ok(()),
        }
    }

    /// Waits, briefly, for the record of a call that another node ends.
    async fn until_recorded(&self, scope: Scope, id: CallId) -> Result<(), Error> {
        let over = async {
            loop {
                let call = self.setup.store.call_fetch(scope, id).await?;
                if call.is_none_or(|call| call.status.is_final()) {
                    return Ok(());
                }
                tokio::time::sleep(END_AGAIN).await;
            }
        };
        // As with a call of our own: one that takes longer is shown as it stands.
        tokio::time::timeout(END_WAIT, over).await.unwrap_or(Ok(()))
    }

    /// Waits for a call to end; one that the carrier did not know yet is asked again.
    async fn until_over(&self, id: CallId, mut events: broadcast::Receiver<CallEvent>) {
        let over = async {
            loop {
                match tokio::time::timeout(END_AGAIN, events.recv()).await {
                    Ok(Err(broadcast::error::RecvError::Closed)) => return,
                    Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => {}
                    Err(_) => {
                        let _ = self.carrier().map(|carrier| carrier.end(id));
                    }
                }
            }
        };
        // A call that takes longer is shown as it stands; it ends all the same.
        let _ = tokio::time::timeout(END_WAIT, over).await;
    }

    /// Deletes a call that is over, with its transcript and recording.
    pub async fn call_delete(&self, change: &Change, id: &str) -> Result<(), Error> {
        let scope = change.scope;
        let found = self.call_fetch(scope, id).await;
        let store = &*self.setup.store;
        let Some(call) = deleted_before(store, change, "call.deleted", found).await? else {
            return Ok(());
        };
        if !call.status.is_final() {
            return Err(Error::rule(
                Reason::InvalidState,
                "The call is still going on. End it first.",
                [("call_id", json!(call.id)), ("status", json!(call.status))],
            ));
        }
        // A call that is over changes no more, so nothing can happen between this check and the deletion.
        change.holds_for("call", call.id, &call)?;
        let recordings = &self.setup.recordings;
        recordings
            .recording_delete(scope, call.id)
            .await
            .map_err(|e| Error::internal("delete a recording", e))?;
        let with = change.note(self.now(), "call.deleted", "call", call.id)?;
        if store.call_delete(scope, call.id, &with).await? {
            return Ok(());
        }
        // Somebody was faster; perhaps this very actor.
        let gone = Err::<(), _>(Error::not_found("call", id));
        deleted_before(store, change, "call.deleted", gone).await.map(drop)
    }

    /// What was said so far.
    pub async fn call_transcript(&self, scope: Scope, id: &str) -> Result<Transcript, Error> {
        let call_id: CallId = rules::id_in_path("call", id)?;
        let turns = self.setup.store.call_transcript(scope, call_id).await?;
        Ok(Transcript {
            call_id,
            turns: turns.ok_or_else(|| Error::not_found("call", id))?,
        })
    }

    /// The recording of a call and its size in bytes.
    pub async fn call_recording(&self, scope: Scope, id: &str) -> Result<Recording, Error> {
        let call = self.call_fetch(scope, id).await?;
        let recordings = self.setup.recordings.clone();
        let size = if call.status.is_final() {
            recordings
                .recording_size(scope, call.id)
                .await
                .map_err(|e| Error::internal("find a recording", e))?
        } else {
            None
        };
        let size = size.ok_or_else(|| Error::not_found("recording", id))?;
        Ok(Recording {
            scope,
            call: call.id,
            size,
            recordings,
        })
    }

    /// A call as it stands, and what happens to it from now on while it is live.
    pub async fn call_watch(
        &self,
        scope: Scope,
        id: &str,
    ) -> Result<(Call, Option<broadcast::Receiver<CallEvent>>), Error> {
        let call_id: CallId = rules::id_in_path("call", id)?;
        // Listening begins before looking, so nothing falls between the two.
        let events = self.events.watch(scope.organization, call_id);
        Ok((self.fetch(scope, call_id, id).await?, events))
    }
}

/// A recording that lies ready.
pub struct Recording {
    scope: Scope,
    call: CallId,
    /// In bytes.
    pub size: u64,
    recordings: Arc<dyn RecordingStore>,
}

impl Recording {
    /// Bytes `start..end` as a stream.
    pub async fn read(
        &self,
        start: u64,
        end: u64,
    ) -> Result<futures_util::stream::BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, Error> {
        let stream = self.recordings.recording_read(self.scope, self.call, start, end).await;
        stream.map_err(|error| Error::internal("read a recording", error))
    }
}

/// An error as it stands in a record.
pub fn later(error: &Error, at: Timestamp) -> LaterFailure {
    match error {
        Error::Provider(failure) => failure.later(at),
        Error::PaymentRequired(unpaid) => unpaid.later(at),
        Error::NotFound { .. }
        | Error::Invalid(_)
        | Error::Rule { .. }
        | Error::Role { .. }
        | Error::ConcurrentCalls { .. }
        | Error::Internal { .. } => LaterFailure::new(Reason::Internal, "Something of ours broke.", Map::new(), at),
    }
}

fn over_already(call: &Call) -> Error {
    Error::rule(
        Reason::InvalidState,
        "The call is over already.",
        [("call_id", json!(call.id)), ("status", json!(call.status))],
    )
}

impl CallEnding {
    /// Of a call that was never answered.
    pub fn before_answer(
        status: CallStatus,
        end_reason: EndReason,
        ended_at: Timestamp,
        last_error: Option<LaterFailure>,
    ) -> Self {
        Self {
            status,
            end_reason,
            answered_at: None,
            ended_at,
            turns: Vec::new(),
            metrics: CallMetrics::default(),
            dtmf: String::new(),
            last_error,
            recorded: false,
        }
    }
}
