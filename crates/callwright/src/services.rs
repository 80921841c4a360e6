//! Speech and thought, as configured: local models and providers behind the domain's ports.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result, bail};
use domain::{
    ports::{LanguageModel, Services, SpeechToText, TextToSpeech},
    voices::SystemVoice,
};
use providers::{OpenAiConfig, OpenAiProvider, Secret};

use crate::config::{Config, ProviderSection, ProviderSort};

/// Services with the voices they bring.
pub(crate) struct Configured {
    pub(crate) services: Services,
    pub(crate) voices: Vec<SystemVoice>,
}

/// Loads models and opens providers.
pub(crate) async fn open(config: &Config) -> Result<Configured> {
    let mut configured = if config.models.local {
        local_services(config).await?
    } else {
        bare()
    };
    for (name, section) in &config.providers {
        add_provider(&mut configured, name, section)?;
    }
    let services = &mut configured.services;
    if let Some(wanted) = &config.models.speech_to_text {
        services.default_speech_to_text.clone_from(wanted);
    } else if services.default_speech_to_text.is_empty() {
        let mut names: Vec<_> = services.speech_to_text.keys().cloned().collect();
        names.sort();
        services.default_speech_to_text = names.into_iter().next().unwrap_or_default();
    }
    if !services.speech_to_text.contains_key(&services.default_speech_to_text) {
        bail!(
            "there is no recogniser {:?}: leave models.local on, or give a provider stt_models",
            services.default_speech_to_text
        );
    }
    if services.text_to_speech.is_empty() {
        bail!("there is no synthesizer: leave models.local on, or give a provider tts_model and voices");
    }
    Ok(configured)
}

/// Nothing but an ear that goes by loudness.
fn bare() -> Configured {
    let services = Services {
        voice_activity: Arc::new(|| Box::new(ByLoudness(media::energy::EnergyDetector::new()))),
        end_of_turn: None,
        embedder: None,
        speech_to_text: HashMap::new(),
        default_speech_to_text: String::new(),
        text_to_speech: HashMap::new(),
        understudy: None,
        language_models: HashMap::new(),
    };
    Configured {
        services,
        voices: Vec::new(),
    }
}

struct ByLoudness(media::energy::EnergyDetector);

impl domain::ports::VoiceActivityDetector for ByLoudness {
    fn speech_probability(&mut self, frame: &[i16; 256]) -> f32 {
        self.0.speech_probability(frame)
    }
}

#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "the other build loads models here")]
async fn local_services(_config: &Config) -> Result<Configured> {
    bail!("this program was built without local models; set models.local = false and configure providers")
}

#[cfg(feature = "local")]
async fn local_services(config: &Config) -> Result<Configured> {
    let store = local::models::ModelStore::new(config.models.dir.clone());
    let options = local::LoadOptions {
        stt_threads: config.models.stt_threads,
        stt_parallel: config.models.stt_parallel,
        ..local::LoadOptions::default()
    };
    let loaded = tokio::task::spawn_blocking(move || local::LocalSpeech::load(&store, options));
    let speech = loaded.await.context("loading the local models was cut off")??;
    speech
        .warm_up()
        .await
        .context("the local models are loaded but do not work; run `callwright models verify`")?;
    let text_to_speech = speech.text_to_speech();
    let first_voice = local::VOICES.first().context("the local synthesizer has no voice")?;
    let mut configured = bare();
    let services = &mut configured.services;
    services.voice_activity = local::voice_activity_factory();
    services.end_of_turn = Some(speech.end_of_turn());
    services.embedder = Some(speech.embedder());
    services
        .speech_to_text
        .insert(local::STT_MODEL.to_owned(), speech.speech_to_text());
    local::STT_MODEL.clone_into(&mut services.default_speech_to_text);
    services
        .text_to_speech
        .insert(local::PROVIDER.to_owned(), text_to_speech.clone());
    services.understudy = Some(domain::calls::SpokenVoice {
        provider: local::PROVIDER.to_owned(),
        text_to_speech,
        voice: first_voice.id.to_owned(),
    });
    configured.voices = local::VOICES
        .iter()
        .map(|voice| SystemVoice {
            name: voice.name.to_owned(),
            provider: local::PROVIDER.to_owned(),
            provider_voice_id: voice.id.to_owned(),
            language: voice.language.to_owned(),
        })
        .collect();
    Ok(configured)
}

fn add_provider(configured: &mut Configured, name: &str, section: &ProviderSection) -> Result<()> {
    let ProviderSort::Openai = section.kind;
    let mut config = OpenAiConfig::new(name, &section.base_url);
    config.api_key = section.api_key.as_ref().map(Secret::new);
    if let Some(model) = &section.tts_model {
        config.speech_model.clone_from(model);
    }
    let provider = OpenAiProvider::new(config).with_context(|| format!("the provider {name} can't be opened"))?;
    let services = &mut configured.services;
    for model in &section.stt_models {
        let recogniser: Arc<dyn SpeechToText> = Arc::new(provider.with_transcription_model(model.clone()));
        services.speech_to_text.insert(format!("{name}/{model}"), recogniser);
    }
    let provider = Arc::new(provider);
    if section.llm {
        services
            .language_models
            .insert(name.to_owned(), provider.clone() as Arc<dyn LanguageModel>);
    }
    if section.tts_model.is_some() {
        services
            .text_to_speech
            .insert(name.to_owned(), provider as Arc<dyn TextToSpeech>);
        configured.voices.extend(section.voices.iter().map(|voice| SystemVoice {
            name: format!("{voice} ({name})"),
            provider: name.to_owned(),
            provider_voice_id: voice.clone(),
            language: section.language.clone(),
        }));
    }
    Ok(())
}
