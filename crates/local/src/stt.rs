//! Speech to text: Whisper tiny.en through whisper.cpp.

mod clean;

use std::sync::Arc;

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure,
    ports::{SpeechToText, Utterance},
};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use crate::{
    LoadError,
    engine::{Pool, Ticket},
    failure,
    models::{ModelStore, file},
};

const SAMPLE_RATE: usize = Utterance::SAMPLE_RATE as usize;
/// whisper.cpp refuses anything below a second.
const SAMPLES_MIN: usize = SAMPLE_RATE * 11 / 10;
/// Longer than any turn; a bound on the work one request can cause.
const SECONDS_MAX: usize = 120;
/// Up to here one segment holds it all; the model's window is 30 s.
const SINGLE_SEGMENT_SECONDS_MAX: usize = 28;
/// Encoder positions: 50 a second. Below 512 the decoder falls into loops.
const POSITIONS_MIN: usize = 512;
const POSITIONS_MAX: usize = 1500;
/// About -66 dBFS: below a telephone line's own noise.
const LOUDNESS_MIN: f32 = 16.0;

pub(crate) struct Recogniser(Arc<Pool<Engine>>);

struct Engine {
    state: WhisperState,
    /// Cloned for each run, so that the abort callback, which whisper-rs never frees, is made once.
    params: FullParams<'static, 'static>,
    threads: usize,
}

impl Recogniser {
    pub(crate) fn load(store: &ModelStore, threads: usize, parallel: usize) -> Result<Self, LoadError> {
        // Without these whisper.cpp writes to stderr.
        whisper_rs::install_logging_hooks();
        let path = store.path(file::WHISPER);
        LoadError::require(&path)?;
        let context = WhisperContext::new_with_params(&path, WhisperContextParameters::default())
            .map_err(|error| LoadError::unreadable(&path, error))?;
        let make = |ticket| {
            let state = context
                .create_state()
                .map_err(|error| LoadError::unreadable(&path, error))?;
            Ok(Engine {
                state,
                params: params(ticket),
                threads: threads.max(1),
            })
        };
        Pool::new(parallel, make).map(Self)
    }
}

/// What is the same for all utterances.
fn params(ticket: Ticket) -> FullParams<'static, 'static> {
    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    params.set_language(Some("en"));
    params.set_no_context(true);
    // Timestamps keep the decoder from repeating itself when the window is cut.
    params.set_no_timestamps(false);
    params.set_temperature_inc(0.2);
    params.set_suppress_nst(true);
    params.set_print_progress(false);
    params.set_print_special(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    // The type matters: whisper-rs hands the callback a pointer to exactly this boxed form, and with any other
    // closure type it would read something else.
    let abort: Box<dyn FnMut() -> bool> = Box::new(move || ticket.is_cancelled());
    params.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(abort);
    params
}

#[async_trait]
impl SpeechToText for Recogniser {
    async fn transcribe(&self, utterance: Utterance) -> Result<String, ProviderFailure> {
        if utterance.samples.len() > SECONDS_MAX * SAMPLE_RATE {
            let why = format!("more than {SECONDS_MAX} s of speech");
            return Err(failure::rejected(ProviderKind::Stt, "transcribe", why));
        }
        self.0
            .run(move |engine, _| engine.transcribe(&utterance.samples))
            .await
            .map_err(failure::of(ProviderKind::Stt, "transcribe"))?
            .map_err(failure::of(ProviderKind::Stt, "transcribe"))
    }
}

impl Engine {
    fn transcribe(&mut self, samples: &[i16]) -> Result<String, WhisperError> {
        // Whisper makes up words for silence.
        if loudness(samples) < LOUDNESS_MIN {
            return Ok(String::new());
        }
        let seconds = samples.len().div_ceil(SAMPLE_RATE);
        let single = seconds < SINGLE_SEGMENT_SECONDS_MAX;
        let mut params = self.params.clone();
        params.set_n_threads(self.threads as i32);
        params.set_single_segment(single);
        params.set_max_tokens((seconds * 6 + 12) as i32);
        params.set_audio_ctx(if single {
            positions(samples.len())
        } else {
            POSITIONS_MAX
        } as i32);
        let mut audio: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        audio.resize(audio.len().max(SAMPLES_MIN), 0.0);
        self.state.full(params, &audio)?;
        let mut text = String::new();
        for segment in self.state.as_iter() {
            text.push_str(&segment.to_str_lossy()?);
            text.push(' ');
        }
        Ok(clean::spoken_words(&text))
    }
}

/// Root of the mean square.
fn loudness(samples: &[i16]) -> f32 {
    let squares: f32 = samples.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    (squares / samples.len().max(1) as f32).sqrt()
}

/// Encoder positions for this much audio and a second more.
fn positions(samples: usize) -> usize {
    ((samples + SAMPLE_RATE) * 50 / SAMPLE_RATE + 64).clamp(POSITIONS_MIN, POSITIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_window_follows_the_audio_between_its_bounds() {
        for (seconds, expected) in [(0, 512), (3, 512), (10, 614), (27, 1464), (60, 1500)] {
            assert_eq!(positions(seconds * SAMPLE_RATE), expected, "{seconds} s");
        }
    }
}
