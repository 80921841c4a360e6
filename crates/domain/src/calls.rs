//! Calls: how they are created, admitted, followed and ended.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use contract::{
    AgentCreate, AgentId, AgentStatus, Call, CallContext, CallCreate, CallDirection, CallEvent, CallId, CallMetrics,
    CallSettings, CallStatus, EndReason, FieldFault, FieldReason, LaterFailure, Reason, Timestamp, Transcript,
    TranscriptTurn, Variables, VoiceId,
};
use serde_json::{Map, json};
use tokio::sync::broadcast;

use crate::{
    Error, agents, brain,
    error::BoxError,
    events::{EventBus, EventPublisher},
    ports::{
        Brain, BrainSetup, Carrier, Clock, EndOfTurnModel, RecordingStore, RecordingWriter, Services, SpeechToText,
        StageDeadlines, Store, StoreError, TextToSpeech, VoiceActivityDetector,
    },
    records::{CallEnding, CallFilter, InboundNumber, Listing, Page, Scope, TrunkRecord},
    rules,
};

/// Longest wait of a request for a call that it ended to be over.
const END_WAIT: Duration = Duration::from_secs(3);

/// Most numbers looked at when an outbound call names none.
const NUMBERS_LOOKED_AT: u32 = 100;

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
    /// Calls an organisation may hold at once.
    pub concurrent_calls: u32,
    /// Deadlines of the stages of a turn.
    pub deadlines: StageDeadlines,
}

/// Use cases around calls.
#[derive(Clone)]
pub struct Calls {
    setup: Arc<CallsSetup>,
    events: EventBus,
    carrier: Arc<OnceLock<Arc<dyn Carrier>>>,
}

impl Calls {
    /// Calls without a carrier yet: `carrier_set` gives it, since carriers need calls themselves.
    pub fn new(setup: CallsSetup) -> Self {
        Self { setup: Arc::new(setup), events: EventBus::default(), carrier: Arc::new(OnceLock::new()) }
    }

    /// Gives the carrier, once.
    pub fn carrier_set(&self, carrier: Arc<dyn Carrier>) {
        // A second carrier would mean a wiring bug; the first one stays.
        let _ = self.carrier.set(carrier);
    }

    /// Now, by the platform's clock.
    pub fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }

    // ------------------------------------------------------------ outbound

    /// Places a call. Comes back once the peer rings, answers or is on its way; a peer that refuses at once
    /// is a provider failure, and the record says why.
    pub async fn call_create(&self, scope: Scope, create: CallCreate) -> Result<Call, Error> {
        form_check(&create)?;
        let agent_id: AgentId = rules::id_in_body("agent", &create.agent_id, "/agent_id")?;
        let agent = (self.setup.store.agent_fetch(scope, agent_id).await?)
            .ok_or_else(|| Error::not_found_in("agent", &create.agent_id, "/agent_id"))?;
        let settings = overridden(agent.settings, create.call_settings.as_ref());
        variables_check(&settings, &create.variables)?;
        if settings.status != AgentStatus::Active {
            return Err(Error::rule(
                Reason::AgentNotActive,
                "The agent is not active, so it places no calls.",
                [("agent_id", json!(agent_id)), ("status", json!(settings.status))],
            ));
        }
        let (from, trunk) = self.outbound_number(scope, agent_id, create.from_number.as_deref()).await?;
        let to = destination(&create, &trunk)?;
        let call = Call {
            direction: CallDirection::Outbound,
            status: CallStatus::Queued,
            from_number: Some(from.clone()),
            to_number: Some(match &to {
                Destination::Phone(number) => number.clone(),
                Destination::SipUri(uri) => uri.clone(),
            }),
            variables: create.variables,
            metadata: create.metadata,
            ..new_call(agent_id, self.now())
        };
        let join_timeout = settings.join_timeout.duration();
        let plan = self.plan(scope, call, settings).await?;
        if !self.setup.store.call_create(scope, &plan.call, self.setup.concurrent_calls).await? {
            return Err(Error::ConcurrentCalls { limit: self.setup.concurrent_calls });
        }
        let id = plan.call.id;
        let carrier = self.carrier()?;
        carrier.place(OutboundCall { plan, trunk, from, to, join_timeout }).await?;
        self.fetch(scope, id, &id.to_string()).await
    }

    async fn outbound_number(
        &self,
        scope: Scope,
        agent: AgentId,
        wanted: Option<&str>,
    ) -> Result<(String, TrunkRecord), Error> {
        let page = Page { limit: NUMBERS_LOOKED_AT, offset: 0, before: None };
        let numbers = self.setup.store.number_list(scope, Some(agent), page).await?;
        let wanted = wanted.and_then(rules::e164);
        let number = numbers
            .items
            .into_iter()
            .filter(|number| number.outbound_agent_id == Some(agent))
            .find(|number| wanted.as_ref().is_none_or(|wanted| *wanted == number.phone_number))
            .ok_or_else(|| {
                let mut details = Map::from_iter([("agent_id".to_owned(), json!(agent))]);
                if let Some(wanted) = wanted {
                    details.insert("from_number".to_owned(), json!(wanted));
                }
                Error::Rule {
                    reason: Reason::NoOutboundNumber,
                    message: "The agent has no number to call from. Assign it one for outbound calls.".to_owned(),
                    details,
                }
            })?;
        let trunk = self.setup.store.trunk_fetch(scope, number.trunk_id).await?.ok_or_else(|| {
            Error::internal("find the trunk of a number", format!("number {} has no trunk", number.id))
        })?;
        Ok((number.phone_number, trunk))
    }

    // ------------------------------------------------------------ inbound

    /// Whose number was dialled; digits without `+` are taken as international.
    pub async fn inbound_lookup(&self, dialled: &str) -> Result<Option<InboundNumber>, Error> {
        let phone = rules::e164(dialled).or_else(|| rules::e164(&format!("+{dialled}")));
        match phone {
            Some(phone) => Ok(self.setup.store.number_by_phone(&phone).await?),
            None => Ok(None),
        }
    }

    /// Takes an inbound call, limits first, and says what its session needs.
    pub async fn inbound_admit(&self, number: &InboundNumber, from: String) -> Result<SessionPlan, Refusal> {
        let scope = Scope { organization: number.organization };
        let agent_id = number.number.inbound_agent_id.ok_or(Refusal::NobodyHome)?;
        let agent = self.setup.store.agent_fetch(scope, agent_id).await.map_err(broken)?.ok_or(Refusal::NobodyHome)?;
        if agent.settings.status != AgentStatus::Active {
            return Err(Refusal::NobodyHome);
        }
        let variables = Variables::from([
            ("caller_number".to_owned(), from.clone()),
            ("called_number".to_owned(), number.number.phone_number.clone()),
        ]);
        let call = Call {
            direction: CallDirection::Inbound,
            status: CallStatus::Ringing,
            from_number: Some(from),
            to_number: Some(number.number.phone_number.clone()),
            variables,
            ..new_call(agent_id, self.now())
        };
        // The row first: at the cap a caller is turned away before any model does work for it.
        let limit = self.setup.concurrent_calls;
        if !self.setup.store.call_create(scope, &call, limit).await.map_err(broken)? {
            return Err(Refusal::Full);
        }
        let id = call.id;
        match self.plan(scope, call, agent.settings).await {
            Ok(plan) => Ok(plan),
            Err(error) => {
                let failure = later(&error, self.now());
                let ending = CallEnding::before_answer(CallStatus::Failed, EndReason::Error, self.now(), Some(failure));
                self.call_finish(scope, id, &ending).await;
                Err(Refusal::Broken(error))
            }
        }
    }

    // ------------------------------------------------------------ what sessions tell

    /// Notes how far a call has come.
    pub async fn call_progress(&self, scope: Scope, id: CallId, status: CallStatus, answered_at: Option<Timestamp>) {
        logged(id, self.setup.store.call_progress(scope, id, status, answered_at).await);
    }

    /// Keeps a finished turn.
    pub async fn call_turn(&self, scope: Scope, id: CallId, index: u32, turn: &TranscriptTurn) {
        logged(id, self.setup.store.call_turn_append(scope, id, index, turn).await);
    }

    /// Notes what broke while the call goes on.
    pub async fn call_error(&self, scope: Scope, id: CallId, error: &LaterFailure) {
        logged(id, self.setup.store.call_error_set(scope, id, error).await);
    }

    /// Ends the record of a call; the first ending stays.
    pub async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) {
        logged(id, self.setup.store.call_finish(scope, id, ending).await.map(drop));
    }

    /// Trunks of all organisations that want us registered with their peer.
    pub async fn trunks_that_register(&self) -> Result<Vec<TrunkRecord>, Error> {
        Ok(self.setup.store.trunks_that_register().await?)
    }

    /// Opens the recording of a call.
    pub async fn recording_open(
        &self,
        scope: Scope,
        id: CallId,
        sample_rate: u32,
    ) -> Result<Box<dyn RecordingWriter>, BoxError> {
        self.setup.recordings.recording_create(scope, id, sample_rate).await
    }

    /// After a start: calls that were going on when the program died become `failed`, with what was recorded
    /// and said so far. How many there were.
    pub async fn recover(&self) -> Result<usize, Error> {
        let lost = self.setup.store.calls_unfinished().await?;
        let count = lost.len();
        for owned in lost {
            let scope = Scope { organization: owned.organization };
            let id = owned.call.id;
            let recorded = self.setup.recordings.recording_repair(scope, id).await.unwrap_or_else(|error| {
                tracing::warn!(call_id = %id, %error, "the recording of a lost call could not be repaired");
                false
            });
            let failure = LaterFailure::new(
                Reason::Internal,
                "The server stopped in the middle of this call.",
                Map::new(),
                self.now(),
            );
            let ending = CallEnding {
                answered_at: owned.call.answered_at,
                turns: self.setup.store.call_transcript(scope, id).await?.unwrap_or_default(),
                metrics: owned.call.metrics,
                dtmf: owned.call.context.dtmf,
                recorded,
                ..CallEnding::before_answer(CallStatus::Failed, EndReason::Error, self.now(), Some(failure))
            };
            self.setup.store.call_finish(scope, id, &ending).await?;
        }
        Ok(count)
    }

    // ------------------------------------------------------------ looking and ending

    /// One call.
    pub async fn call_fetch(&self, scope: Scope, id: &str) -> Result<Call, Error> {
        let call_id = rules::id_in_path("call", id)?;
        self.fetch(scope, call_id, id).await
    }

    async fn fetch(&self, scope: Scope, id: CallId, shown: &str) -> Result<Call, Error> {
        self.setup.store.call_fetch(scope, id).await?.ok_or_else(|| Error::not_found("call", shown))
    }

    /// A page of calls.
    pub async fn call_list(&self, scope: Scope, filter: CallFilter, page: Page) -> Result<Listing<Call>, Error> {
        Ok(self.setup.store.call_list(scope, filter, page).await?)
    }

    /// Ends a live call and waits, briefly, until it is over.
    pub async fn call_end(&self, scope: Scope, id: &str) -> Result<Call, Error> {
        let call = self.call_fetch(scope, id).await?;
        let mut over = self.events.watch(scope.organization, call.id);
        if call.status.is_final() || !self.carrier()?.end(call.id) {
            return Err(over_already(&self.call_fetch(scope, id).await?));
        }
        if let Some(events) = &mut over {
            let ended = async { while !matches!(events.recv().await, Err(broadcast::error::RecvError::Closed)) {} };
            // A call that takes longer is shown as it stands; it ends all the same.
            let _ = tokio::time::timeout(END_WAIT, ended).await;
        }
        self.call_fetch(scope, id).await
    }

    /// Deletes a call that is over, with its transcript and recording.
    pub async fn call_delete(&self, scope: Scope, id: &str) -> Result<(), Error> {
        let call = self.call_fetch(scope, id).await?;
        if !call.status.is_final() {
            return Err(Error::rule(
                Reason::InvalidState,
                "The call is still going on. End it first.",
                [("call_id", json!(call.id)), ("status", json!(call.status))],
            ));
        }
        let recordings = &self.setup.recordings;
        recordings.recording_delete(scope, call.id).await.map_err(|e| Error::internal("delete a recording", e))?;
        if self.setup.store.call_delete(scope, call.id).await? { Ok(()) } else { Err(Error::not_found("call", id)) }
    }

    /// What was said so far.
    pub async fn call_transcript(&self, scope: Scope, id: &str) -> Result<Transcript, Error> {
        let call_id: CallId = rules::id_in_path("call", id)?;
        let turns = self.setup.store.call_transcript(scope, call_id).await?;
        Ok(Transcript { call_id, turns: turns.ok_or_else(|| Error::not_found("call", id))? })
    }

    /// The recording of a call and its size in bytes.
    pub async fn call_recording(&self, scope: Scope, id: &str) -> Result<Recording, Error> {
        let call = self.call_fetch(scope, id).await?;
        let recordings = self.setup.recordings.clone();
        let size = match call.status.is_final() {
            true => recordings.recording_size(scope, call.id).await.map_err(|e| Error::internal("find a recording", e))?,
            false => None,
        };
        let size = size.ok_or_else(|| Error::not_found("recording", id))?;
        Ok(Recording { scope, call: call.id, size, recordings })
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

    // ------------------------------------------------------------ making sessions

    fn carrier(&self) -> Result<&Arc<dyn Carrier>, Error> {
        self.carrier.get().ok_or_else(|| Error::internal("place a call", "no carrier is wired"))
    }

    async fn plan(&self, scope: Scope, call: Call, mut agent: AgentCreate) -> Result<SessionPlan, Error> {
        let services = &self.setup.services;
        let voice = self.voice(scope, &agent.voice_id).await?;
        let wanted = agent.transcription_model.as_ref().unwrap_or(&services.default_speech_to_text);
        let speech_to_text = services.speech_to_text.get(wanted).cloned().ok_or_else(|| {
            Error::internal("find the recogniser of an agent", format!("{wanted} is not configured"))
        })?;
        let setup = BrainSetup { agent: agent.clone(), variables: call.variables.clone(), now: call.started_at };
        let brain = brain::open_brain(services, setup).await?;
        spoken_texts_fill(&mut agent, &call.variables);
        let understudy = self.understudy(&voice);
        Ok(SessionPlan {
            events: self.events.open(scope.organization, call.id),
            scope,
            call,
            agent,
            brain,
            speech_to_text,
            voice,
            understudy,
            voice_activity: (services.voice_activity)(),
            end_of_turn: services.end_of_turn.clone(),
            deadlines: self.setup.deadlines,
        })
    }

    async fn voice(&self, scope: Scope, id: &str) -> Result<SpokenVoice, Error> {
        let voice_id: VoiceId = id.parse().map_err(|_| Error::not_found("voice", id))?;
        let voice = self.setup.store.voice_fetch(scope, voice_id).await?;
        let voice = voice.ok_or_else(|| Error::not_found("voice", id))?;
        let engine = self.setup.services.text_to_speech.get(&voice.provider).cloned().ok_or_else(|| {
            Error::internal("find the synthesizer of a voice", format!("{} is not configured", voice.provider))
        })?;
        Ok(SpokenVoice { provider: voice.provider, text_to_speech: engine, voice: voice.provider_voice_id })
    }

    /// Another synthesizer than the voice's own, if the platform brings one.
    fn understudy(&self, voice: &SpokenVoice) -> Option<SpokenVoice> {
        let local = self.setup.services.understudy.as_ref()?;
        (!Arc::ptr_eq(&local.text_to_speech, &voice.text_to_speech)).then(|| local.clone())
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
        Error::NotFound { .. }
        | Error::Invalid(_)
        | Error::Rule { .. }
        | Error::ConcurrentCalls { .. }
        | Error::Internal { .. } => {
            LaterFailure::new(Reason::Internal, "Something of ours broke.", Map::new(), at)
        }
    }
}

fn broken(error: StoreError) -> Refusal {
    Refusal::Broken(error.into())
}

fn logged(id: CallId, result: Result<(), StoreError>) {
    if let Err(error) = result {
        let cause = error.source.to_string();
        tracing::error!(call_id = %id, doing = error.doing, cause, "a call's record could not be written");
    }
}

fn new_call(agent_id: AgentId, started_at: Timestamp) -> Call {
    Call {
        id: CallId::new(),
        status: CallStatus::Queued,
        direction: CallDirection::Outbound,
        from_number: None,
        to_number: None,
        agent_id,
        started_at,
        answered_at: None,
        ended_at: None,
        duration_seconds: None,
        end_reason: None,
        cost_credits: None,
        summary: None,
        recording_url: None,
        transcript_url: None,
        metrics: CallMetrics::default(),
        variables: Variables::new(),
        metadata: Map::new(),
        context: CallContext::default(),
    }
}

fn over_already(call: &Call) -> Error {
    Error::rule(
        Reason::InvalidState,
        "The call is over already.",
        [("call_id", json!(call.id)), ("status", json!(call.status))],
    )
}

/// Rules of form that need nothing but the request.
fn form_check(create: &CallCreate) -> Result<(), Error> {
    let mut faults = Vec::new();
    match (&create.phone_number, &create.sip_uri) {
        (None, None) => {
            let message = "Say whom to call: a phone number, or a SIP URI where the trunk allows it.";
            faults.push(FieldFault::in_body("/phone_number", FieldReason::Required, message));
        }
        (Some(_), Some(_)) => faults.push(
            FieldFault::in_body("/sip_uri", FieldReason::ConflictsWith, "Give a phone number or a SIP URI, not both.")
                .with("field", "phone_number"),
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
    for (pointer, number) in [("/phone_number", &create.phone_number), ("/from_number", &create.from_number)] {
        if number.as_ref().is_some_and(|number| rules::e164(number).is_none()) {
            let message = "Not a phone number in E.164 form, such as +14155550100.";
            faults.push(FieldFault::in_body(pointer, FieldReason::InvalidFormat, message));
        }
    }
    if create.sip_uri.as_ref().is_some_and(|uri| !rules::sip_uri(uri)) {
        let message = "Not a SIP URI, such as sip:alice@192.0.2.4.";
        faults.push(FieldFault::in_body("/sip_uri", FieldReason::InvalidFormat, message));
    }
    if create.metadata.len() > 50 {
        let message = "At most 50 keys.";
        faults.push(FieldFault::in_body("/metadata", FieldReason::TooLong, message).with("max", 50));
    }
    faults.extend(create.call_settings.iter().flat_map(settings_faults));
    rules::checked(faults)
}

fn settings_faults(settings: &CallSettings) -> Vec<FieldFault> {
    let spans = [
        ("/call_settings/max_duration", settings.max_duration),
        ("/call_settings/join_timeout", settings.join_timeout),
    ];
    let mut faults: Vec<_> =
        spans.into_iter().filter_map(|(pointer, span)| rules::duration_in(pointer, span?)).collect();
    if let Some(greeting) = &settings.greeting {
        faults.extend(rules::greeting("/call_settings/greeting", greeting));
    }
    faults
}

fn overridden(mut agent: AgentCreate, settings: Option<&CallSettings>) -> AgentCreate {
    let Some(settings) = settings else { return agent };
    agent.recording_enabled = settings.recording_enabled.unwrap_or(agent.recording_enabled);
    agent.transcription_enabled = settings.transcription_enabled.unwrap_or(agent.transcription_enabled);
    agent.max_duration = settings.max_duration.unwrap_or(agent.max_duration);
    agent.join_timeout = settings.join_timeout.unwrap_or(agent.join_timeout);
    agent.greeting = settings.greeting.clone().or(agent.greeting);
    agent
}

/// Every `{{variable}}` of the agent needs a value before its call is placed.
fn variables_check(agent: &AgentCreate, given: &Variables) -> Result<(), Error> {
    let missing = agents::variables_needed(agent).into_iter().filter(|name| !given.contains_key(name));
    let fault = |name: String| {
        let message = format!("The agent's texts use {{{{{name}}}}}, so it needs a value.");
        FieldFault::in_body(&format!("/variables/{name}"), FieldReason::Required, message)
    };
    rules::checked(missing.map(fault).collect())
}

/// Texts that the session says by itself; the brain fills its own.
fn spoken_texts_fill(agent: &mut AgentCreate, variables: &Variables) {
    if let Some(greeting) = &mut agent.greeting {
        for text in greeting.text.iter_mut().chain(&mut greeting.prompt) {
            *text = rules::fill(text, variables);
        }
    }
    for message in &mut agent.inactivity_messages {
        message.message = rules::fill(&message.message, variables);
    }
}

fn destination(create: &CallCreate, trunk: &TrunkRecord) -> Result<Destination, Error> {
    if let Some(number) = create.phone_number.as_deref().and_then(rules::e164) {
        return Ok(Destination::Phone(number));
    }
    if !trunk.trunk.allow_sip_uri {
        return Err(Error::rule(
            Reason::SipUriNotAllowed,
            "The trunk of the agent's number does not allow calls to SIP URIs.",
            [("trunk_id", json!(trunk.trunk.id))],
        ));
    }
    Ok(Destination::SipUri(create.sip_uri.clone().unwrap_or_default()))
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
