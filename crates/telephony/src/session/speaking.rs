//! The agent's side of a session: the turn that is being said, what of it was heard, how long it took.

use std::time::Duration;

use contract::TurnMetrics;
use media::{
    FRAME_SAMPLES,
    playout::{Played, Playout},
    words_heard,
};
use tokio_util::sync::CancellationToken;

/// Stands in for the length of a sentence whose audio is not complete: about 15 characters a second.
const SAMPLES_PER_CHARACTER: usize = 8000 / 15;

/// What follows when a turn was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Listen,
    HangUp(super::Ending),
}

/// When the stages of a turn were done, by the session's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TurnTiming {
    pub(super) last_voice: Option<Duration>,
    pub(super) decided: Option<Duration>,
    pub(super) text: Option<Duration>,
    pub(super) sentence: Option<Duration>,
    pub(super) audio: Option<Duration>,
    pub(super) frame: Option<Duration>,
}

impl TurnTiming {
    /// Absent for turns that answer nobody, such as greetings.
    pub(super) fn metrics(&self) -> Option<TurnMetrics> {
        let between = |from: Option<Duration>, to: Option<Duration>| {
            Some((to?.saturating_sub(from?).as_secs_f64() * 10_000.0).round() / 10.0)
        };
        self.last_voice?;
        Some(TurnMetrics {
            endpointing_ms: between(self.last_voice, self.decided),
            stt_ms: between(self.decided, self.text),
            llm_ms: between(self.text, self.sentence),
            tts_ms: between(self.sentence, self.audio),
            total_ms: between(self.last_voice, self.frame),
        })
    }
}

/// A turn of the agent, from the first thought of it until it was said or cut off.
pub(super) struct AgentTurn {
    pub(super) id: u32,
    pub(super) cancel: CancellationToken,
    pub(super) timing: TurnTiming,
    pub(super) then: Then,
    /// Whether the brain made it, and so wants to know what was heard of it.
    pub(super) from_brain: bool,
    /// Whether all of it has been synthesized.
    pub(super) complete: bool,
    sentences: Vec<String>,
    first_frame: Option<Duration>,
    last_frame: Duration,
}

/// What was heard of a turn.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) started: Duration,
    pub(super) ended: Duration,
    pub(super) interrupted: bool,
}

impl AgentTurn {
    pub(super) fn new(id: u32, timing: TurnTiming, then: Then, from_brain: bool) -> Self {
        Self {
            id,
            cancel: CancellationToken::new(),
            timing,
            then,
            from_brain,
            complete: false,
            sentences: Vec::new(),
            first_frame: None,
            last_frame: Duration::ZERO,
        }
    }

    /// Whether the caller has heard any of it.
    pub(super) fn has_started(&self) -> bool {
        self.first_frame.is_some()
    }
}

/// The agent's mouth.
pub(super) struct Speaking {
    playout: Playout,
    turn: Option<AgentTurn>,
    /// Since when the turn is held back, if it is.
    paused: Option<Duration>,
}

impl Speaking {
    pub(super) fn new() -> Self {
        Self {
            playout: Playout::new(),
            turn: None,
            paused: None,
        }
    }

    pub(super) fn turn(&self) -> Option<&AgentTurn> {
        self.turn.as_ref()
    }

    /// The turn of this id, unless it was replaced or cut off.
    pub(super) fn turn_mut(&mut self, id: u32) -> Option<&mut AgentTurn> {
        self.turn.as_mut().filter(|turn| turn.id == id)
    }

    /// Begins a turn; the caller has ended the one before.
    pub(super) fn begin(&mut self, turn: AgentTurn) -> CancellationToken {
        let cancel = turn.cancel.clone();
        self.playout.clear();
        self.playout.reset_heard();
        self.turn = Some(turn);
        cancel
    }

    pub(super) fn sentence(&mut self, now: Duration, id: u32, text: String) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == id) else {
            return;
        };
        turn.timing.sentence.get_or_insert(now);
        self.playout.begin(turn.sentences.len() as u32);
        turn.sentences.push(text);
    }

    pub(super) fn audio(&mut self, now: Duration, id: u32, samples: &[i16]) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == id) else {
            return;
        };
        turn.timing.audio.get_or_insert(now);
        let taken = self.playout.push(samples);
        if taken < samples.len() {
            tracing::warn!(
                dropped = samples.len() - taken,
                "the agent's speech ran over the playout buffer"
            );
        }
    }

    pub(super) fn sentence_end(&mut self, id: u32) {
        if self.turn.as_ref().is_some_and(|turn| turn.id == id) {
            self.playout.end();
        }
    }

    /// Falls silent in the middle of the turn; what is left of it waits.
    pub(super) fn pause(&mut self, now: Duration) {
        if self.turn.is_some() && self.paused.is_none() {
            self.paused = Some(now);
            self.playout.pause();
        }
    }

    /// Goes on where it fell silent. Whether it had.
    pub(super) fn resume(&mut self) -> bool {
        self.playout.resume();
        self.paused.take().is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Speech that waits for the line.
    pub(super) fn buffered(&self) -> Duration {
        self.playout.buffered()
    }

    /// The next 20 ms for the line. Whether the turn's first sound is in it.
    pub(super) fn next_frame(&mut self, now: Duration, frame: &mut [i16; FRAME_SAMPLES]) -> bool {
        if self.playout.next_frame(frame) != Played::Speech {
            return false;
        }
        let Some(turn) = &mut self.turn else { return false };
        turn.last_frame = now;
        let first = turn.first_frame.is_none();
        if first {
            turn.first_frame = Some(now);
            turn.timing.frame = Some(now);
        }
        first
    }

    /// Whether all of the turn was synthesized and said.
    pub(super) fn is_finished(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.complete) && self.playout.is_idle()
    }

    /// Ends the turn: stops its making and its sound, and tells what was heard. `None` for the words when
    /// nothing was.
    pub(super) fn end(&mut self, now: Duration) -> Option<(AgentTurn, Option<Said>)> {
        let turn = self.turn.take()?;
        let paused = self.paused.take();
        turn.cancel.cancel();
        let interrupted = !(turn.complete && self.playout.is_idle());
        let said = turn.first_frame.map(|started| Said {
            text: self.heard_text(&turn.sentences),
            started,
            ended: if interrupted {
                paused.unwrap_or(now)
            } else {
                turn.last_frame + media::FRAME
            },
            interrupted,
        });
        self.playout.clear();
        Some((turn, said))
    }

    fn heard_text(&self, sentences: &[String]) -> String {
        let mut text = String::new();
        for heard in self.playout.heard() {
            let Some(sentence) = sentences.get(heard.segment as usize) else {
                continue;
            };
            let guess = sentence.chars().count() * SAMPLES_PER_CHARACTER;
            let total = if heard.ended {
                heard.total
            } else {
                heard.total.max(guess)
            };
            let words = words_heard(sentence, heard.played, total);
            if !words.is_empty() {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(words);
            }
        }
        text
    }
}
