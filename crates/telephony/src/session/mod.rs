//! One call, held by one task: frames in and out every 20 ms, turns between them.
//!
//! The session owns the line. Hearing (`hearing`), the agent's voice (`voice`, beside it in a task of its own),
//! what is being said (`speaking`), and the record (`journal`) each have a part; this module is the loop that
//! ties them and the rules of who has the floor (`floor`).

mod fallback;
mod floor;
mod hearing;
mod journal;
mod line;
mod paying;
mod speaking;
mod transcript;
mod voice;

use std::{pin::Pin, sync::Arc, time::Duration};

use contract::{CallEvent, CallId, CallStatus, EndReason, Endpointing, FirstSpeaker, LaterFailure, Timestamp};
use domain::{
    ProviderFailure,
    billing::Meter,
    calls::{Calls, SessionPlan},
    events::EventPublisher,
    ports::{Brain, RecordingWriter, VoiceActivityDetector},
    records::{CallEnding, Scope},
};
use media::turn::TurnConfig;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tracing::Instrument as _;

pub(crate) use self::{
    fallback::{Fallbacks, Words},
    line::Described,
};
use self::{
    hearing::Hearing,
    journal::Journal,
    line::Line,
    paying::Paying,
    speaking::{Speaking, Then, TurnTiming},
    transcript::TranscriptLog,
    voice::{Command, PIECES_AHEAD, Speech, Voice},
};
use crate::{
    rtp_socket::RtpSocket,
    sip::{LegControl, LegEvent},
};

/// Speech taken from the voice ahead of the line.
const SPEECH_AHEAD: Duration = Duration::from_secs(20);
/// Between the last frame sent and our BYE, so that the far end's jitter buffer can play it.
const LAST_WORDS: Duration = Duration::from_millis(240);
/// A line on which nothing arrives for so long is dead.
const MEDIA_TIMEOUT: Duration = Duration::from_mins(1);
/// Longest wait for a recording to be opened; the caller hears nothing meanwhile.
const RECORDING_OPEN: Duration = Duration::from_secs(1);
/// Longest wait for a recording to reach the disk at the end.
const RECORDING_CLOSE: Duration = Duration::from_secs(5);
/// Commands that may wait for the voice.
const COMMANDS_AHEAD: usize = 8;
/// Rate of the recording.
const RECORDING_HZ: u32 = 8000;

/// How a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) status: CallStatus,
    pub(crate) reason: EndReason,
}

impl Ending {
    pub(crate) const fn completed(reason: EndReason) -> Self {
        Self {
            status: CallStatus::Completed,
            reason,
        }
    }

    pub(crate) const BROKEN: Self = Self {
        status: CallStatus::Failed,
        reason: EndReason::Error,
    };
}

/// What others may ask of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    /// End the call now, in order.
    End,
}

/// An answered leg with its media.
pub(crate) struct AnsweredLeg {
    pub(crate) events: mpsc::Receiver<LegEvent>,
    pub(crate) control: LegControl,
    pub(crate) socket: RtpSocket,
    pub(crate) negotiated: media::sdp::Negotiated,
    /// Our side as the other was told.
    pub(crate) described: Described,
}

/// Work beside a loop, where there is any.
pub(crate) type Pending<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Polls what is there; waits for ever where nothing is.
pub(crate) async fn pending<T>(future: &mut Pending<T>) -> T {
    match future {
        Some(running) => {
            let value = running.await;
            *future = None;
            value
        }
        None => std::future::pending().await,
    }
}

/// Holds one answered call until it is over.
pub(crate) struct Session {
    calls: Calls,
    fallbacks: Fallbacks,
    plan: PlanRest,
    began: Instant,
    answered_at: Timestamp,
    line: Line,
    hearing: Hearing,
    speaking: Speaking,
    transcript: TranscriptLog,
    journal: Journal,
    commands: mpsc::Sender<Command>,
    recording: Option<Box<dyn RecordingWriter>>,
    floor: floor::Floor,
    paying: Paying,
    recognition: Pending<Result<String, ProviderFailure>>,
    end_of_turn: Pending<Option<f32>>,
    word_check: Pending<Option<usize>>,
    fallback: Pending<Option<std::sync::Arc<[i16]>>>,
    last_error: Option<LaterFailure>,
    ending: Option<(Duration, Ending)>,
}

/// What is left of a plan once the brain and the voice have gone to their task.
struct PlanRest {
    scope: domain::records::Scope,
    call: contract::Call,
    agent: contract::AgentCreate,
    speech_to_text: std::sync::Arc<dyn domain::ports::SpeechToText>,
    voice: domain::calls::SpokenVoice,
    understudy: Option<domain::calls::SpokenVoice>,
    end_of_turn: Option<std::sync::Arc<dyn domain::ports::EndOfTurnModel>>,
    deadlines: domain::ports::StageDeadlines,
    events: Arc<EventPublisher>,
    meter: Option<Meter>,
}

/// A plan, taken apart by who needs what.
struct Parts {
    brain: Box<dyn Brain>,
    voice_activity: Box<dyn VoiceActivityDetector>,
    rest: PlanRest,
}

impl From<SessionPlan> for Parts {
    fn from(plan: SessionPlan) -> Self {
        let rest = PlanRest {
            scope: plan.scope,
            call: plan.call,
            agent: plan.agent,
            speech_to_text: plan.speech_to_text,
            voice: plan.voice,
            understudy: plan.understudy,
            end_of_turn: plan.end_of_turn,
            deadlines: plan.deadlines,
            events: Arc::new(plan.events),
            meter: plan.meter,
        };
        Self {
            brain: plan.brain,
            voice_activity: plan.voice_activity,
            rest,
        }
    }
}

impl Session {
    /// Holds the call to its end, and writes its record, even that of a session that panics.
    pub(crate) async fn hold(
        calls: Calls,
        fallbacks: Fallbacks,
        plan: SessionPlan,
        leg: AnsweredLeg,
        controls: mpsc::Receiver<Control>,
    ) {
        let parts = Parts::from(plan);
        let (scope, call, events) = (parts.rest.scope, parts.rest.call.id, parts.rest.events.clone());
        let control = leg.control.clone();
        let began = Instant::now();
        let session = Self::hold_to_the_end(calls.clone(), fallbacks, parts, leg, controls);
        if let Err(error) = tokio::spawn(session.in_current_span()).await {
            // Not the error's words: those of a panic may quote what a caller said.
            tracing::error!(call_id = %call, panicked = error.is_panic(), "a session died");
            close_died(&calls, scope, call, (&events, began)).await;
            control.hang_up().await;
        }
    }

    async fn hold_to_the_end(
        calls: Calls,
        fallbacks: Fallbacks,
        parts: Parts,
        leg: AnsweredLeg,
        mut controls: mpsc::Receiver<Control>,
    ) {
        let AnsweredLeg {
            mut events,
            control,
            socket,
            negotiated,
            described,
        } = leg;
        let (out, mut speech) = mpsc::channel(PIECES_AHEAD);
        let line = Line::new(socket, negotiated, described);
        let (mut session, voice_task) = Self::open(calls, fallbacks, parts, out, line).await;
        session.open_floor();
        let hung_up = session.run(&mut events, &mut speech, &mut controls).await;
        // One that is under way holds the store's writer, and nobody polls it from here on. Settling goes by what is
        // held, whether it arrived or not.
        session.paying.stop();
        // Before hanging up: a peer that does not answer takes seconds, which are no part of the call. By the time that
        // passed, not by the clock: a clock that is set meanwhile must not change what the call costs.
        let now = session.now();
        let ended_at = session.wall(now);
        if !hung_up {
            control.hang_up().await;
        }
        // With its command channel gone the voice ends by itself, unless a model holds it; nobody waits for that.
        drop(speech);
        session.close(now, ended_at).await;
        voice_task.abort();
    }

    async fn open(
        calls: Calls,
        fallbacks: Fallbacks,
        parts: Parts,
        out: mpsc::Sender<Speech>,
        line: Line,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let Parts {
            brain,
            voice_activity,
            rest: mut plan,
        } = parts;
        let (scope, call) = (plan.scope, plan.call.id);
        let (began, answered_at) = (Instant::now(), calls.now());
        let (commands, waiting) = mpsc::channel(COMMANDS_AHEAD);
        let brain_provider = plan.agent.model.split('/').next().unwrap_or_default().to_owned();
        let speaker = Voice {
            brain,
            brain_provider,
            spoken: plan.voice.clone(),
            deadlines: plan.deadlines,
            out,
        };
        let voice_task = tokio::spawn(speaker.run(waiting).in_current_span());
        let recording = if plan.agent.recording_enabled {
            open_recording(&calls, scope, call).await
        } else {
            None
        };
        let journal = Journal::open(calls.clone(), scope, call);
        journal.progress(CallStatus::InProgress, Some(answered_at));
        plan.events.publish(CallEvent::Status {
            status: CallStatus::InProgress,
            end_reason: None,
            at: answered_at,
        });
        let turns = turn_config(&plan.agent, plan.end_of_turn.is_some());
        let session = Self {
            hearing: Hearing::new(voice_activity, turns),
            transcript: TranscriptLog::new(answered_at, plan.agent.transcription_enabled),
            paying: Paying::by(plan.meter.take()),
            plan,
            calls,
            fallbacks,
            began,
            answered_at,
            line,
            speaking: Speaking::new(),
            journal,
            commands,
            recording,
            floor: floor::Floor::default(),
            recognition: None,
            end_of_turn: None,
            word_check: None,
            fallback: None,
            last_error: None,
            ending: None,
        };
        (session, voice_task)
    }

    /// The loop. Whether the other side hung up.
    async fn run(
        &mut self,
        events: &mut mpsc::Receiver<LegEvent>,
        speech: &mut mpsc::Receiver<Speech>,
        controls: &mut mpsc::Receiver<Control>,
    ) -> bool {
        let mut ticks = interval(media::FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut datagram = [0_u8; 2048];
        let mut has_voice = true;
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => self.tick(),
                event = events.recv() => if self.leg_event(event) { return true },
                Some(Control::End) = controls.recv() => self.end_now(self.ended_by(EndReason::AgentHangup)),
                received = self.line.receive(&mut datagram) => self.packet(&datagram[..received]),
                piece = speech.recv(), if has_voice && self.takes_speech() => {
                    has_voice = piece.is_some();
                    self.speech_or_its_end(piece);
                }
                words = pending(&mut self.recognition) => self.recognized(words),
                finished = pending(&mut self.end_of_turn) => self.end_of_turn_heard(finished),
                words = pending(&mut self.word_check) => self.words_counted(words),
                samples = pending(&mut self.fallback) => self.fallback_ready(samples),
                paid = pending(&mut self.paying.extension) => self.paid(paid),
            }
            while let Some(output) = self.hearing.poll() {
                self.turn_output(output);
            }
            if self.ending.is_some_and(|(due, _)| self.now() >= due) {
                return false;
            }
        }
    }

    /// Whether the voice may go on making speech.
    fn takes_speech(&self) -> bool {
        !self.speaking.is_paused() && self.speaking.buffered() < SPEECH_AHEAD
    }

    /// Time since the call was answered; the only clock of a session.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall(&self, at: Duration) -> Timestamp {
        later_by(self.answered_at, at)
    }

    /// 20 ms of line: out, in, and what became due.
    fn tick(&mut self) {
        let now = self.now();
        let hold = self.agent_waits();
        let spoke_first = self.line.send(|frame| !hold && self.speaking.next_frame(now, frame));
        if spoke_first {
            self.agent_started(now);
        }
        self.hearing.tick(now, self.line.inbound_frame());
        if let Some(recording) = &mut self.recording {
            recording.write(self.line.stereo());
        }
        if self.speaking.is_finished() {
            self.agent_finished(now);
        }
        self.due(now);
    }

    /// Whether the call is over because the other side or the line is gone.
    fn leg_event(&mut self, event: Option<LegEvent>) -> bool {
        match event {
            None | Some(LegEvent::HungUp) => {
                self.ending
                    .get_or_insert((self.now(), self.ended_by(EndReason::CallerHangup)));
                true
            }
            Some(LegEvent::Reoffered { sdp, reply }) => {
                // The asker may have given up; then nobody takes the answer.
                let _ = reply.send(self.line.renegotiate(&sdp, self.now()));
                false
            }
            Some(
                LegEvent::Proceeding
                | LegEvent::Ringing
                | LegEvent::Answered { .. }
                | LegEvent::Refused { .. }
                | LegEvent::Failed(_),
            ) => false,
        }
    }

    fn packet(&mut self, datagram: &[u8]) {
        let now = self.now();
        let Some(packet) = self.line.parse(datagram, now) else {
            return;
        };
        if self.line.is_audio(&packet) {
            self.hearing.packet(now, &packet, self.line.codec());
        } else if self.line.is_keys(&packet) {
            self.hearing.not_audio(&packet);
            if let Some(digit) = self.line.key(&packet) {
                self.key_pressed(now, digit);
            }
        }
    }

    fn speech_or_its_end(&mut self, piece: Option<Speech>) {
        let Some(piece) = piece else {
            return self.voice_died();
        };
        self.speech(piece);
    }

    fn speech(&mut self, piece: Speech) {
        let now = self.now();
        match piece {
            Speech::Sentence { turn, text } => self.speaking.sentence(now, turn, text),
            Speech::Audio { turn, samples } => self.speaking.audio(now, turn, &samples),
            Speech::SentenceEnd { turn } => self.speaking.sentence_end(turn),
            Speech::EndCall { turn } => {
                if let Some(turn) = self.speaking.turn_mut(turn) {
                    turn.then = Then::HangUp(Ending::completed(EndReason::AgentHangup));
                }
            }
            Speech::Done { turn } => {
                if let Some(turn) = self.speaking.turn_mut(turn) {
                    turn.complete = true;
                }
            }
            Speech::Failed { turn, failure } => {
                if self.speaking.turn_mut(turn).is_some() {
                    self.stage_failed(failure);
                }
            }
        }
    }

    /// Ends the call once the frames on their way have been played.
    fn end_after_last_words(&mut self, ending: Ending) {
        let due = self.now() + LAST_WORDS;
        self.ending.get_or_insert((due, ending));
    }

    fn end_now(&mut self, ending: Ending) {
        self.ending = Some((Duration::ZERO, ending));
    }

    /// The end: what was heard of the last words, the recording, and the record.
    async fn close(mut self, now: Duration, ended_at: Timestamp) {
        self.commit_agent_turn(now);
        self.transcript.caller_turn_commit(&self.journal, &self.plan.events);
        let recorded = self.recording.is_some();
        if let Some(recording) = self.recording.take() {
            close_recording(recording).await;
        }
        let ending = self.ending.map_or(Ending::BROKEN, |(_, ending)| ending);
        let stats = self.hearing.jitter().stats();
        tracing::info!(
            call_id = %self.plan.call.id, status = ending.status.name(), seconds = now.as_secs(),
            packets = stats.received, lost = stats.lost, late = stats.late, concealed = stats.concealed,
            refused = self.line.refused(), "call over"
        );
        let Self {
            calls,
            plan,
            journal,
            transcript,
            answered_at,
            last_error,
            floor,
            ..
        } = self;
        journal.close().await;
        let record = CallEnding {
            answered_at: Some(answered_at),
            turns: transcript.into_turns(),
            metrics: floor.metrics,
            dtmf: floor.keys,
            recorded,
            ..CallEnding::before_answer(ending.status, ending.reason, ended_at, last_error)
        };
        calls.call_finish(plan.scope, plan.call.id, &record).await;
        plan.events.publish(CallEvent::Status {
            status: ending.status,
            end_reason: Some(ending.reason),
            at: ended_at,
        });
    }

    /// Starts what opens the call: the agent's greeting, or listening.
    fn open_floor(&mut self) {
        let greeting = self.plan.agent.greeting.clone();
        if self.plan.agent.first_speaker == FirstSpeaker::User {
            return;
        }
        let turn = self.begin_turn(TurnTiming::default(), Then::Listen, true);
        let (id, cancel) = turn;
        let command = match greeting {
            Some(contract::Greeting { text: Some(text), .. }) => {
                self.speaking
                    .turn_mut(id)
                    .into_iter()
                    .for_each(|turn| turn.from_brain = false);
                Command::Say { turn: id, text, cancel }
            }
            Some(contract::Greeting {
                prompt: Some(prompt), ..
            }) => Command::Greet {
                turn: id,
                prompt,
                cancel,
            },
            Some(contract::Greeting {
                text: None,
                prompt: None,
                ..
            })
            | None => {
                self.speaking
                    .turn_mut(id)
                    .into_iter()
                    .for_each(|turn| turn.from_brain = false);
                Command::Say {
                    turn: id,
                    text: floor::DEFAULT_GREETING.to_owned(),
                    cancel,
                }
            }
        };
        self.command(command);
    }
}

/// Ends the record of a call whose session panicked, with what it had written until then.
async fn close_died(calls: &Calls, scope: Scope, id: CallId, (events, began): (&EventPublisher, Instant)) {
    calls.call_died(scope, id, began.elapsed()).await;
    events.publish(CallEvent::Status {
        status: Ending::BROKEN.status,
        end_reason: Some(Ending::BROKEN.reason),
        at: calls.now(),
    });
}

async fn open_recording(
    calls: &Calls,
    scope: domain::records::Scope,
    call: contract::CallId,
) -> Option<Box<dyn RecordingWriter>> {
    match timeout(RECORDING_OPEN, calls.recording_open(scope, call, RECORDING_HZ)).await {
        Ok(Ok(recording)) => Some(recording),
        Ok(Err(error)) => {
            tracing::error!(call_id = %call, %error, "a recording could not be opened; the call goes on without");
            None
        }
        Err(_) => {
            tracing::error!(call_id = %call, "a recording took too long to open; the call goes on without");
            None
        }
    }
}

fn later_by(start: Timestamp, time: Duration) -> Timestamp {
    Timestamp::from_millis(start.millis() + time.as_millis() as i64)
}

/// One with gaps, or one that was not closed in time, can still be listened to.
async fn close_recording(recording: Box<dyn RecordingWriter>) {
    match timeout(RECORDING_CLOSE, recording.finish()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a recording is not whole"),
        Err(_) => tracing::warn!("a recording took too long to close"),
    }
}

fn turn_config(agent: &contract::AgentCreate, has_model: bool) -> TurnConfig {
    let greeting_interruptible = agent.greeting.as_ref().is_none_or(|greeting| greeting.interruptible);
    let mut config = TurnConfig {
        interruptible: agent.interruption.enabled && greeting_interruptible,
        interrupt_after: agent.interruption.min_speech.duration(),
        ..TurnConfig::default()
    };
    if agent.turn.endpointing == Endpointing::Silence || !has_model {
        config.silence_short = config.silence_default;
    }
    config
}
