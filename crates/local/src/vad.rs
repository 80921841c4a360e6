//! Voice activity: earshot, with a guard against tones, which it takes for speech.

use std::{f32::consts::TAU, sync::Arc};

use domain::ports::{VoiceActivityDetector, VoiceActivityFactory};
use earshot::Detector;
use rustfft::{Fft, FftPlanner, num_complex::Complex};

const FRAME: usize = 256;
/// 64 ms: long enough that the two tones of a ringing signal, 40 Hz apart, look steady.
const WINDOW: usize = 1024;
const BIN_HZ: f32 = 16_000.0 / WINDOW as f32;
/// Bins on either side of a peak that belong to it: the main lobe of the window, and two close tones.
const LOBE: usize = 4;
/// Share of the energy that up to two tones hold; the rest is the line's noise.
const TONAL_SHARE: f32 = 0.96;
/// How far a steady tone's centre may wander between frames. A voice's pitch moves more.
const WANDER_HZ_MAX: f32 = 3.0;
/// Frames after which a steady tone is believed.
const STEADY_FRAMES: u32 = 2;
/// Mean square below which nothing is worth a transform.
const SILENCE: f32 = 100.0;

/// Makes a detector for each call.
pub fn voice_activity_factory() -> VoiceActivityFactory {
    let fft = FftPlanner::new().plan_fft_forward(WINDOW);
    Arc::new(move || Box::new(GuardedDetector::new(Arc::clone(&fft))))
}

struct GuardedDetector {
    detector: Detector,
    guard: ToneGuard,
}

impl GuardedDetector {
    fn new(fft: Arc<dyn Fft<f32>>) -> Self {
        Self {
            detector: Detector::default(),
            guard: ToneGuard::new(fft),
        }
    }
}

impl VoiceActivityDetector for GuardedDetector {
    fn speech_probability(&mut self, frame: &[i16; FRAME]) -> f32 {
        // Both always see every frame: both keep state.
        let probability = self.detector.predict_i16(frame);
        if self.guard.hears_tone(frame) {
            0.0
        } else {
            probability.clamp(0.0, 1.0)
        }
    }
}

/// Recognises one or two steady tones: dialling, ringing, busy, keypad, a held note.
struct ToneGuard {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    recent: Vec<f32>,
    buffer: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    centre_hz: f32,
    steady: u32,
}

impl ToneGuard {
    fn new(fft: Arc<dyn Fft<f32>>) -> Self {
        Self {
            window: (0..WINDOW)
                .map(|index| 0.5 - 0.5 * (TAU * index as f32 / WINDOW as f32).cos())
                .collect(),
            recent: vec![0.0; WINDOW],
            buffer: vec![Complex::default(); WINDOW],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            fft,
            centre_hz: 0.0,
            steady: 0,
        }
    }

    fn hears_tone(&mut self, frame: &[i16; FRAME]) -> bool {
        self.recent.copy_within(FRAME.., 0);
        self.recent[WINDOW - FRAME..]
            .iter_mut()
            .zip(frame)
            .for_each(|(slot, sample)| *slot = f32::from(*sample));
        let centre = self.tonal_centre();
        self.steady = match centre {
            Some(hz) if (hz - self.centre_hz).abs() <= WANDER_HZ_MAX => self.steady.saturating_add(1),
            _ => 0,
        };
        self.centre_hz = centre.unwrap_or_default();
        self.steady >= STEADY_FRAMES
    }

    /// The mean frequency of what sounds, if one or two tones are nearly all of it.
    fn tonal_centre(&mut self) -> Option<f32> {
        let energy = self.recent.iter().map(|sample| sample * sample).sum::<f32>() / WINDOW as f32;
        if energy < SILENCE {
            return None;
        }
        for ((slot, sample), weight) in self.buffer.iter_mut().zip(&self.recent).zip(&self.window) {
            *slot = Complex::new(sample * weight, 0.0);
        }
        self.fft.process_with_scratch(&mut self.buffer, &mut self.scratch);
        let mut power: Vec<f32> = self.buffer[1..WINDOW / 2].iter().map(Complex::norm_sqr).collect();
        let total: f32 = power.iter().sum();
        let [first, second] = [take_peak(&mut power), take_peak(&mut power)];
        let held = first.energy + second.energy;
        (held >= TONAL_SHARE * total).then(|| (first.moment + second.moment) / held * BIN_HZ)
    }
}

/// A peak's energy, and the same weighted by bin.
struct Peak {
    energy: f32,
    moment: f32,
}

/// Finds the highest peak, sums its lobe and clears it.
fn take_peak(power: &mut [f32]) -> Peak {
    let top = (0..power.len())
        .max_by(|a, b| power[*a].total_cmp(&power[*b]))
        .unwrap_or_default();
    let (low, high) = (top.saturating_sub(LOBE), (top + LOBE + 1).min(power.len()));
    let mut peak = Peak {
        energy: 0.0,
        moment: 0.0,
    };
    for (offset, value) in power[low..high].iter_mut().enumerate() {
        peak.energy += *value;
        peak.moment += *value * (low + offset + 1) as f32;
        *value = 0.0;
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> ToneGuard {
        ToneGuard::new(FftPlanner::new().plan_fft_forward(WINDOW))
    }

    /// Share of frames of a second in which the guard hears a tone.
    fn share(sample: impl Fn(f32) -> f32) -> f32 {
        let mut guard = guard();
        let frames = 62;
        let hits = (0..frames)
            .filter(|frame| {
                let block = std::array::from_fn(|index| sample((frame * FRAME + index) as f32 / 16_000.0) as i16);
                guard.hears_tone(&block)
            })
            .count();
        hits as f32 / frames as f32
    }

    #[test]
    fn call_progress_and_keypad_tones_are_tones() {
        for tones in [
            [440.0, 440.0],
            [440.0, 480.0],
            [350.0, 440.0],
            [480.0, 620.0],
            [697.0, 1209.0],
            [941.0, 1633.0],
        ] {
            let heard = share(|time| tones.iter().map(|hz| (TAU * hz * time).sin() * 4000.0).sum());
            assert!(heard > 0.9, "{tones:?}: {heard}");
        }
    }

    #[test]
    fn a_gliding_voice_with_few_harmonics_is_not_a_tone() {
        // A hum whose pitch falls from 200 Hz by 60 Hz a second, with a second harmonic.
        let hum = |time: f32| {
            let phase = TAU * (200.0 * time - 30.0 * time * time);
            phase.sin() * 5000.0 + (2.0 * phase).sin() * 1500.0
        };
        let vibrato = |time: f32| (TAU * 220.0 * time + 3.0 * (TAU * 5.0 * time).sin()).sin() * 5000.0;
        assert!(share(vibrato) < 0.3, "{}", share(vibrato));
        assert!(share(|time| hum(time) + (TAU * 60.0 * time).sin() * 1500.0) < 0.3);
    }

    #[test]
    fn silence_and_noise_are_not_tones() {
        assert!(share(|_| 0.0) == 0.0);
        let mut state = 1_u32;
        let noise: Vec<f32> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 8.0 - 4096.0
        })
        .take(16_000)
        .collect();
        assert!(share(|time| noise[(time * 16_000.0) as usize % 16_000]) == 0.0);
    }
}
