//! What a session tells the record while it goes on, written in order beside it so no frame waits for a disk.

use std::time::Duration;

use contract::{CallId, CallStatus, LaterFailure, Timestamp, TranscriptTurn};
use domain::{calls::Calls, records::Scope};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tracing::Instrument as _;

/// Entries that may wait for the store. The ending repeats all of them, so what does not fit is no loss unless
/// the program dies.
const BACKLOG: usize = 64;
/// Longest wait for the store to take what waits. The ending is what counts, and it repeats all of it.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

enum Entry {
    Progress(CallStatus, Option<Timestamp>),
    Turn(u32, TranscriptTurn),
    Error(LaterFailure),
}

/// The session's end of the journal.
pub(super) struct Journal {
    entries: mpsc::Sender<Entry>,
    writer: JoinHandle<()>,
}

impl Journal {
    pub(super) fn open(calls: Calls, scope: Scope, call: CallId) -> Self {
        let (entries, mut waiting) = mpsc::channel(BACKLOG);
        let writing = async move {
            while let Some(entry) = waiting.recv().await {
                match entry {
                    Entry::Progress(status, answered_at) => {
                        calls.call_progress(scope, call, status, answered_at).await;
                    }
                    Entry::Turn(index, turn) => calls.call_turn(scope, call, index, &turn).await,
                    Entry::Error(error) => calls.call_error(scope, call, &error).await,
                }
            }
        };
        let writer = tokio::spawn(writing.in_current_span());
        Self { entries, writer }
    }

    pub(super) fn progress(&self, status: CallStatus, answered_at: Option<Timestamp>) {
        self.note(Entry::Progress(status, answered_at));
    }

    pub(super) fn turn(&self, index: u32, turn: TranscriptTurn) {
        self.note(Entry::Turn(index, turn));
    }

    pub(super) fn error(&self, error: LaterFailure) {
        self.note(Entry::Error(error));
    }

    fn note(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            tracing::warn!("the journal of a call is full; the ending will repeat what is missing");
        }
    }

    /// Waits a while until everything is written, and gives up what is not.
    pub(super) async fn close(mut self) {
        drop(self.entries);
        match timeout(CLOSE_WITHIN, &mut self.writer).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the journal of a call died"),
            Err(_) => {
                self.writer.abort();
                tracing::warn!("the store takes long; the ending will repeat what the journal of a call holds");
            }
        }
    }
}
