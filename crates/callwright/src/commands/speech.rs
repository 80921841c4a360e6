//! Speech for callers of our own: says lines at the rate of the line, and tells what was heard.

use std::sync::Arc;

use anyhow::{Context, Result};
use domain::ports::{Services, SpeechRequest, SpeechToText, TextToSpeech, Utterance};
use futures_util::StreamExt;
use media::resample::Resampler;

const LINE_HZ: u32 = 8000;

/// A voice and an ear.
pub(crate) struct Speech {
    mouth: Arc<dyn TextToSpeech>,
    voice: String,
    ear: Arc<dyn SpeechToText>,
}

impl Speech {
    /// The local voice and the default recogniser.
    pub(crate) fn local(services: &Services) -> Result<Self> {
        let voice = services.understudy.clone().context("there is no local voice")?;
        let speech_to_text = services.speech_to_text.get(&services.default_speech_to_text).cloned();
        Ok(Self {
            mouth: voice.text_to_speech,
            voice: voice.voice,
            ear: speech_to_text.context("there is no recogniser")?,
        })
    }

    /// Speech of a text, 8 kHz mono.
    pub(crate) async fn say(&self, text: &str) -> Result<Vec<i16>> {
        let request = SpeechRequest {
            text: text.to_owned(),
            voice: self.voice.clone(),
        };
        let mut stream = self.mouth.speak(request).await?;
        let (mut samples, mut resampler) = (Vec::new(), None);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            let to_line = resampler.get_or_insert_with(|| Resampler::new(chunk.sample_rate, LINE_HZ));
            to_line.process(&chunk.samples, &mut samples);
        }
        if let Some(mut to_line) = resampler {
            to_line.flush(&mut samples);
        }
        Ok(samples)
    }

    /// The words in 8 kHz mono speech.
    pub(crate) async fn words(&self, line: &[i16]) -> Result<String> {
        let mut samples = Vec::with_capacity(line.len() * 2);
        let mut wide = Resampler::new(LINE_HZ, Utterance::SAMPLE_RATE);
        wide.process(line, &mut samples);
        wide.flush(&mut samples);
        let utterance = Utterance {
            samples: samples.into(),
            language: Some("en".to_owned()),
        };
        Ok(self.ear.transcribe(utterance).await?)
    }
}
