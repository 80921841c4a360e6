//! Text to speech: words to phonemes, phonemes to a spectrum, the spectrum to sound.

mod vocoder;

use std::{collections::HashMap, collections::VecDeque, fs, sync::Arc};

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure,
    ports::{SpeechChunk, SpeechRequest, TextToSpeech},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use self::vocoder::{Spectrum, Vocoder};
use crate::{
    LoadError, VOICES,
    engine::{Pool, Ticket},
    failure,
    g2p::G2p,
    models::{ModelStore, file},
    net::{Net, NetError},
    text,
};

const SAMPLE_RATE: u32 = 24_000;
/// 200 ms.
const CHUNK_SAMPLES: usize = 4800;
const TEXT_CHARS_MAX: usize = 2000;
/// Phonemes the network takes at once; a piece of text has far fewer.
const PHONEMES_MAX: usize = 500;

pub(crate) struct Synthesizer(Arc<Pool<Engine>>);

struct Engine {
    g2p: Arc<G2p>,
    vocabulary: Arc<HashMap<String, i32>>,
    net: Net,
    vocoder: Vocoder,
    ticket: Ticket,
}

impl Synthesizer {
    pub(crate) fn load(store: &ModelStore, parallel: usize) -> Result<Self, LoadError> {
        let g2p = Arc::new(G2p::load(store)?);
        let path = store.path(file::VOICE_VOCABULARY);
        LoadError::require(&path)?;
        let text = fs::read(&path).map_err(|error| LoadError::unreadable(&path, error))?;
        let vocabulary = serde_json::from_slice(&text).map_err(|error| LoadError::unreadable(&path, error))?;
        let vocabulary = Arc::new(vocabulary);
        let make = |ticket| {
            let (g2p, vocabulary) = (Arc::clone(&g2p), Arc::clone(&vocabulary));
            Ok(Engine {
                g2p,
                vocabulary,
                net: Net::load(&store.path(file::VOICE))?,
                vocoder: Vocoder::new(),
                ticket,
            })
        };
        Pool::new(parallel, make).map(Self)
    }
}

#[async_trait]
impl TextToSpeech for Synthesizer {
    async fn speak(
        &self,
        request: SpeechRequest,
    ) -> Result<BoxStream<'static, Result<SpeechChunk, ProviderFailure>>, ProviderFailure> {
        let refused = |why| Err(failure::rejected(ProviderKind::Tts, "speak", why));
        if !VOICES.iter().any(|voice| voice.id == request.voice) {
            return refused("there is no such voice".to_owned());
        }
        if request.text.chars().count() > TEXT_CHARS_MAX {
            return refused(format!("more than {TEXT_CHARS_MAX} characters"));
        }
        let pieces = VecDeque::from(text::pieces(&text::spoken(&request.text)));
        let sounds = stream::try_unfold((Arc::clone(&self.0), pieces), |(pool, mut pieces)| async move {
            let Some(piece) = pieces.pop_front() else {
                return Ok(None);
            };
            let samples = synthesize(&pool, piece).await?;
            Ok(Some((chunks(&samples), (pool, pieces))))
        });
        let flat = sounds.flat_map(|sound: Result<Vec<SpeechChunk>, _>| match sound {
            Ok(chunks) => stream::iter(chunks.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(failure) => stream::iter(vec![Err(failure)]),
        });
        Ok(flat.boxed())
    }
}

async fn synthesize(pool: &Arc<Pool<Engine>>, piece: String) -> Result<Vec<i16>, ProviderFailure> {
    pool.run(move |engine, _| engine.synthesize(&piece))
        .await
        .map_err(failure::of(ProviderKind::Tts, "speak"))?
        .map_err(failure::of(ProviderKind::Tts, "speak"))
}

fn chunks(samples: &[i16]) -> Vec<SpeechChunk> {
    let chunk = |samples: &[i16]| SpeechChunk {
        samples: samples.to_vec(),
        sample_rate: SAMPLE_RATE,
    };
    samples.chunks(CHUNK_SAMPLES).map(chunk).collect()
}

impl Engine {
    fn synthesize(&mut self, piece: &str) -> Result<Vec<i16>, NetError> {
        let phonemes = self.g2p.phonemes(piece);
        let known = |char: char| self.vocabulary.get(char.encode_utf8(&mut [0; 4]) as &str).copied();
        let mut ids: Vec<i32> = phonemes.chars().filter_map(known).take(PHONEMES_MAX).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        ids.insert(0, 0);
        ids.push(0);
        let spectrum = self.spectrum(ids)?;
        if self.ticket.is_cancelled() {
            return Ok(Vec::new());
        }
        let sound = self.vocoder.sound(&spectrum);
        Ok(sound
            .iter()
            .map(|value| (value.clamp(-1.0, 1.0) * 32_767.0) as i16)
            .collect())
    }

    fn spectrum(&self, ids: Vec<i32>) -> Result<Spectrum, NetError> {
        let inputs = vec![
            ("ids", self.net.tensor(&[1, ids.len()], ids)?),
            ("speed", self.net.tensor(&[1], vec![1.0_f32])?),
        ];
        let outputs = self.net.run(inputs, ["lh", "theta", "ln", "lr", "phi", "f0"])?;
        let [harmonic, angle, noise, free, phase, pitch] = outputs.map(|output| self.net.floats(output));
        let spectrum = Spectrum {
            harmonic: harmonic?.1,
            angle: angle?.1,
            noise: noise?.1,
            free: free?.1,
            phase: phase?.1,
            pitch: pitch?.1,
        };
        if spectrum.is_consistent() {
            Ok(spectrum)
        } else {
            Err(self.net.error(&"parts of different lengths"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_a_fifth_of_a_second_and_lose_nothing() {
        let samples: Vec<i16> = (0..10_000).collect();
        let chunks = chunks(&samples);
        assert_eq!(
            chunks.iter().map(|chunk| chunk.samples.len()).collect::<Vec<_>>(),
            [4800, 4800, 400]
        );
        assert_eq!(
            chunks
                .iter()
                .flat_map(|chunk| chunk.samples.clone())
                .collect::<Vec<_>>(),
            samples
        );
    }
}
