//! Sound from what the network predicts for each 12.5 ms: a pulse train at the pitch, shaped by one filter, plus noise
//! shaped by another, plus a part with phases of its own; then one inverse short-time transform.

use std::{f32::consts::PI, f32::consts::TAU, sync::Arc};

use rustfft::{Fft, FftPlanner, num_complex::Complex};

const RATE: f32 = 24_000.0;
const SIZE: usize = 1200;
const HOP: usize = 300;
const BINS: usize = SIZE / 2 + 1;
/// Below this there is no voice.
const PITCH_MIN: f32 = 40.0;
/// Harmonics reach up to here.
const HARMONICS_HZ_MAX: f32 = 11_000.0;
/// Bounds what a bad prediction can do to the ears.
const LOG_MAGNITUDE_MAX: f32 = 7.0;
/// One text always sounds the same.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// The network's outputs, bin by bin, each bin with all its frames; `pitch` in Hz by frame.
pub(super) struct Spectrum {
    pub(super) harmonic: Vec<f32>,
    pub(super) angle: Vec<f32>,
    pub(super) noise: Vec<f32>,
    pub(super) free: Vec<f32>,
    pub(super) phase: Vec<f32>,
    pub(super) pitch: Vec<f32>,
}

impl Spectrum {
    pub(super) fn is_consistent(&self) -> bool {
        let expected = BINS * self.pitch.len();
        [&self.harmonic, &self.angle, &self.noise, &self.free, &self.phase]
            .iter()
            .all(|part| part.len() == expected)
    }
}

/// Plans and window, made once.
pub(super) struct Vocoder {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
}

impl Vocoder {
    pub(super) fn new() -> Self {
        let mut planner = FftPlanner::new();
        Self {
            forward: planner.plan_fft_forward(SIZE),
            inverse: planner.plan_fft_inverse(SIZE),
            window: (0..SIZE)
                .map(|index| 0.5 - 0.5 * (TAU * index as f32 / SIZE as f32).cos())
                .collect(),
        }
    }

    pub(super) fn sound(&self, spectrum: &Spectrum) -> Vec<f32> {
        let frames = spectrum.pitch.len();
        let pulses = pulse_train(&spectrum.pitch);
        let mut noise = Noise(SEED);
        let mut sum = vec![0.0_f32; frames * HOP + SIZE];
        let mut weight = sum.clone();
        let mut buffer = vec![Complex::default(); SIZE];
        for frame in 0..frames {
            self.excite(&pulses, frame, &mut buffer);
            filter(spectrum, frame, &mut noise, &mut buffer);
            self.inverse.process(&mut buffer);
            let span = frame * HOP..frame * HOP + SIZE;
            let overlapped = sum[span.clone()].iter_mut().zip(&mut weight[span]);
            for (((sum, weight), value), window) in overlapped.zip(&buffer).zip(&self.window) {
                *sum += value.re / SIZE as f32 * window;
                *weight += window * window;
            }
        }
        let centred = SIZE / 2..SIZE / 2 + frames * HOP;
        sum[centred.clone()]
            .iter()
            .zip(&weight[centred])
            .map(|(sum, weight)| sum / weight.max(1e-11))
            .collect()
    }

    /// The spectrum of the pulses around a frame, scaled so that a harmonic's magnitude is one.
    fn excite(&self, pulses: &[f32], frame: usize, buffer: &mut [Complex<f32>]) {
        for (index, (slot, window)) in buffer.iter_mut().zip(&self.window).enumerate() {
            let value = pulses[mirrored(frame * HOP + index, pulses.len())];
            *slot = Complex::new(value * window / (SIZE as f32 / 4.0), 0.0);
        }
        self.forward.process(buffer);
    }
}

/// Position in the pulses of a position in the pulses with half a window of mirror image on both sides.
fn mirrored(index: usize, length: usize) -> usize {
    let position = index.abs_diff(SIZE / 2);
    let folded = if position < length {
        position
    } else {
        (2 * length).saturating_sub(2 + position)
    };
    folded.min(length - 1)
}

/// Shapes the excitation of one frame, bin by bin, and completes it to the spectrum of a real signal.
fn filter(spectrum: &Spectrum, frame: usize, noise: &mut Noise, buffer: &mut [Complex<f32>]) {
    let frames = spectrum.pitch.len();
    let magnitude = |log: f32| log.min(LOG_MAGNITUDE_MAX).exp();
    for (bin, slot) in buffer[..BINS].iter_mut().enumerate() {
        let at = bin * frames + frame;
        let harmonic = Complex::from_polar(magnitude(spectrum.harmonic[at]), spectrum.angle[at].tanh() * PI);
        let breath = noise.gaussian() * magnitude(spectrum.noise[at]);
        let free = Complex::from_polar(magnitude(spectrum.free[at]), spectrum.phase[at]);
        *slot = *slot * harmonic + breath + free;
    }
    buffer[0].im = 0.0;
    buffer[BINS - 1].im = 0.0;
    for bin in BINS..SIZE {
        buffer[bin] = buffer[SIZE - bin].conj();
    }
}

/// All harmonics of the pitch at equal strength; nothing where there is no voice.
fn pulse_train(pitch: &[f32]) -> Vec<f32> {
    let mut phase = 0.0_f64;
    (0..pitch.len() * HOP)
        .map(|index| {
            let hz = pitch_at(pitch, index);
            let bounded = hz.max(PITCH_MIN);
            phase = (phase + f64::from(bounded / RATE)).fract();
            if hz > PITCH_MIN {
                harmonics(phase as f32 * TAU, bounded)
            } else {
                0.0
            }
        })
        .collect()
}

/// The pitch between the centres of two frames.
fn pitch_at(pitch: &[f32], index: usize) -> f32 {
    let position = (index as f32 + 0.5) / HOP as f32 - 0.5;
    let low = position.floor();
    let share = position - low;
    let frame = |at: f32| pitch[(at.max(0.0) as usize).min(pitch.len() - 1)];
    frame(low) * (1.0 - share) + frame(low + 1.0) * share
}

/// The sum of cos(kt) over all harmonics k that fit, in closed form.
fn harmonics(phase: f32, hz: f32) -> f32 {
    let count = (HARMONICS_HZ_MAX / hz).floor() + 0.5;
    let divisor = 2.0 * (phase * 0.5).sin();
    let ratio = if divisor.abs() <= 2e-3 {
        count
    } else {
        (count * phase).sin() / divisor
    };
    ratio - 0.5
}

/// Normally distributed complex numbers from a small generator with a fixed beginning.
struct Noise(u64);

impl Noise {
    /// In (0, 1].
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 40) as f32 + 1.0) / 16_777_216.0
    }

    fn gaussian(&mut self) -> Complex<f32> {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        Complex::from_polar(radius, TAU * self.uniform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pitch_gives_pulses_at_that_pitch() {
        let pulses = pulse_train(&[240.0; 40]);
        let peaks = pulses.iter().filter(|value| **value > 40.0).count();
        // 240 Hz at 24 kHz for half a second is 120 pulses; a pulse is at most two samples above 40.
        assert!((120..=240).contains(&peaks), "{peaks}");
        assert!(pulse_train(&[0.0; 4]).iter().all(|value| *value == 0.0));
    }

    #[test]
    fn the_noise_has_unit_variance_and_always_the_same_values() {
        let mut noise = Noise(SEED);
        let values: Vec<Complex<f32>> = (0..20_000).map(|_| noise.gaussian()).collect();
        let variance = values.iter().map(|value| value.re * value.re).sum::<f32>() / values.len() as f32;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        assert_eq!(Noise(SEED).gaussian(), values[0]);
    }

    #[test]
    fn a_silent_spectrum_is_silent() {
        let (quiet, zero) = (vec![-30.0; BINS * 3], vec![0.0; BINS * 3]);
        let spectrum = Spectrum {
            harmonic: quiet.clone(),
            angle: zero.clone(),
            noise: quiet.clone(),
            free: quiet,
            phase: zero,
            pitch: vec![0.0; 3],
        };
        assert!(spectrum.is_consistent());
        let sound = Vocoder::new().sound(&spectrum);
        assert_eq!(sound.len(), 3 * HOP);
        assert!(sound.iter().all(|value| value.abs() < 1e-6));
    }
}
