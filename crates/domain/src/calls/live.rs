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

/// Between tries to write an ending.
const FINISH_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];
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

    /// Ends the record of a call; the first ending stays. A store that fails is asked again a few times, since
    /// a record left open holds one of its organisation's places.
    pub async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) {
        for pause in FINISH_PAUSES {
            match self.setup.store.call_finish(scope, id, ending).await {
                Ok(_) => return,
                Err(error) => logged(id, Err(error)),
            }
            tokio::time::sleep(pause).await;
        }
        logged(id, self.setup.store.call_finish(scope, id, ending).await.map(drop));
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

    /// After a start: calls that were going on when the program died become `failed`, with what was recorded
    /// and said so far. How many there were. One that can't be closed is logged and left.
    pub async fn recover(&self) -> Result<usize, Error> {
        let lost = self.setup.store.calls_unfinished().await?;
        let count = lost.len();
        for owned in lost {
            let id = owned.call.id;
            if let Err(error) = self.close_lost(owned).await {
                tracing::error!(call_id = %id, %error, "a lost call could not be closed");
            }
        }
        Ok(count)
    }

    async fn close_lost(&self, owned: OwnedCall) -> Result<(), Error> {
        let scope = Scope {
            organization: owned.organization,
        };
        let call = owned.call;
        let recordings = &self.setup.recordings;
        let recorded = recordings
            .recording_repair(scope, call.id)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(call_id = %call.id, %error, "the recording of a lost call could not be repaired");
                false
            });
        let bytes = recordings
            .recording_size(scope, call.id)
            .await
            .ok()
            .flatten()
            .unwrap_or(0);
        let turns = self
            .setup
            .store
            .call_transcript(scope, call.id)
            .await?
            .unwrap_or_default();
        let answered = call.answered_at.unwrap_or(call.started_at);
        let recorded_until = answered.millis() + (bytes / RECORDED_BYTES_PER_MILLISECOND) as i64;
        let said_until = turns.last().map_or(answered, |turn| turn.ended_at);
        let message = "The server stopped in the middle of this call.";
        let failure = LaterFailure::new(Reason::Internal, message, Map::new(), self.now());
        // The last sign of life, not now: the time the program was down is no part of the call.
        let ended_at = said_until.max(Timestamp::from_millis(recorded_until)).min(self.now());
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
}

fn logged(id: CallId, result: Result<(), StoreError>) {
    if let Err(error) = result {
        let cause = error.source.to_string();
        tracing::error!(call_id = %id, doing = error.doing, cause, "a call's record could not be written");
    }
}
