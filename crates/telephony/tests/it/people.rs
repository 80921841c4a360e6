//! Who speaks, listens and thinks in the tests of calls: noise instead of voices, its length instead of words.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure, ProviderFault,
    ports::{
        BrainEvent, BrainStream, ChatMessage, ChatRequest, ChatRole, LanguageModel, SpeechChunk, SpeechRequest,
        SpeechToText, TextToSpeech, Utterance, VoiceActivityDetector,
    },
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use media::energy::EnergyDetector;
use tokio::time::Instant;

/// What a caller can say, by how many milliseconds it takes.
const PHRASES: [(usize, &str); 5] = [
    (300, "hello"),
    (600, "good morning"),
    (900, "what time is it"),
    (1300, "please stop talking now"),
    (1900, "and where exactly is your office please"),
];
/// A syllable and the dip that follows it.
const SYLLABLE_MS: usize = 200;
const DIP_MS: usize = 40;
/// Louder than this is sound.
const LOUD: u16 = 1500;

/// Speech-like noise: syllables with dips between them, so that a detector by loudness takes it for speech.
pub(crate) fn noise(millis: usize, rate: usize) -> Vec<i16> {
    let mut seed = 0x2545_F491_u32;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        i16::try_from(seed % 12_000).unwrap() - 6000
    };
    let dips = |at: usize| {
        let at_ms = at * 1000 / rate;
        at_ms % (SYLLABLE_MS + DIP_MS) >= SYLLABLE_MS && at_ms + DIP_MS < millis
    };
    (0..millis * rate / 1000)
        .map(|at| if dips(at) { 0 } else { next() })
        .collect()
}

/// A clip for the softphone that says `phrase`.
pub(crate) fn clip(phrase: &str) -> Vec<i16> {
    let (millis, _) = PHRASES.iter().find(|(_, text)| *text == phrase).unwrap();
    noise(*millis, 8000)
}

/// Several clips in one, with silence between.
pub(crate) fn with_pause(first: &str, pause: Duration, second: &str) -> Vec<i16> {
    let silence = usize::try_from(pause.as_millis()).unwrap() * 8;
    [clip(first), vec![0; silence], clip(second)].concat()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(kind: ProviderKind, operation: &'static str) -> ProviderFailure {
    ProviderFailure::new("fake", kind, operation, ProviderFault::Unreachable).with_source("out of order")
}

/// How a service of the tests behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    #[default]
    Well,
    /// Fails at once.
    Broken,
    /// Never answers.
    Stuck,
    /// Answers after so long.
    Slow(Duration),
    /// Dies of a defect.
    Defective,
}

impl Health {
    async fn check(self, kind: ProviderKind, operation: &'static str) -> Result<(), ProviderFailure> {
        match self {
            Self::Well => Ok(()),
            Self::Broken => Err(broken(kind, operation)),
            Self::Stuck => std::future::pending().await,
            Self::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Self::Defective => panic!("a defect"),
        }
    }
}

/// Recognises phrases by their length.
pub(crate) struct Ears {
    health: Mutex<Health>,
    /// Sounds up to so many milliseconds are no words.
    deaf_to: Mutex<usize>,
    /// Milliseconds of sound in what was transcribed, request by request.
    heard: Mutex<Vec<usize>>,
}

impl Default for Ears {
    fn default() -> Self {
        Self {
            health: Mutex::default(),
            deaf_to: Mutex::new(200),
            heard: Mutex::default(),
        }
    }
}

impl Ears {
    /// Takes sounds up to so long for noise from now on.
    pub(crate) fn deaf_set(&self, millis: usize) {
        *locked(&self.deaf_to) = millis;
    }

    pub(crate) fn health_set(&self, health: Health) {
        *locked(&self.health) = health;
    }

    pub(crate) fn requests(&self) -> usize {
        locked(&self.heard).len()
    }
}

#[async_trait]
impl SpeechToText for Ears {
    async fn transcribe(&self, utterance: Utterance) -> Result<String, ProviderFailure> {
        let health = *locked(&self.health);
        health.check(ProviderKind::Stt, "transcribe").await?;
        let loud = |sample: &i16| sample.unsigned_abs() > LOUD;
        let first = utterance.samples.iter().position(loud).unwrap_or_default();
        let last = utterance.samples.iter().rposition(loud).unwrap_or_default();
        let millis = (last - first) / 16;
        locked(&self.heard).push(millis);
        let deaf_to = *locked(&self.deaf_to);
        let nearest = PHRASES
            .iter()
            .filter(|_| millis > deaf_to)
            .min_by_key(|(length, _)| length.abs_diff(millis));
        Ok(nearest.map(|(_, text)| (*text).to_owned()).unwrap_or_default())
    }
}

/// Speaks: so many milliseconds of noise for each character.
pub(crate) struct Mouth {
    health: Mutex<Health>,
    millis_per_character: usize,
    said: Mutex<Vec<String>>,
}

impl Mouth {
    pub(crate) fn new(millis_per_character: usize) -> Self {
        Self {
            health: Mutex::default(),
            millis_per_character,
            said: Mutex::default(),
        }
    }

    pub(crate) fn health_set(&self, health: Health) {
        *locked(&self.health) = health;
    }

    /// What it was asked to say.
    pub(crate) fn said(&self) -> Vec<String> {
        locked(&self.said).clone()
    }
}

#[async_trait]
impl TextToSpeech for Mouth {
    async fn speak(
        &self,
        request: SpeechRequest,
    ) -> Result<BoxStream<'static, Result<SpeechChunk, ProviderFailure>>, ProviderFailure> {
        let health = *locked(&self.health);
        health.check(ProviderKind::Tts, "speak").await?;
        let samples = noise(request.text.chars().count() * self.millis_per_character, 16_000);
        locked(&self.said).push(request.text);
        let chunks: Vec<_> = samples
            .chunks(3200)
            .map(|samples| {
                Ok(SpeechChunk {
                    samples: samples.to_vec(),
                    sample_rate: 16_000,
                })
            })
            .collect();
        Ok(stream::iter(chunks).boxed())
    }
}

/// A step of a scripted answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Text(&'static str),
    Wait(Duration),
    EndCall,
    Fail,
    /// Nothing more comes, and no end either.
    Stall,
    /// Dies of a defect.
    Panic,
}

/// A language model that follows a script, and says "Yes." where it has none.
#[derive(Default)]
pub(crate) struct Mind {
    script: Mutex<VecDeque<Vec<Step>>>,
    asked: Mutex<Vec<(Instant, ChatRequest)>>,
}

impl Mind {
    pub(crate) fn script(&self, answers: &[&[Step]]) {
        locked(&self.script).extend(answers.iter().map(|answer| answer.to_vec()));
    }

    /// When it was asked.
    pub(crate) fn times(&self) -> Vec<Instant> {
        locked(&self.asked).iter().map(|(at, _)| *at).collect()
    }

    /// The conversation as it stood at each request, the system prompt left out, one line each.
    pub(crate) fn conversations(&self) -> Vec<Vec<String>> {
        let line = |message: &ChatMessage| match message.role {
            ChatRole::System => None,
            ChatRole::User => Some(format!("user: {}", message.text)),
            ChatRole::Assistant => Some(format!("agent: {}", message.text)),
        };
        let lines = |request: &ChatRequest| request.messages.iter().filter_map(line).collect();
        locked(&self.asked).iter().map(|(_, request)| lines(request)).collect()
    }
}

#[async_trait]
impl LanguageModel for Mind {
    async fn chat(&self, request: ChatRequest) -> Result<BrainStream, ProviderFailure> {
        locked(&self.asked).push((Instant::now(), request));
        let steps = locked(&self.script)
            .pop_front()
            .unwrap_or_else(|| vec![Step::Text("Yes.")]);
        let answer = stream::iter(steps).filter_map(|step| async move {
            match step {
                Step::Text(text) => Some(Ok(BrainEvent::Text(text.to_owned()))),
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    None
                }
                Step::EndCall => Some(Ok(BrainEvent::EndCall)),
                Step::Fail => Some(Err(broken(ProviderKind::Llm, "reply"))),
                Step::Stall => std::future::pending().await,
                Step::Panic => panic!("a defect"),
            }
        });
        Ok(answer.boxed())
    }
}

/// Hears speech by its loudness.
#[derive(Default)]
pub(crate) struct Loudness(EnergyDetector);

impl VoiceActivityDetector for Loudness {
    fn speech_probability(&mut self, frame: &[i16; 256]) -> f32 {
        self.0.speech_probability(frame)
    }
}
