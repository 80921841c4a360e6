//! Any server that speaks `OpenAI`'s API: hosted ones, and vLLM, llama.cpp, Ollama or speech servers of one's own.

mod chat;
mod speech;
mod thoughts;
mod transcription;

use std::{sync::Arc, time::Duration};

use contract::ProviderKind;
use reqwest::{Client, RequestBuilder, Url, redirect::Policy};

use crate::http::{Operation, Secret, Timeouts, is_this_machine};

/// Idle connections that are kept for the next turn.
const POOL_IDLE: Duration = Duration::from_secs(90);

/// How speech is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechFormat {
    /// Bare 16-bit mono samples at this rate; `OpenAI`'s is 24 kHz.
    Pcm {
        /// The rate that the server sends.
        sample_rate: u32,
    },
    /// A WAV file, whose header says the rate.
    Wav,
}

/// Where a server is and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAiConfig {
    /// The name that agents and errors know it by.
    pub name: String,
    /// Up to and without `/chat/completions`, e.g. `https://api.openai.com/v1`.
    pub base_url: String,
    /// Sent as bearer; servers of one's own often need none.
    pub api_key: Option<Secret>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// The recogniser, e.g. `whisper-1`.
    pub transcription_model: String,
    /// The synthesizer, e.g. `tts-1`.
    pub speech_model: String,
    /// How speech is asked for.
    pub speech_format: SpeechFormat,
}

impl OpenAiConfig {
    /// The usual settings for a server.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            api_key: None,
            timeouts: Timeouts::default(),
            transcription_model: "whisper-1".to_owned(),
            speech_model: "tts-1".to_owned(),
            speech_format: SpeechFormat::Pcm { sample_rate: 24_000 },
        }
    }
}

/// The configuration can't work.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Not an `http` or `https` URL.
    #[error("the base URL of provider {0} is not an http or https URL")]
    BaseUrl(String),
    /// TLS could not be set up.
    #[error("the HTTP client of provider {0} can't be made")]
    Client(String, #[source] reqwest::Error),
}

/// A client of one such server: language model, recogniser and synthesizer, over one pool of connections.
#[derive(Clone, Debug)]
pub struct OpenAiProvider {
    client: Client,
    config: Arc<OpenAiConfig>,
}

impl OpenAiProvider {
    /// Sets the client up; does not talk to the server yet. Makes ring the process's TLS provider if it has none.
    pub fn new(config: OpenAiConfig) -> Result<Self, SetupError> {
        let url = Url::parse(&config.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| SetupError::BaseUrl(config.name.clone()))?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        // A redirect would carry what callers say to a host that nobody configured.
        let mut builder = Client::builder()
            .connect_timeout(config.timeouts.connect)
            .pool_idle_timeout(POOL_IDLE)
            .redirect(Policy::none());
        if is_this_machine(&url) {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| SetupError::Client(config.name.clone(), error))?;
        Ok(Self {
            client,
            config: Arc::new(config),
        })
    }

    /// The same server with another recogniser; shares the connections.
    #[must_use]
    pub fn with_transcription_model(&self, model: impl Into<String>) -> Self {
        let config = OpenAiConfig {
            transcription_model: model.into(),
            ..(*self.config).clone()
        };
        Self {
            client: self.client.clone(),
            config: Arc::new(config),
        }
    }

    fn operation(&self, kind: ProviderKind, name: &'static str) -> Operation {
        Operation {
            provider: self.config.name.clone(),
            kind,
            name,
            timeouts: self.config.timeouts,
            request_id: None,
        }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let request = self
            .client
            .post(format!("{}{path}", self.config.base_url.trim_end_matches('/')));
        match &self.config.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}
