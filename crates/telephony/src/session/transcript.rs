//! What was said, in order, as it becomes certain.

use std::time::Duration;

use contract::{CallEvent, Speaker, Timestamp, TranscriptTurn};
use domain::events::EventPublisher;

use super::{journal::Journal, speaking::Said};

/// The transcript of a session.
pub(super) struct TranscriptLog {
    turns: Vec<TranscriptTurn>,
    answered_at: Timestamp,
    kept: bool,
    /// What the caller said and may still add to.
    caller: Option<TranscriptTurn>,
}

impl TranscriptLog {
    pub(super) fn new(answered_at: Timestamp, kept: bool) -> Self {
        Self {
            turns: Vec::new(),
            answered_at,
            kept,
            caller: None,
        }
    }

    fn wall(&self, at: Duration) -> Timestamp {
        Timestamp::from_millis(self.answered_at.millis() + at.as_millis() as i64)
    }

    /// The caller said something. What was said before without being answered belongs to the same turn; all
    /// of its words.
    pub(super) fn caller_turn(&mut self, started: Duration, ended: Duration, words: &str) -> String {
        let (started_at, ended_at) = (self.wall(started), self.wall(ended));
        let turn = self.caller.get_or_insert_with(|| TranscriptTurn {
            speaker: Speaker::User,
            text: String::new(),
            started_at,
            ended_at,
            interrupted: false,
        });
        if !turn.text.is_empty() {
            turn.text.push(' ');
        }
        turn.text.push_str(words);
        turn.ended_at = ended_at;
        turn.text.clone()
    }

    /// The caller's turn is answered now, or the call is over: it is certain.
    pub(super) fn caller_turn_commit(&mut self, journal: &Journal, events: &EventPublisher) {
        if let Some(turn) = self.caller.take() {
            self.push(turn, journal, events);
        }
    }

    /// The agent was heard.
    pub(super) fn agent_turn(&mut self, said: Said, journal: &Journal, events: &EventPublisher) {
        let turn = TranscriptTurn {
            speaker: Speaker::Agent,
            text: said.text,
            started_at: self.wall(said.started),
            ended_at: self.wall(said.ended),
            interrupted: said.interrupted,
        };
        self.push(turn, journal, events);
    }

    fn push(&mut self, turn: TranscriptTurn, journal: &Journal, events: &EventPublisher) {
        if !self.kept {
            return;
        }
        journal.turn(self.turns.len() as u32, turn.clone());
        events.publish(CallEvent::TranscriptFinal { turn: turn.clone() });
        self.turns.push(turn);
    }

    pub(super) fn into_turns(self) -> Vec<TranscriptTurn> {
        self.turns
    }
}
