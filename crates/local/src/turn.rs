//! End of turn: smart-turn on the last eight seconds, as Whisper's log-mel features.

use std::{f32::consts::TAU, sync::Arc};

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure,
    ports::{EndOfTurnModel, Utterance},
};
use rustfft::{Fft, FftPlanner, num_complex::Complex};

use crate::{
    LoadError,
    engine::Pool,
    failure,
    mel::{self, SparseBands},
    models::{ModelStore, file},
    net::{Net, NetError},
};

/// What the model hears: 8 s at 16 kHz, earlier speech cut off, silence put before shorter speech.
const SAMPLES: usize = 128_000;
const FRAMES: usize = 800;
const HOP: usize = 160;
const WINDOW: usize = 400;
const BANDS: usize = 80;

pub(crate) struct EndOfTurn(Arc<Pool<Engine>>);

struct Engine {
    net: Net,
    features: Features,
}

impl EndOfTurn {
    pub(crate) fn load(store: &ModelStore, parallel: usize) -> Result<Self, LoadError> {
        let path = store.path(file::END_OF_TURN);
        let make = |_| {
            Ok(Engine {
                net: Net::load(&path)?,
                features: Features::new(),
            })
        };
        Pool::new(parallel, make).map(Self)
    }
}

#[async_trait]
impl EndOfTurnModel for EndOfTurn {
    async fn turn_is_over(&self, utterance: Utterance) -> Result<f32, ProviderFailure> {
        self.0
            .run(move |engine, _| engine.probability(&utterance.samples))
            .await
            .map_err(failure::of(ProviderKind::Stt, "end_of_turn"))?
            .map_err(failure::of(ProviderKind::Stt, "end_of_turn"))
    }
}

impl Engine {
    fn probability(&mut self, samples: &[i16]) -> Result<f32, NetError> {
        let features = self.features.of(samples);
        let input = self.net.tensor(&[1, BANDS, FRAMES], features)?;
        let [output] = self.net.run(vec![("input_features", input)], ["logits"])?;
        let (_, numbers) = self.net.floats(output)?;
        numbers
            .first()
            .copied()
            .ok_or_else(|| self.net.error(&"no probability"))
    }
}

/// The log-mel front end, with everything that does not depend on the audio made once.
struct Features {
    fft: Arc<dyn Fft<f32>>,
    bands: SparseBands,
    window: Vec<f32>,
    buffer: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Features {
    fn new() -> Self {
        let fft = FftPlanner::new().plan_fft_forward(WINDOW);
        Self {
            bands: SparseBands::new(BANDS),
            window: (0..WINDOW)
                .map(|index| 0.5 - 0.5 * (TAU * index as f32 / WINDOW as f32).cos())
                .collect(),
            buffer: vec![Complex::default(); WINDOW],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            fft,
        }
    }

    /// Band by band, as the network wants them.
    fn of(&mut self, samples: &[i16]) -> Vec<f32> {
        let tail = &samples[samples.len().saturating_sub(SAMPLES)..];
        let silence = SAMPLES - tail.len();
        let audio = normalised(tail);
        let mut logs = vec![0.0_f32; BANDS * FRAMES];
        // Frames wholly before the speech are all alike: compute the second (the first is mirrored) and copy it.
        let alike = silence.saturating_sub(WINDOW / 2) / HOP;
        for first in (alike.saturating_sub(1)..FRAMES).step_by(2) {
            self.two_frames(&audio, first, &mut logs);
        }
        for band in logs.chunks_exact_mut(FRAMES) {
            let constant = band[alike.saturating_sub(1)];
            band[..alike.saturating_sub(1)].fill(constant);
        }
        let loudest = logs.iter().copied().fold(f32::MIN, f32::max);
        for value in &mut logs {
            *value = (value.max(loudest - 8.0) + 4.0) / 4.0;
        }
        logs
    }

    /// One complex transform gives the spectra of two real frames.
    fn two_frames(&mut self, audio: &[f32], first: usize, logs: &mut [f32]) {
        let at = |frame: usize, index: usize| audio[mirrored(frame * HOP + index)];
        let second = (first + 1).min(FRAMES - 1);
        for (index, (slot, weight)) in self.buffer.iter_mut().zip(&self.window).enumerate() {
            *slot = Complex::new(at(first, index) * weight, at(second, index) * weight);
        }
        self.fft.process_with_scratch(&mut self.buffer, &mut self.scratch);
        let both = |bin: usize| (self.buffer[bin], self.buffer[(WINDOW - bin) % WINDOW].conj());
        let sums: [f32; mel::BINS] = std::array::from_fn(|bin| {
            let (here, there) = both(bin);
            (here + there).norm_sqr() / 4.0
        });
        let differences: [f32; mel::BINS] = std::array::from_fn(|bin| {
            let (here, there) = both(bin);
            (here - there).norm_sqr() / 4.0
        });
        for (frame, power) in [(first, sums), (second, differences)] {
            for (band, energy) in self.bands.energies(&power).enumerate() {
                logs[band * FRAMES + frame] = energy.max(1e-10).log10();
            }
        }
    }
}

/// Position in the audio of a position in the audio with half a window of mirror image on both sides.
fn mirrored(index: usize) -> usize {
    let position = index.abs_diff(WINDOW / 2);
    if position < SAMPLES {
        position
    } else {
        2 * SAMPLES - 2 - position
    }
}

/// Eight seconds with mean 0 and variance 1, the silence before the speech included.
fn normalised(tail: &[i16]) -> Vec<f32> {
    let count = SAMPLES as f64;
    let mean = tail.iter().map(|sample| f64::from(*sample)).sum::<f64>() / count;
    let squares = tail.iter().map(|sample| (f64::from(*sample)).powi(2)).sum::<f64>() / count;
    // The model's own extractor adds 1e-7 for samples of +-1; ours are 32768 times that.
    let deviation = (squares - mean * mean + 1e-7 * 32_768.0 * 32_768.0).sqrt();
    let mut audio = vec![(-mean / deviation) as f32; SAMPLES - tail.len()];
    audio.extend(
        tail.iter()
            .map(|sample| ((f64::from(*sample) - mean) / deviation) as f32),
    );
    audio
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speechlike(count: usize) -> Vec<i16> {
        (0..count)
            .map(|index| ((index as f32 * 0.05).sin() * (index as f32 * 0.0007).sin() * 9000.0) as i16)
            .collect()
    }

    /// Straight from the definition: no packing, no skipping.
    fn reference(samples: &[i16]) -> Vec<f32> {
        let audio = normalised(&samples[samples.len().saturating_sub(SAMPLES)..]);
        let mut features = Features::new();
        let mut logs = vec![0.0; BANDS * FRAMES];
        for frame in 0..FRAMES {
            for index in 0..WINDOW {
                let value = audio[mirrored(frame * HOP + index)] * features.window[index];
                features.buffer[index] = Complex::new(value, 0.0);
            }
            features.fft.process(&mut features.buffer);
            let power: Vec<f32> = features.buffer[..mel::BINS].iter().map(Complex::norm_sqr).collect();
            for (band, energy) in features.bands.energies(&power).enumerate() {
                logs[band * FRAMES + frame] = energy.max(1e-10).log10();
            }
        }
        let loudest = logs.iter().copied().fold(f32::MIN, f32::max);
        logs.iter()
            .map(|value| (value.max(loudest - 8.0) + 4.0) / 4.0)
            .collect()
    }

    /// What the model's own extractor makes of 1.5 s of made-up sound.
    #[test]
    fn features_are_those_that_the_model_was_trained_on() {
        let samples: Vec<i16> = (0..24_000_i64)
            .map(|at| (((at * at / 7) % 2000 - 1000) * 8) as i16)
            .collect();
        let features = Features::new().of(&samples);
        for (band, frame, expected) in [
            (0, 0, 0.8252),
            (0, 700, 1.3022),
            (5, 660, 1.0265),
            (20, 655, 1.1303),
            (33, 649, 0.5461),
            (40, 700, 1.1009),
            (60, 750, 0.9969),
            (79, 640, -0.1549),
            (79, 799, 1.0725),
        ] {
            let feature = features[band * FRAMES + frame];
            assert!(
                (feature - expected).abs() < 1e-3,
                "band {band}, frame {frame}: {feature}"
            );
        }
        let mean = features.iter().sum::<f32>() / features.len() as f32;
        assert!((mean - 0.1131).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn the_short_cuts_change_nothing() {
        for count in [0, 1, 159, 16_000, 48_123, SAMPLES, SAMPLES + 7777] {
            let samples = speechlike(count);
            let (quick, full) = (Features::new().of(&samples), reference(&samples));
            let difference = quick.iter().zip(&full).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(difference < 0.02, "{count} samples: {difference}");
        }
    }
}
