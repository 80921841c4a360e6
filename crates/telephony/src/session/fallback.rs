//! What a caller hears when a stage breaks: synthesized ahead, so that it can be said when nothing works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::calls::SpokenVoice;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::voice::line_speech;

/// The words.
pub(super) const TEXT: &str = "I'm sorry, something went wrong on our side. Please call again later. Goodbye.";
/// Longest wait for one voice to say them, so that the caller hears something within three seconds.
const DEADLINE: Duration = Duration::from_millis(1200);
/// Voices remembered.
const VOICES_MAX: usize = 64;

/// The fallback in every voice that was needed so far.
#[derive(Clone, Default)]
pub(crate) struct Fallbacks {
    spoken: Arc<Mutex<HashMap<(String, String), Arc<[i16]>>>>,
}

impl Fallbacks {
    /// The words at the rate of the line, in the first voice, or else in the second.
    pub(super) async fn speech(&self, first: SpokenVoice, second: Option<SpokenVoice>) -> Option<Arc<[i16]>> {
        for voice in [Some(first), second].into_iter().flatten() {
            if let Some(samples) = self.in_voice(voice).await {
                return Some(samples);
            }
        }
        None
    }

    async fn in_voice(&self, voice: SpokenVoice) -> Option<Arc<[i16]>> {
        let name = (voice.provider.clone(), voice.voice.clone());
        if let Some(known) = self.spoken.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Some(known.clone());
        }
        let samples: Arc<[i16]> = timeout(DEADLINE, whole(&voice)).await.ok().flatten()?.into();
        let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        if spoken.len() < VOICES_MAX {
            spoken.insert(name, samples.clone());
        }
        Some(samples)
    }
}

async fn whole(voice: &SpokenVoice) -> Option<Vec<i16>> {
    let mut stream = std::pin::pin!(line_speech(voice, TEXT.to_owned(), DEADLINE));
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend(piece.ok()?);
    }
    (!all.is_empty()).then_some(all)
}
