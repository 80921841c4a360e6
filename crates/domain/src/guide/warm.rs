//! Scripts are embedded when they are saved, so that the first call finds it done.

use std::{sync::Arc, time::Duration};

use contract::Script;
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument as _;

use super::GuideIndex;
use crate::{ProviderFailure, ports::SentenceEmbedder};

/// Scripts that wait or are being embedded at most; one that finds no place is embedded by its first call.
const SCRIPTS_MAX: usize = 8;
/// A script of the largest size takes some twenty seconds of an idle core.
const DEADLINE: Duration = Duration::from_mins(3);

/// Embeds a script's examples ahead of the first call that needs them, in batches that let other work between.
pub async fn warm(embedder: &Arc<dyn SentenceEmbedder>, script: &Script) -> Result<(), ProviderFailure> {
    GuideIndex::open(embedder, script).await.map(drop)
}

/// Embeds scripts in the background, one after another.
#[derive(Clone)]
pub(crate) struct Warmer {
    embedder: Arc<dyn SentenceEmbedder>,
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Warmer {
    pub(crate) fn new(embedder: Arc<dyn SentenceEmbedder>) -> Self {
        Self {
            embedder,
            places: Arc::new(Semaphore::new(SCRIPTS_MAX)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Starts it beside the caller's own work.
    pub(crate) fn start(&self, script: Script) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::debug!("too many scripts wait to be embedded");
            return;
        };
        let warmer = self.clone();
        let warming = async move {
            // The wait is bounded by the deadlines of those before.
            let Ok(_turn) = warmer.turn.acquire().await else { return };
            match timeout(DEADLINE, warm(&warmer.embedder, &script)).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => tracing::warn!(%failure, "a script was not embedded ahead of its calls"),
                Err(_) => tracing::warn!("a script was not embedded ahead of its calls in time"),
            }
            drop(place);
        };
        tokio::spawn(warming.in_current_span());
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.places.available_permits() == SCRIPTS_MAX
    }
}
