//! What a telephone line does to a voice: 300 to 3400 Hz, 8 kHz, G.711 µ-law.

use std::f32::consts::{PI, TAU};

const TAPS: usize = 255;

/// From 24 kHz, through the line, to 16 kHz.
pub(crate) fn heard(samples: &[i16]) -> Vec<i16> {
    let voice: Vec<f32> = samples.iter().map(|sample| f32::from(*sample)).collect();
    let band = convolved(&voice, &band_pass(300.0 / 24_000.0, 3400.0 / 24_000.0));
    let line = band.iter().step_by(3).map(|sample| through_mu_law(*sample));
    let stuffed: Vec<f32> = line.flat_map(|sample| [sample * 2.0, 0.0]).collect();
    convolved(&stuffed, &band_pass(0.0, 3600.0 / 16_000.0))
        .iter()
        .map(|sample| *sample as i16)
        .collect()
}

/// A windowed sinc; the edges as shares of the sampling rate.
fn band_pass(low: f32, high: f32) -> Vec<f32> {
    let sinc = |cut: f32, at: f32| {
        if at == 0.0 {
            2.0 * cut
        } else {
            (TAU * cut * at).sin() / (PI * at)
        }
    };
    let middle = (TAPS / 2) as f32;
    (0..TAPS)
        .map(|tap| {
            let at = tap as f32 - middle;
            let window = 0.5 + 0.5 * (PI * at / (middle + 1.0)).cos();
            (sinc(high, at) - sinc(low, at)) * window
        })
        .collect()
}

fn convolved(samples: &[f32], filter: &[f32]) -> Vec<f32> {
    let at = |index: usize| {
        index
            .checked_sub(TAPS / 2)
            .and_then(|index| samples.get(index))
            .copied()
            .unwrap_or(0.0)
    };
    (0..samples.len())
        .map(|index| {
            filter
                .iter()
                .enumerate()
                .map(|(tap, weight)| weight * at(index + tap))
                .sum()
        })
        .collect()
}

/// The continuous form of the law, rounded to its 255 steps.
fn through_mu_law(sample: f32) -> f32 {
    let value = (sample / 32_768.0).clamp(-1.0, 1.0);
    let step = (value.signum() * (1.0 + 255.0 * value.abs()).ln() / 256.0_f32.ln() * 127.0).round() / 127.0;
    step.signum() * (256.0_f32.powf(step.abs()) - 1.0) / 255.0 * 32_767.0
}
