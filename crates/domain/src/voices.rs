//! Voices agents can speak with.

use std::sync::Arc;

use contract::{VoiceId, VoiceStatus, VoiceType};

use crate::{
    Error,
    ports::{Clock, VoiceStore},
    records::{Listing, Page, Scope, VoiceRecord},
    rules,
};

/// A voice that comes with the platform or its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemVoice {
    /// For people.
    pub name: String,
    /// The synthesizer that speaks it.
    pub provider: String,
    /// Its name at that provider.
    pub provider_voice_id: String,
    /// BCP 47.
    pub language: String,
}

/// Use cases of voices.
#[derive(Clone)]
pub struct Voices {
    store: Arc<dyn VoiceStore>,
    clock: Arc<dyn Clock>,
}

impl Voices {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn VoiceStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Makes the system's voices known at start-up, in their order. A voice that was known keeps its id, so agents
    /// keep their voices over restarts.
    pub async fn register_system(&self, voices: Vec<SystemVoice>) -> Result<Vec<VoiceRecord>, Error> {
        let mut registered = Vec::with_capacity(voices.len());
        for voice in voices {
            let mut record = VoiceRecord {
                id: VoiceId::new(),
                name: voice.name,
                voice_type: VoiceType::System,
                status: VoiceStatus::Active,
                provider: voice.provider,
                provider_voice_id: voice.provider_voice_id,
                language: voice.language,
                last_error: None,
                created_at: self.clock.now(),
            };
            record.id = self.store.voice_register_system(&record).await?;
            registered.push(record);
        }
        Ok(registered)
    }

    /// One voice, the system's or the organisation's own.
    pub async fn voice_fetch(&self, scope: Scope, id: &str) -> Result<VoiceRecord, Error> {
        let voice = rules::id_in_path("voice", id)?;
        self.store
            .voice_fetch(scope, voice)
            .await?
            .ok_or_else(|| Error::not_found("voice", id))
    }

    /// A page of voices.
    pub async fn voice_list(&self, scope: Scope, page: Page) -> Result<Listing<VoiceRecord>, Error> {
        Ok(self.store.voice_list(scope, page).await?)
    }
}
