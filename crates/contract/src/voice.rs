//! Voices.

use serde::{Deserialize, Serialize};

use crate::{LaterFailure, Timestamp, VoiceId};

/// Where a voice comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoiceType {
    /// Comes with the platform or its configuration; every organisation has it.
    System,
    /// Made known by an organisation from a provider's catalogue.
    Imported,
    /// Trained from an organisation's recordings.
    Cloned,
}

/// Whether a voice can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VoiceStatus {
    /// Being made.
    Training,
    /// Ready.
    Active,
    /// Could not be made; see `last_error`.
    Failed,
}

/// A voice an agent can speak with.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Voice {
    /// Its id, for `voice_id` of agents.
    pub id: VoiceId,
    /// For people.
    pub name: String,
    /// Where it comes from.
    #[serde(rename = "type")]
    pub voice_type: VoiceType,
    /// Whether it can speak.
    pub status: VoiceStatus,
    /// The synthesizer that speaks it, e.g. `local`.
    pub provider: String,
    /// Its name at that provider.
    pub provider_voice_id: String,
    /// BCP 47.
    pub language: String,
    /// Why it failed, if it did.
    pub last_error: Option<LaterFailure>,
    /// When it became known.
    pub created_at: Timestamp,
}
