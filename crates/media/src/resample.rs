//! Sample-rate conversion by a rational factor: polyphase, windowed sinc, with the anti-alias filter built in.

use std::f64::consts::PI;

/// Rates outside are clamped; sound on a telephone never needs them, and hostile ones stay cheap.
pub const RATE_HZ_MIN: u32 = 1_000;
/// See [`RATE_HZ_MIN`].
pub const RATE_HZ_MAX: u32 = 192_000;

/// Zero crossings of the sinc on either side: at 8 kHz out the filter falls from 3.4 to 4 kHz.
const CROSSINGS: usize = 24;
/// Kaiser window for about 60 dB of stop band.
const KAISER_BETA: f64 = 6.0;
/// The cut-off, as a share of the lower Nyquist frequency.
const ROLLOFF: f64 = 0.925;
/// More phases than this share filters; the error stays below that of 16 bits at speech levels.
const PHASES_MAX: usize = 512;

/// Converts a stream from one rate to another; chunking does not change the result.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Output and input steps after cancelling, so that `up` outputs come of `down` inputs.
    up: usize,
    down: usize,
    /// Filter length, even; the same for each phase.
    taps: usize,
    /// One filter after the other.
    filters: Vec<f32>,
    phases: usize,
    input: Vec<f32>,
    /// Where the next output lies: the filter's start in `input`, and `phase` / `up` of a sample on.
    start: usize,
    phase: usize,
}

impl Resampler {
    /// Prepares the filters; rates outside [`RATE_HZ_MIN`] to [`RATE_HZ_MAX`] are clamped.
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let [from, to] = [from_hz, to_hz].map(|hz| hz.clamp(RATE_HZ_MIN, RATE_HZ_MAX) as usize);
        let divisor = gcd(from, to);
        let (up, down) = (to / divisor, from / divisor);
        let stretch = (down as f64 / up as f64).max(1.0);
        let half = (CROSSINGS as f64 * stretch).ceil() as usize;
        let phases = up.min(PHASES_MAX);
        let cutoff = 0.5 * ROLLOFF / stretch;
        let filters = (0..phases)
            .flat_map(|phase| filter(half, cutoff, phase as f64 / phases as f64))
            .collect();
        let mut resampler = Self {
            up,
            down,
            taps: half * 2,
            filters,
            phases,
            input: Vec::with_capacity(half * 2 + 4_096),
            start: 0,
            phase: 0,
        };
        resampler.reset();
        resampler
    }

    /// Appends what these samples allow to compute; the filter holds back about 3 ms.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.is_pass_through() {
            out.extend_from_slice(input);
            return;
        }
        self.input.extend(input.iter().map(|&sample| f32::from(sample)));
        out.reserve(input.len() * self.up / self.down + 1);
        while let Some(window) = self.input.get(self.start..self.start + self.taps) {
            let filter = self.phase * self.phases / self.up * self.taps;
            let sum = dot(window, &self.filters[filter..filter + self.taps]);
            out.push(sum.round() as i16);
            self.phase += self.down;
            self.start += self.phase / self.up;
            self.phase %= self.up;
        }
        let consumed = self.start.min(self.input.len());
        self.input.drain(..consumed);
        self.start -= consumed;
    }

    /// Appends the rest at the end of a stream; the next input starts a new one.
    pub fn flush(&mut self, out: &mut Vec<i16>) {
        if self.is_pass_through() {
            return;
        }
        let silence = [0; 256];
        let mut left = self.taps / 2;
        while left > 0 {
            let count = left.min(silence.len());
            self.process(&silence[..count], out);
            left -= count;
        }
        self.reset();
    }

    fn is_pass_through(&self) -> bool {
        self.up == self.down
    }

    /// Silence before the first sample centres the filter on it, so the output is not delayed.
    fn reset(&mut self) {
        self.input.clear();
        self.input.resize(self.taps / 2 - 1, 0.0);
        self.start = 0;
        self.phase = 0;
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Several sums side by side let the compiler use vector instructions.
fn dot(window: &[f32], filter: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (windows, filters) = (window.chunks_exact(8), filter.chunks_exact(8));
    let rest: f32 = windows
        .remainder()
        .iter()
        .zip(filters.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (window, filter) in windows.zip(filters) {
        for (sum, (a, b)) in sums.iter_mut().zip(window.iter().zip(filter)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The filter for outputs that lie `fraction` of an input sample after one, scaled to keep levels.
fn filter(half: usize, cutoff: f64, fraction: f64) -> impl Iterator<Item = f32> {
    let tap = move |index: usize| {
        let time = index as f64 - (half as f64 - 1.0) - fraction;
        let angle = 2.0 * PI * cutoff * time;
        let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
        sinc * kaiser(time / half as f64)
    };
    let sum: f64 = (0..half * 2).map(tap).sum();
    (0..half * 2).map(move |index| (tap(index) / sum) as f32)
}

fn kaiser(position: f64) -> f64 {
    let inside = (1.0 - position * position).max(0.0);
    bessel_i0(KAISER_BETA * inside.sqrt()) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * n)).powi(2);
        sum += term;
        n += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lossy::Random;
    use proptest::prelude::*;

    const PAIRS: [(u32, u32); 9] = [
        (8_000, 16_000),
        (24_000, 8_000),
        (16_000, 8_000),
        (22_050, 8_000),
        (44_100, 8_000),
        (48_000, 8_000),
        (8_000, 8_000),
        (8_000, 24_000),
        (22_050, 16_000),
    ];

    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<i16> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| ((2.0 * PI * hz * n as f64 / f64::from(rate)).sin() * 10_000.0) as i16)
            .collect()
    }

    fn convert(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
        let (mut resampler, mut out) = (Resampler::new(from, to), Vec::new());
        resampler.process(input, &mut out);
        resampler.flush(&mut out);
        out
    }

    /// Level of the middle, where no edge disturbs, in dB relative to the tone put in.
    fn gain_db(samples: &[i16]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let power = middle.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power.max(1e-3) / (10_000.0_f64.powi(2) / 2.0)).log10()
    }

    #[test]
    fn a_tone_in_the_band_keeps_its_level() {
        for (from, to) in PAIRS {
            for hz in [100.0, 300.0, 1_000.0, 2_500.0, 3_300.0] {
                let gain = gain_db(&convert(from, to, &tone(hz, from, 0.5)));
                assert!(gain.abs() < 0.5, "{from} to {to}, {hz} Hz: {gain:.2} dB");
            }
        }
    }

    #[test]
    fn a_tone_above_the_band_does_not_come_back_as_an_alias() {
        for (from, to) in PAIRS {
            for hz in [4_200.0, 5_000.0, 7_000.0, 7_900.0, 10_500.0, 17_000.0] {
                if to > 8_000 || hz > f64::from(from) / 2.0 {
                    continue;
                }
                let gain = gain_db(&convert(from, to, &tone(hz, from, 0.5)));
                assert!(gain < -45.0, "{from} to {to}, {hz} Hz: {gain:.2} dB");
            }
        }
    }

    #[test]
    fn a_higher_rate_holds_no_mirror_image() {
        let input = tone(3_000.0, 8_000, 0.5);
        let ideal = tone(3_000.0, 16_000, 0.5);
        let out = convert(8_000, 16_000, &input);
        let error: Vec<i16> = out.iter().zip(&ideal).map(|(a, b)| a - b).collect();
        assert!(gain_db(&error) < -45.0, "{:.1} dB", gain_db(&error));
    }

    #[test]
    fn the_length_fits_the_rates_and_nothing_is_delayed() {
        for (from, to) in PAIRS {
            let input = tone(440.0, from, 0.5);
            let out = convert(from, to, &input);
            let expected = (input.len() as u64 * u64::from(to)).div_ceil(u64::from(from));
            assert_eq!(out.len() as u64, expected, "{from} to {to}");
            let ideal = tone(440.0, to, 0.5);
            let error: Vec<i16> = out.iter().zip(&ideal).map(|(a, b)| a.wrapping_sub(*b)).collect();
            assert!(gain_db(&error) < -38.0, "{from} to {to}: {:.1} dB", gain_db(&error));
        }
    }

    #[test]
    fn chunks_give_the_same_as_the_whole() {
        let mut random = Random(5);
        let input: Vec<i16> = (0..9_000).map(|_| random.bits() as i16 / 4).collect();
        for (from, to) in PAIRS {
            let whole = convert(from, to, &input);
            let (mut resampler, mut out, mut rest) = (Resampler::new(from, to), Vec::new(), &input[..]);
            while !rest.is_empty() {
                let (chunk, next) = rest.split_at(rest.len().min(1 + random.bits() as usize % 700));
                resampler.process(chunk, &mut out);
                rest = next;
            }
            resampler.flush(&mut out);
            assert!(out == whole, "{from} to {to}");
            let mut again = Vec::new();
            resampler.process(&input, &mut again);
            resampler.flush(&mut again);
            assert!(again == whole, "{from} to {to} after a flush");
        }
    }

    #[test]
    fn steady_streams_do_not_grow() {
        let mut resampler = Resampler::new(24_000, 8_000);
        let mut out = Vec::with_capacity(1_000);
        for _ in 0..10 {
            resampler.process(&[1; 480], &mut out);
        }
        let (held, capacity) = (resampler.input.len(), resampler.input.capacity());
        for _ in 0..1_000 {
            out.clear();
            resampler.process(&[1; 480], &mut out);
            assert_eq!(out.len(), 160);
        }
        assert_eq!((resampler.input.len(), resampler.input.capacity()), (held, capacity));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_pair_of_rates_panics(from: u32, to: u32, input in proptest::collection::vec(any::<i16>(), 0..300)) {
            let out = convert(from, to, &input);
            prop_assert!(out.len() <= input.len() * 192 + 1);
        }
    }
}
