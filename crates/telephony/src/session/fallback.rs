//! What a caller hears when a stage breaks or nobody pays any more: synthesized ahead, so that it can be said when
//! nothing works.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::calls::SpokenVoice;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::voice::line_speech;

/// The last words of a call that can't go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Words {
    /// Something broke.
    #[default]
    Apology,
    /// Nobody pays any more. That is between us and the organisation, so the caller hears nothing of it.
    Farewell,
}

impl Words {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Apology => "I'm sorry, something went wrong on our side. Please call again later. Goodbye.",
            Self::Farewell => "I'm sorry, I have to end our call here. Goodbye.",
        }
    }
}

/// Longest wait for one voice to say them once something broke, so that the caller hears something within three
/// seconds.
const DEADLINE: Duration = Duration::from_millis(1200);
/// Longest wait ahead of time, when nobody waits: a busy machine gets there, too.
const PREPARE_DEADLINE: Duration = Duration::from_secs(30);
/// Words in voices remembered.
const VOICES_MAX: usize = 128;

/// Words in a voice: a provider and its name for the voice.
type Spoken = (Words, String, String);

/// The last words in every voice that was needed so far.
#[derive(Clone, Default)]
pub(crate) struct Fallbacks {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    spoken: HashMap<Spoken, Arc<[i16]>>,
    preparing: HashSet<Spoken>,
}

impl Fallbacks {
    /// Makes words ready in a voice, unless they are or soon will be. Returns at once; a failure is tried again
    /// when asked again.
    pub(crate) fn prepare(&self, words: Words, voice: &SpokenVoice) {
        let name = name_of(words, voice);
        {
            let mut shared = self.shared();
            let known = shared.spoken.contains_key(&name);
            let full = shared.spoken.len() + shared.preparing.len() >= VOICES_MAX;
            if known || full || !shared.preparing.insert(name.clone()) {
                return;
            }
        }
        let preparing = Preparing {
            fallbacks: self.clone(),
            name,
        };
        let voice = voice.clone();
        // Ends by its own deadline.
        tokio::spawn(async move {
            if let Some(samples) = whole(words, &voice, PREPARE_DEADLINE).await {
                preparing.fallbacks.keep(preparing.name.clone(), samples);
            }
        });
    }

    /// The words at the rate of the line, in the first voice, or else in the second.
    pub(super) async fn speech(
        &self,
        words: Words,
        first: SpokenVoice,
        second: Option<SpokenVoice>,
    ) -> Option<Arc<[i16]>> {
        for voice in [Some(first), second].into_iter().flatten() {
            if let Some(samples) = self.in_voice(words, voice).await {
                return Some(samples);
            }
        }
        None
    }

    async fn in_voice(&self, words: Words, voice: SpokenVoice) -> Option<Arc<[i16]>> {
        let name = name_of(words, &voice);
        let known = self.shared().spoken.get(&name).cloned();
        if known.is_some() {
            return known;
        }
        let samples = whole(words, &voice, DEADLINE).await?;
        self.keep(name, samples.clone());
        Some(samples)
    }

    fn keep(&self, name: Spoken, samples: Arc<[i16]>) {
        let mut shared = self.shared();
        if shared.spoken.len() < VOICES_MAX {
            shared.spoken.insert(name, samples);
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // The lock guards plain insertions; a poisoned one holds valid data.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A voice that is preparing the words; struck off the list when dropped, whatever became of it.
struct Preparing {
    fallbacks: Fallbacks,
    name: Spoken,
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.fallbacks.shared().preparing.remove(&self.name);
    }
}

fn name_of(words: Words, voice: &SpokenVoice) -> Spoken {
    (words, voice.provider.clone(), voice.voice.clone())
}

/// All of the words within the deadline, or nothing.
async fn whole(words: Words, voice: &SpokenVoice, deadline: Duration) -> Option<Arc<[i16]>> {
    let speech = async {
        let mut stream = std::pin::pin!(line_speech(voice, words.text().to_owned(), deadline));
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend(piece.ok()?);
        }
        (!all.is_empty()).then(|| all.into())
    };
    timeout(deadline, speech).await.ok().flatten()
}
