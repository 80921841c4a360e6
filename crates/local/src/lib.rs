//! The domain's speech ports on local models: voice activity, end of turn, recognition, synthesis, embeddings.
//!
//! Everything runs on the CPU of this machine. All but whisper.cpp is Rust. The weights are fetched and checked by
//! [`models`]; without them [`LocalSpeech::load`] fails and says what to do.

mod embed;
mod engine;
mod failure;
mod g2p;
mod mel;
pub mod models;
mod net;
mod stt;
mod text;
mod tts;
mod turn;
mod vad;
mod whisper_file;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{
    error::BoxError,
    ports::{EndOfTurnModel, SentenceEmbedder, SpeechToText, TextToSpeech},
};

use self::{embed::Embedder, models::ModelStore, stt::Recogniser, tts::Synthesizer, turn::EndOfTurn};
pub use self::{vad::voice_activity_factory, whisper_file::ConvertError};

/// The name of this provider in agents and errors.
pub const PROVIDER: &str = "local";
/// The recogniser's name.
pub const STT_MODEL: &str = "local/whisper-tiny.en";
/// The voices that can be asked for.
pub const VOICES: &[LocalVoice] = &[LocalVoice {
    id: "heart",
    name: "Heart",
    language: "en-US",
}];

/// A voice of the synthesizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalVoice {
    /// Its name in requests.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// BCP 47.
    pub language: &'static str,
}

/// How much of the machine the engines may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Threads of one recognition.
    pub stt_threads: usize,
    /// Recognitions at once; each holds its own working memory.
    pub stt_parallel: usize,
    /// Syntheses at once; each holds its own copy of the network.
    pub tts_parallel: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            stt_threads: 2,
            stt_parallel: 2,
            tts_parallel: 1,
        }
    }
}

/// Why the models could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is not there.
    #[error("the model file {} is missing; run `callwright models pull`", .0.display())]
    Missing(PathBuf),
    /// A file is there but not what it should be.
    #[error("can't read the model file {}; run `callwright models verify`", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BoxError,
    },
}

impl LoadError {
    fn require(path: &Path) -> Result<(), Self> {
        if path.is_file() {
            Ok(())
        } else {
            Err(Self::Missing(path.to_owned()))
        }
    }

    fn unreadable(path: &Path, source: impl Into<BoxError>) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// All engines, loaded once and shared by all calls.
pub struct LocalSpeech {
    recogniser: Arc<Recogniser>,
    synthesizer: Arc<Synthesizer>,
    end_of_turn: Arc<EndOfTurn>,
    embedder: Arc<Embedder>,
}

impl LocalSpeech {
    /// Loads every model. Blocks for seconds.
    pub fn load(store: &ModelStore, options: LoadOptions) -> Result<Self, LoadError> {
        Ok(Self {
            recogniser: Arc::new(Recogniser::load(store, options.stt_threads, options.stt_parallel)?),
            synthesizer: Arc::new(Synthesizer::load(store, options.tts_parallel)?),
            end_of_turn: Arc::new(EndOfTurn::load(store, options.stt_parallel)?),
            embedder: Arc::new(Embedder::load(store)?),
        })
    }

    /// The recogniser, [`STT_MODEL`].
    pub fn speech_to_text(&self) -> Arc<dyn SpeechToText> {
        Arc::clone(&self.recogniser) as _
    }

    /// The synthesizer of [`VOICES`].
    pub fn text_to_speech(&self) -> Arc<dyn TextToSpeech> {
        Arc::clone(&self.synthesizer) as _
    }

    /// The end-of-turn model.
    pub fn end_of_turn(&self) -> Arc<dyn EndOfTurnModel> {
        Arc::clone(&self.end_of_turn) as _
    }

    /// The embedder.
    pub fn embedder(&self) -> Arc<dyn SentenceEmbedder> {
        Arc::clone(&self.embedder) as _
    }

    /// Runs every engine once, so that the first call finds pages and caches warm.
    pub async fn warm_up(&self) -> Result<(), domain::ProviderFailure> {
        use domain::ports::{SpeechRequest, Utterance};
        use futures_util::StreamExt as _;

        let utterance = Utterance {
            samples: Arc::from(vec![0_i16; Utterance::SAMPLE_RATE as usize]),
            language: None,
        };
        self.end_of_turn.turn_is_over(utterance.clone()).await?;
        self.recogniser.transcribe(utterance).await?;
        self.embedder.embed(vec!["Hello.".to_owned()]).await?;
        let request = SpeechRequest {
            text: "Hello.".to_owned(),
            voice: VOICES[0].id.to_owned(),
        };
        let mut speech = self.synthesizer.speak(request).await?;
        while let Some(chunk) = speech.next().await {
            chunk?;
        }
        Ok(())
    }
}
