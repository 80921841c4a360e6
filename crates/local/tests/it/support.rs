//! The loaded engines, and speech to feed them.

use std::{env, path::PathBuf, sync::Arc};

use domain::ports::{SpeechRequest, Utterance};
use futures_util::TryStreamExt as _;
use local::{LoadOptions, LocalSpeech, VOICES, models::ModelStore};

use crate::phone_line;

/// Fails, with what to do, when the models are not there.
pub(crate) fn engines() -> LocalSpeech {
    let dir = env::var_os("CALLWRIGHT_MODELS_DIR").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap()).join(".cache/callwright/models"),
        PathBuf::from,
    );
    let store = ModelStore::new(dir);
    assert!(
        store.is_complete(),
        "the models are not in {}: run ./test, which pulls them first, or set CALLWRIGHT_MODELS_DIR",
        store.dir().display()
    );
    LocalSpeech::load(&store, LoadOptions::default()).unwrap()
}

/// The text in the local voice, mono at 24 kHz.
pub(crate) async fn speech(engines: &LocalSpeech, text: &str) -> Vec<i16> {
    let request = SpeechRequest {
        text: text.to_owned(),
        voice: VOICES[0].id.to_owned(),
    };
    let stream = engines.text_to_speech().speak(request).await.unwrap();
    let chunks: Vec<_> = stream.try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| chunk.sample_rate == 24_000));
    chunks.into_iter().flat_map(|chunk| chunk.samples).collect()
}

/// The text as a caller's voice arrives: through a telephone line, at 16 kHz.
pub(crate) async fn caller(engines: &LocalSpeech, text: &str) -> Vec<i16> {
    phone_line::heard(&speech(engines, text).await)
}

pub(crate) fn utterance(samples: &[i16]) -> Utterance {
    Utterance {
        samples: Arc::from(samples),
        language: Some("en".to_owned()),
    }
}
