//! What live calls tell, and what becomes of those that a crash cut off.

use std::time::Duration;

use contract::{CallId, CallStatus, EndReason, LaterFailure, Reason, Timestamp, TranscriptTurn};
use serde_json::Map;

use super::{Calls, later};
use crate::{
    Error,
    error::BoxError,
    ports::{RecordingWriter, StoreError},
    records::{CallEnding, OwnedCall, Scope, TrunkRecord},
};

/// Of a stereo recording at 8 kHz with 16-bit samples.
const RECORDED_BYTES_PER_MILLISECOND: u64 = 32;

impl Calls {
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

    /// Ends the record of a call that broke before it was answered.
    pub async fn call_broke(&self, scope: Scope, id: CallId, error: &Error) {
        let at = self.now();
        let ending = CallEnding::before_answer(CallStatus::Failed, EndReason::Error, at, Some(later(error, at)));
        self.call_finish(scope, id, &ending).await;
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

    /// After a start, before anything else: calls of this node that were going on when the program died become
    /// `failed`, with what was recorded and said so far. How many there were. One that can't be closed is logged and
    /// left. From then on this process is the node.
    pub async fn recover(&self) -> Result<usize, Error> {
        let lost = self.setup.store.calls_unfinished().await?;
        let count = lost.len();
        for owned in lost {
            let id = owned.call.id;
            if let Err(error) = self.close_owned(owned, Loss::Node).await {
                tracing::error!(call_id = %id, %error, "a lost call could not be closed");
            }
        }
        self.setup.store.node_begin(self.run, self.now()).await?;
        Ok(count)
    }

    /// Ends the record of a call whose session died so long after the answer, with what it had written until then.
    pub async fn call_died(&self, scope: Scope, id: CallId, lasted: Duration) {
        if let Err(error) = self.close_lost(scope, id, Loss::Session(lasted)).await {
            tracing::error!(call_id = %id, %error, "the call of a dead session could not be closed yet");
        }
    }

    /// Closes the record of a call of this node that nobody holds; fine when it is over.
    pub(super) async fn close_lost(&self, scope: Scope, id: CallId, loss: Loss) -> Result<(), Error> {
        let mine = self.setup.store.calls_unfinished().await?;
        let is_it = |owned: &OwnedCall| owned.call.id == id && owned.organization == scope.organization;
        match mine.into_iter().find(is_it) {
            Some(owned) => self.close_owned(owned, loss).await,
            None => Ok(()),
        }
    }

    pub(super) async fn close_owned(&self, owned: OwnedCall, loss: Loss) -> Result<(), Error> {
        let scope = Scope {
            organization: owned.organization,
        };
        let alive_at = owned.alive_at(loss);
        let call = owned.call;
        let (recorded, recorded_millis) = self.recording_left(scope, call.id).await;
        let turns = self.setup.store.call_transcript(scope, call.id).await?;
        let turns = turns.unwrap_or_default();
        let answered = call.answered_at.unwrap_or(call.started_at);
        let signs = [
            Some(Timestamp::from_millis(answered.millis() + recorded_millis)),
            turns.last().map(|turn| turn.ended_at),
            alive_at,
        ];
        let failure = LaterFailure::new(Reason::Internal, loss.message(), Map::new(), self.now());
        // The last sign of life, not now: the time the program was down is no part of the call.
        let ended_at = signs.into_iter().flatten().fold(answered, Timestamp::max);
        let ended_at = ended_at.min(self.now()).max(answered);
        let ending = CallEnding {
            answered_at: call.answered_at,
            turns,
            metrics: call.metrics,
            dtmf: call.context.dtmf,
            recorded,
            ..CallEnding::before_answer(CallStatus::Failed, EndReason::Error, ended_at, Some(failure))
        };
        self.setup.store.call_finish(scope, call.id, &ending).await?;
        Ok(())
    }

    /// Whether a lost call left a recording here, and how long it is in milliseconds.
    async fn recording_left(&self, scope: Scope, id: CallId) -> (bool, i64) {
        let recordings = &self.setup.recordings;
        let recorded = recordings.recording_repair(scope, id).await.unwrap_or_else(|error| {
            tracing::warn!(call_id = %id, %error, "the recording of a lost call could not be repaired");
            false
        });
        let bytes = recordings.recording_size(scope, id).await.ok().flatten().unwrap_or(0);
        (recorded, (bytes / RECORDED_BYTES_PER_MILLISECOND) as i64)
    }
}

/// Why nobody holds a call any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The program that held it is gone.
    Node,
    /// The program lives, and holds it no more.
    Unheld,
    /// Its session broke, so long after the answer.
    Session(Duration),
}

impl Loss {
    fn message(self) -> &'static str {
        match self {
            Self::Node => "The server stopped in the middle of this call.",
            Self::Unheld | Self::Session(_) => "What held this call broke.",
        }
    }
}

impl OwnedCall {
    /// When it was alive for sure, besides what was said and recorded: when more was paid for it, and as long as what
    /// held it lived.
    fn alive_at(&self, loss: Loss) -> Option<Timestamp> {
        let seen = match loss {
            Loss::Node => self.node_seen_at,
            Loss::Unheld => None,
            Loss::Session(lasted) => (self.call.answered_at)
                .map(|answered| Timestamp::from_millis(answered.millis() + lasted.as_millis() as i64)),
        };
        self.extended_at.max(seen)
    }
}

pub(super) fn logged(id: CallId, result: Result<(), StoreError>) {
    if let Err(error) = result {
        let cause = error.source.to_string();
        tracing::error!(call_id = %id, doing = error.doing, cause, "a call's record could not be written");
    }
}
