//! What live calls tell, and what becomes of those that a crash cut off.

use contract::{CallId, CallStatus, EndReason, LaterFailure, Reason, Timestamp, TranscriptTurn};
use serde_json::Map;

use super::Calls;
use crate::{
    Error,
    error::BoxError,
    ports::{RecordingWriter, StoreError},
    records::{CallEnding, Scope, TrunkRecord},
};

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
            let scope = Scope {
                organization: owned.organization,
            };
            let id = owned.call.id;
            let recorded = self
                .setup
                .recordings
                .recording_repair(scope, id)
                .await
                .unwrap_or_else(|error| {
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
}

fn logged(id: CallId, result: Result<(), StoreError>) {
    if let Err(error) = result {
        let cause = error.source.to_string();
        tracing::error!(call_id = %id, doing = error.doing, cause, "a call's record could not be written");
    }
}
