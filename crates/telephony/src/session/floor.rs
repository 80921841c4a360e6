//! Who has the floor: what a session does with turns, interruptions, silence, keys and failures.

use std::time::Duration;

use contract::{AfterInactivity, CallEvent, CallMetrics, EndReason, Endpointing, LaterFailure, ProviderKind, Speaker};
use domain::{ProviderFailure, calls::later};
use media::turn::{Input, Output};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Ending, MEDIA_TIMEOUT, Session,
    fallback::Words,
    speaking::{AgentTurn, Then, TurnTiming},
    voice::{Command, late},
};

/// Said by agents that speak first and have no greeting of their own.
pub(super) const DEFAULT_GREETING: &str = "Hello! How can I help you?";
/// Keys kept in the record, and keys that make one turn.
const KEYS_MAX: usize = 128;
/// After the last key, before the keys count as the caller's turn. `#` ends them at once.
const KEYS_PAUSE: Duration = Duration::from_millis(1500);
/// Between two looks for words in the speech of a caller who may be interrupting. Each asks the recogniser.
const WORDS_AGAIN: Duration = Duration::from_millis(250);

/// A caller who speaks again while his words are being recognised goes on with the same turn, unless it is so long
/// already.
const GOES_ON_MAX: Duration = Duration::from_mins(1);

/// State of the floor.
#[derive(Default)]
pub(super) struct Floor {
    pub(super) metrics: CallMetrics,
    pub(super) keys: String,
    turns: u32,
    /// What the recogniser made of the pause that is going on, before it is known to be the end of the turn.
    ahead: Option<String>,
    /// The turn is over; its words are still being recognised.
    decision: Option<Decision>,
    /// The turn seemed to be over, and the caller goes on.
    reopened: Option<Decision>,
    /// The caller talks over the agent, and it takes words to interrupt.
    interrupting: bool,
    /// When to look for words in it again.
    words_again: Option<Duration>,
    /// The caller is in the middle of a turn, pauses included.
    caller_talks: bool,
    quiet_since: Duration,
    inactivity_next: usize,
    keys_pending: String,
    key_last: Duration,
    /// A stage broke, or nobody pays any more; only the last words are still said.
    closing: bool,
    last_words: Words,
}

#[derive(Clone, Copy)]
struct Decision {
    started: Duration,
    last_voice: Duration,
    at: Duration,
}

impl Session {
    pub(super) fn turn_output(&mut self, output: Output) {
        if self.floor.closing {
            return;
        }
        match output {
            Output::SpeechStarted { at } => self.caller_starts(at),
            Output::Paused { .. } => self.caller_paused(),
            Output::Resumed { .. } => self.recognition_drop(),
            Output::TurnEnded { started, last_voice } => self.caller_finished(started, last_voice),
            Output::Interrupted { .. } => self.caller_interrupts(),
            Output::FalseStart { .. } => self.caller_made_a_noise(),
        }
    }

    /// The caller begins to speak. If the words of his last turn are still being recognised, he goes on with it:
    /// one recognition will cover all of it.
    fn caller_starts(&mut self, at: Duration) {
        self.floor.caller_talks = true;
        self.floor.quiet_since = at;
        self.floor.inactivity_next = 0;
        let Some(decision) = self.floor.decision else { return };
        if at.saturating_sub(decision.started) >= GOES_ON_MAX {
            return;
        }
        self.recognition_drop();
        self.floor.reopened = Some(decision);
        if self.floor.interrupting && self.plan.agent.interruption.min_words > 0 {
            self.floor.words_again = Some(self.now() + WORDS_AGAIN);
        }
    }

    /// What began was no speech. Words from before it still count.
    fn caller_made_a_noise(&mut self) {
        self.recognition_drop();
        self.floor.caller_talks = false;
        if let Some(decision) = self.floor.reopened.take() {
            self.floor.decision = Some(decision);
            self.recognition_start();
        } else {
            self.floor.interrupting = false;
            self.hearing.utterance_over();
        }
    }

    /// A pause may be the end of the turn: recognition and the end-of-turn model run ahead of the decision.
    fn caller_paused(&mut self) {
        if self.agent_is_heard() {
            return;
        }
        let turn = self.plan.agent.turn;
        if turn.eager && self.recognition.is_none() && self.floor.ahead.is_none() {
            self.recognition_start();
        }
        if turn.endpointing == Endpointing::Smart
            && let Some(model) = self.plan.end_of_turn.clone()
        {
            let utterance = self.hearing.utterance(self.plan.agent.language_hint.as_deref());
            self.end_of_turn = Some(Box::pin(async move {
                let probability = model.turn_is_over(utterance).await;
                probability
                    .inspect_err(|error| tracing::debug!(%error, "no end-of-turn prediction"))
                    .ok()
            }));
        }
    }

    pub(super) fn end_of_turn_heard(&mut self, probability: Option<f32>) {
        if let Some(probability) = probability {
            self.hearing.tell(self.now(), Input::EndOfTurn { probability });
        }
    }

    fn caller_finished(&mut self, started: Duration, last_voice: Duration) {
        let at = self.now();
        let last_voice = last_voice.saturating_sub(self.hearing.wire_delay());
        self.floor.caller_talks = false;
        self.floor.quiet_since = at;
        self.end_of_turn = None;
        self.word_check = None;
        self.floor.words_again = None;
        let reopened = self.floor.reopened.take();
        let decision = Decision {
            started: reopened.map_or(started, |decision| decision.started),
            last_voice,
            at,
        };
        if let Some(words) = self.floor.ahead.take() {
            return self.answer(decision, &words);
        }
        self.floor.decision = Some(decision);
        if self.recognition.is_none() {
            self.recognition_start();
        }
    }

    fn recognition_start(&mut self) {
        let utterance = self.hearing.utterance(self.plan.agent.language_hint.as_deref());
        let speech_to_text = self.plan.speech_to_text.clone();
        let deadline = self.plan.deadlines.transcribe;
        let model = self.plan.agent.transcription_model.as_deref().unwrap_or_default();
        let provider = model.split('/').next().unwrap_or_default().to_owned();
        self.recognition = Some(Box::pin(async move {
            let words = timeout(deadline, speech_to_text.transcribe(utterance)).await;
            words.unwrap_or_else(|_| Err(late(&provider, ProviderKind::Stt, "transcribe")))
        }));
    }

    /// The caller went on talking: what was made of the pause is void.
    fn recognition_drop(&mut self) {
        self.recognition = None;
        self.end_of_turn = None;
        self.floor.ahead = None;
        self.floor.decision = None;
    }

    pub(super) fn recognized(&mut self, result: Result<String, ProviderFailure>) {
        let words = match result {
            Ok(words) => words,
            Err(failure) => return self.stage_failed(failure),
        };
        let at = self.wall(self.now());
        if is_speech(&words) && self.plan.agent.transcription_enabled {
            let event = CallEvent::TranscriptPartial {
                speaker: Speaker::User,
                text: words.clone(),
                at,
            };
            self.plan.events.publish(event);
        }
        match self.floor.decision.take() {
            Some(decision) => self.answer(decision, &words),
            None => self.floor.ahead = Some(words),
        }
    }

    /// The caller's turn is over and its words are known.
    fn answer(&mut self, decision: Decision, words: &str) {
        let now = self.now();
        self.hearing.utterance_over();
        let interrupting = std::mem::take(&mut self.floor.interrupting);
        if !is_speech(words) {
            return self.agent_goes_on(interrupting);
        }
        if self.agent_is_heard() {
            // Talked over the agent without interrupting it: not enough words, or it can't be interrupted.
            let enough = word_count(words) >= usize::from(self.plan.agent.interruption.min_words);
            if !(interrupting && enough) {
                return self.agent_goes_on(interrupting);
            }
        }
        let timing = TurnTiming {
            last_voice: Some(decision.last_voice),
            decided: Some(decision.at),
            text: Some(now),
            ..TurnTiming::default()
        };
        self.respond(decision.started, decision.last_voice, words, timing);
    }

    fn respond(&mut self, started: Duration, ended: Duration, words: &str, timing: TurnTiming) {
        // An answer that was being made and not heard yet gives way to one to all that was said.
        self.commit_agent_turn(self.now());
        let words = self.transcript.caller_turn(started, ended, words);
        let (turn, cancel) = self.begin_turn(timing, Then::Listen, true);
        self.command(Command::Respond { turn, words, cancel });
    }

    // ------------------------------------------------------------ interruption

    fn caller_interrupts(&mut self) {
        self.floor.interrupting = true;
        if self.plan.agent.interruption.min_words == 0 {
            // A noise is no reason to stop for good; whether it was one is known when the caller has finished.
            let now = self.now();
            self.speaking.pause(now);
            self.hearing.tell(now, Input::AgentStopped);
        } else {
            self.word_check_start();
        }
    }

    /// There is nothing to answer: the agent goes on with what it was saying, and can be interrupted again.
    fn agent_goes_on(&mut self, interrupting: bool) {
        let resumed = self.speaking.resume();
        if resumed || interrupting && self.agent_is_heard() {
            self.hearing.tell(self.now(), Input::AgentStarted);
        }
    }

    fn word_check_start(&mut self) {
        let utterance = self.hearing.utterance(self.plan.agent.language_hint.as_deref());
        let speech_to_text = self.plan.speech_to_text.clone();
        let deadline = self.plan.deadlines.transcribe;
        self.word_check = Some(Box::pin(async move {
            let words = timeout(deadline, speech_to_text.transcribe(utterance))
                .await
                .ok()?
                .ok()?;
            Some(if is_speech(&words) { word_count(&words) } else { 0 })
        }));
    }

    pub(super) fn words_counted(&mut self, words: Option<usize>) {
        if !self.floor.interrupting || self.floor.closing {
            return;
        }
        if words.is_some_and(|words| words >= usize::from(self.plan.agent.interruption.min_words)) {
            self.commit_agent_turn(self.now());
        } else {
            self.floor.words_again = Some(self.now() + WORDS_AGAIN);
        }
    }

    fn words_again(&mut self, now: Duration) {
        if self.floor.words_again.is_none_or(|due| now < due) {
            return;
        }
        self.floor.words_again = None;
        if self.floor.interrupting && self.hearing.is_caller_speaking() {
            self.word_check_start();
        }
    }

    // ------------------------------------------------------------ the agent's turns

    /// Whether an answer that has not begun waits: the caller has the floor again, or said something that is
    /// still being recognised, and is to get one answer to everything. An apology waits for nobody.
    pub(super) fn agent_waits(&self) -> bool {
        !self.floor.closing
            && (self.floor.caller_talks || self.floor.decision.is_some())
            && self.speaking.turn().is_some_and(|turn| !turn.has_started())
    }

    fn agent_is_heard(&self) -> bool {
        !self.speaking.is_paused() && self.speaking.turn().is_some_and(AgentTurn::has_started)
    }

    /// Begins a turn of the agent; the one before is over with it.
    pub(super) fn begin_turn(&mut self, timing: TurnTiming, then: Then, from_brain: bool) -> (u32, CancellationToken) {
        self.commit_agent_turn(self.now());
        self.floor.turns += 1;
        let turn = AgentTurn::new(self.floor.turns, timing, then, from_brain);
        (self.floor.turns, self.speaking.begin(turn))
    }

    pub(super) fn command(&mut self, command: Command) {
        if self.commands.try_send(command).is_err() {
            self.voice_died();
        }
    }

    /// The first sound of a turn went out.
    pub(super) fn agent_started(&mut self, now: Duration) {
        self.hearing.tell(now, Input::AgentStarted);
        self.transcript.caller_turn_commit(&self.journal, &self.plan.events);
        if let Some(metrics) = self.speaking.turn().and_then(|turn| turn.timing.metrics()) {
            self.floor.metrics.turns.push(metrics);
            self.plan.events.publish(CallEvent::Latency {
                metrics,
                at: self.wall(now),
            });
        }
    }

    /// All of a turn was said.
    pub(super) fn agent_finished(&mut self, now: Duration) {
        let then = self.speaking.turn().map_or(Then::Listen, |turn| turn.then);
        self.commit_agent_turn(now);
        match then {
            Then::Listen => self.fallback_prepare(),
            Then::HangUp(ending) => self.end_after_last_words(ending),
        }
    }

    /// Ends the agent's turn, if there is one: said, cut off, or never begun. The record and the brain learn
    /// what was heard.
    pub(super) fn commit_agent_turn(&mut self, now: Duration) {
        let Some((turn, said)) = self.speaking.end(now) else {
            return;
        };
        if turn.from_brain {
            let (text, interrupted) = match &said {
                Some(said) => (said.text.clone(), said.interrupted),
                None => (String::new(), true),
            };
            self.command(Command::Heard { text, interrupted });
        }
        let Some(said) = said else { return };
        self.hearing.tell(now, Input::AgentStopped);
        self.hearing.tell(
            now,
            Input::Interruptible(self.plan.agent.interruption.enabled && !self.floor.closing),
        );
        self.floor.quiet_since = now;
        if !turn.from_brain && !self.floor.closing && !said.text.is_empty() {
            self.command(Command::Said {
                text: said.text.clone(),
            });
        }
        if !said.text.is_empty() {
            self.transcript.agent_turn(said, &self.journal, &self.plan.events);
        }
    }

    // ------------------------------------------------------------ failures

    /// A stage broke: the caller hears a short apology, the call ends in order, the record says why.
    pub(super) fn stage_failed(&mut self, failure: ProviderFailure) {
        if self.floor.closing {
            return;
        }
        let cause = failure.source.as_ref().map(|source| chain(source.as_ref()));
        tracing::warn!(call_id = %self.plan.call.id, %failure, cause, "a stage of a call broke");
        let error = failure.later(self.wall(self.now()));
        self.end_with(error, Words::Apology, failure.kind == ProviderKind::Tts);
    }

    /// The task that thinks and speaks for the agent takes nothing any more, or is gone: a defect of ours.
    pub(super) fn voice_died(&mut self) {
        if self.floor.closing {
            return;
        }
        tracing::error!(call_id = %self.plan.call.id, "the agent's voice is gone");
        let error = domain::Error::internal("think and speak for an agent", "its task is gone");
        let error = later(&error, self.wall(self.now()));
        self.end_with(error, Words::Apology, false);
    }

    /// Says the last words and ends the call in order; the record and whoever watches learn why.
    pub(super) fn end_with(&mut self, error: LaterFailure, words: Words, voice_broke: bool) {
        if self.floor.closing {
            return;
        }
        self.floor.closing = true;
        self.floor.last_words = words;
        let now = self.now();
        self.journal.error(error.clone());
        self.plan.events.publish(CallEvent::Error { error: error.clone() });
        self.last_error = Some(error);
        self.recognition_drop();
        self.word_check = None;
        self.commit_agent_turn(now);
        self.hearing.tell(now, Input::Interruptible(false));
        let fallbacks = self.fallbacks.clone();
        let (voice, understudy) = (self.plan.voice.clone(), self.plan.understudy.clone());
        // A voice that just broke is asked last: the caller has waited long enough.
        let (first, second) = match understudy {
            Some(understudy) if voice_broke => (understudy, Some(voice)),
            understudy => (voice, understudy),
        };
        self.fallback = Some(Box::pin(async move { fallbacks.speech(words, first, second).await }));
    }

    /// How a call is over for `reason`; one that broke has failed, whoever hangs up in the apology.
    pub(super) fn ended_by(&self, reason: EndReason) -> Ending {
        if self.floor.closing {
            Ending::BROKEN
        } else {
            Ending::completed(reason)
        }
    }

    pub(super) fn fallback_ready(&mut self, samples: Option<std::sync::Arc<[i16]>>) {
        let Some(samples) = samples else {
            return self.end_now(Ending::BROKEN);
        };
        let now = self.now();
        let (id, _) = self.begin_turn(TurnTiming::default(), Then::HangUp(Ending::BROKEN), false);
        self.speaking.sentence(now, id, self.floor.last_words.text().to_owned());
        self.speaking.audio(now, id, &samples);
        self.speaking.sentence_end(id);
        self.speaking
            .turn_mut(id)
            .into_iter()
            .for_each(|turn| turn.complete = true);
    }

    /// While the agent is idle the last words are made ready, unless they are.
    fn fallback_prepare(&self) {
        let farewell = self.paying.is_metered().then_some(Words::Farewell);
        for words in [Some(Words::Apology), farewell].into_iter().flatten() {
            self.fallbacks.prepare(words, &self.plan.voice);
            if let Some(understudy) = &self.plan.understudy {
                self.fallbacks.prepare(words, understudy);
            }
        }
    }

    // ------------------------------------------------------------ time and keys

    /// What became due by the clock.
    pub(super) fn due(&mut self, now: Duration) {
        if now >= self.plan.agent.max_duration.duration() {
            return self.end_now(self.ended_by(EndReason::MaxDuration));
        }
        if now.saturating_sub(self.line.last_packet(now)) >= MEDIA_TIMEOUT {
            tracing::info!(call_id = %self.plan.call.id, "nothing arrives on the line any more");
            return self.end_now(self.ended_by(EndReason::Inactivity));
        }
        if self.floor.closing || self.ending.is_some() {
            return;
        }
        let keys_over = now.saturating_sub(self.floor.key_last) >= KEYS_PAUSE;
        if keys_over && !self.floor.keys_pending.is_empty() {
            self.keys_entered(now);
        }
        self.words_again(now);
        self.pay(now);
        self.inactivity(now);
    }

    fn inactivity(&mut self, now: Duration) {
        let busy = self.speaking.turn().is_some() || self.floor.decision.is_some() || self.floor.caller_talks;
        let Some(message) = self.plan.agent.inactivity_messages.get(self.floor.inactivity_next) else {
            return;
        };
        if busy || now.saturating_sub(self.floor.quiet_since) < message.after.duration() {
            return;
        }
        let text = message.message.clone();
        let then = match message.then {
            AfterInactivity::Continue => Then::Listen,
            AfterInactivity::HangUp => Then::HangUp(Ending::completed(EndReason::Inactivity)),
        };
        self.floor.inactivity_next += 1;
        let (turn, cancel) = self.begin_turn(TurnTiming::default(), then, false);
        self.command(Command::Say { turn, text, cancel });
    }

    pub(super) fn key_pressed(&mut self, now: Duration, digit: char) {
        if self.floor.closing {
            return;
        }
        if self.floor.keys.len() < KEYS_MAX {
            self.floor.keys.push(digit);
        }
        self.floor.key_last = now;
        self.floor.quiet_since = now;
        self.plan.events.publish(CallEvent::Dtmf {
            digit: digit.to_string(),
            at: self.wall(now),
        });
        if digit != '#' {
            self.floor.keys_pending.push(digit);
        }
        if digit == '#' || self.floor.keys_pending.len() >= KEYS_MAX {
            self.keys_entered(now);
        }
    }

    /// Keys count as the caller's words: "press or say your number".
    fn keys_entered(&mut self, now: Duration) {
        let keys = std::mem::take(&mut self.floor.keys_pending);
        if keys.is_empty() {
            return;
        }
        let pressed = self.floor.key_last;
        let timing = TurnTiming {
            last_voice: Some(pressed),
            decided: Some(now),
            text: Some(now),
            ..TurnTiming::default()
        };
        self.respond(pressed, pressed, &keys, timing);
    }
}

fn is_speech(words: &str) -> bool {
    words.chars().any(char::is_alphanumeric)
}

fn word_count(words: &str) -> usize {
    words.split_whitespace().count()
}

/// An error with all its causes, for the log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
