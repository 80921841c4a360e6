//! Text to speech, streamed.

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure, ProviderFault,
    ports::{SpeechChunk, SpeechRequest, TextToSpeech},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::json;

use super::{OpenAiProvider, SpeechFormat};
use crate::{http::Body, wav::Samples};

/// Longest speech that is read: more than five minutes at 24 kHz.
const SPEECH_BYTES_MAX: usize = 16 * 1024 * 1024;

#[async_trait]
impl TextToSpeech for OpenAiProvider {
    async fn speak(
        &self,
        request: SpeechRequest,
    ) -> Result<BoxStream<'static, Result<SpeechChunk, ProviderFailure>>, ProviderFailure> {
        let mut operation = self.operation(ProviderKind::Tts, "speak");
        let (format, samples) = match self.config.speech_format {
            SpeechFormat::Pcm { sample_rate } => ("pcm", Samples::bare(sample_rate)),
            SpeechFormat::Wav => ("wav", Samples::wav()),
        };
        let body = json!({
            "model": self.config.speech_model,
            "input": request.text,
            "voice": request.voice,
            "response_format": format,
        });
        let response = operation.send(self.post("/audio/speech").json(&body)).await?;
        if !may_be_sound(&response) {
            return Err(operation.failure(
                ProviderFault::BadResponse,
                "the answer is no sound of the kind asked for",
            ));
        }
        let speech = Speech {
            body: operation.body(response),
            samples,
            bytes: 0,
            any: false,
            over: false,
        };
        Ok(stream::try_unfold(speech, |mut speech| async move {
            Ok(speech.next().await?.map(|chunk| (chunk, speech)))
        })
        .boxed())
    }
}

/// Played as samples, a JSON object or an MP3 file would be noise in the caller's ear.
fn may_be_sound(response: &Response) -> bool {
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    ![
        "application/json",
        "text/",
        "audio/mpeg",
        "audio/mp3",
        "audio/ogg",
        "audio/opus",
        "audio/flac",
        "audio/aac",
    ]
    .iter()
    .any(|other| content_type.starts_with(other))
}

struct Speech {
    body: Body,
    samples: Samples,
    bytes: usize,
    any: bool,
    over: bool,
}

impl Speech {
    async fn next(&mut self) -> Result<Option<SpeechChunk>, ProviderFailure> {
        while !self.over {
            let samples = if let Some(piece) = self.body.next().await? {
                self.take(&piece)?
            } else {
                self.over = true;
                self.samples.finish()
            };
            if !samples.is_empty() {
                self.any = true;
                return Ok(Some(SpeechChunk {
                    samples,
                    sample_rate: self.samples.rate(),
                }));
            }
        }
        if self.any {
            Ok(None)
        } else {
            Err(self
                .body
                .operation
                .failure(ProviderFault::BadResponse, "the answer holds no sound"))
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<Vec<i16>, ProviderFailure> {
        self.bytes += piece.len();
        if self.bytes > SPEECH_BYTES_MAX {
            return Err(self
                .body
                .operation
                .failure(ProviderFault::BadResponse, "the speech is too long"));
        }
        self.samples.push(piece).map_err(|_| {
            self.body
                .operation
                .failure(ProviderFault::BadResponse, "the sound is no 16-bit mono WAV")
        })
    }
}
