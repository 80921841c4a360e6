//! Speech to text: one utterance as a WAV file.

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure, ProviderFault,
    ports::{SpeechToText, Utterance},
};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use super::OpenAiProvider;
use crate::wav;

/// Longest transcript that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Transcript {
    text: String,
}

#[async_trait]
impl SpeechToText for OpenAiProvider {
    async fn transcribe(&self, utterance: Utterance) -> Result<String, ProviderFailure> {
        let mut operation = self.operation(ProviderKind::Stt, "transcribe");
        let file = Part::bytes(wav::encode(&utterance.samples, Utterance::SAMPLE_RATE)).file_name("audio.wav");
        let file = file
            .mime_str("audio/wav")
            .map_err(|_| operation.failure(ProviderFault::BadResponse, "mime type"))?;
        let mut form = Form::new()
            .part("file", file)
            .text("model", self.config.transcription_model.clone());
        form = form.text("response_format", "json").text("temperature", "0");
        // The API takes ISO 639-1: the first part of a BCP 47 tag.
        if let Some(language) = utterance
            .language
            .as_deref()
            .and_then(|tag| tag.split('-').next())
            .filter(|tag| tag.len() == 2)
        {
            form = form.text("language", language.to_lowercase());
        }
        let response = operation
            .send(self.post("/audio/transcriptions").multipart(form))
            .await?;
        let answer = operation.body(response).read(ANSWER_BYTES_MAX).await?;
        let transcript: Transcript = serde_json::from_slice(&answer)
            .map_err(|_| operation.failure(ProviderFault::BadResponse, "the answer is no transcript"))?;
        Ok(transcript.text.trim().to_owned())
    }
}
