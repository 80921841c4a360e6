//! Sound in place of what is missing, after the idea of ITU-T G.711 appendix I: the last pitch period
//! again and again, fading out.

use crate::FRAME_SAMPLES;

/// Pitch periods that are looked for: 5 to 20 ms (200 to 50 Hz).
const PERIOD_MIN: usize = 40;
const PERIOD_MAX: usize = 160;
/// What is compared to find the period.
const MATCHED: usize = 160;
const HISTORY: usize = PERIOD_MAX + MATCHED;

/// Silence after 60 ms.
const FADE_SAMPLES: usize = 3 * FRAME_SAMPLES;
/// Made-up and real sound overlap for 5 ms.
const OVERLAP: usize = 40;

#[derive(Clone, Debug)]
pub(super) struct Concealer {
    history: [i16; HISTORY],
    /// Samples made up since the last real one.
    made_up: usize,
    period: usize,
}

impl Concealer {
    pub(super) fn new() -> Self {
        Self {
            history: [0; HISTORY],
            // Nothing was heard, so there is nothing to repeat.
            made_up: FADE_SAMPLES,
            period: PERIOD_MIN,
        }
    }

    /// Makes up a frame; false if it is silence, since nothing real came for long.
    pub(super) fn conceal(&mut self, out: &mut [i16; FRAME_SAMPLES]) -> bool {
        let audible = self.made_up < FADE_SAMPLES;
        if self.made_up == 0 {
            self.period = period(&self.history);
        }
        self.continuation(out);
        self.made_up = (self.made_up + FRAME_SAMPLES).min(FADE_SAMPLES);
        audible
    }

    /// Leads over from made-up sound to a real frame, and remembers it.
    pub(super) fn resume(&mut self, frame: &mut [i16; FRAME_SAMPLES]) {
        if self.made_up > 0 {
            let mut overlap = [0; OVERLAP];
            self.continuation(&mut overlap);
            for (index, (sample, made_up)) in frame.iter_mut().zip(overlap).enumerate() {
                let (real, share) = (i32::from(*sample), index as i32);
                let mixed = real * share + i32::from(made_up) * (OVERLAP as i32 - share);
                *sample = (mixed / OVERLAP as i32) as i16;
            }
        }
        self.correct(frame);
    }

    /// Remembers a frame as real, as far as it was.
    pub(super) fn correct(&mut self, frame: &[i16; FRAME_SAMPLES]) {
        self.history.copy_within(FRAME_SAMPLES.., 0);
        self.history[HISTORY - FRAME_SAMPLES..].copy_from_slice(frame);
        self.made_up = 0;
    }

    /// What would come next if the sound repeated itself, fading.
    fn continuation(&self, out: &mut [i16]) {
        let cycle = &self.history[HISTORY - self.period..];
        for (at, sample) in (self.made_up..).zip(out) {
            let left = FADE_SAMPLES.saturating_sub(at) as i32;
            *sample = (i32::from(cycle[at % self.period]) * left / FADE_SAMPLES as i32) as i16;
        }
    }
}

/// The shift at which the newest sound resembles the sound before it most.
fn period(history: &[i16; HISTORY]) -> usize {
    let newest = &history[HISTORY - MATCHED..];
    let likeness = |period: usize| {
        let older = &history[HISTORY - MATCHED - period..HISTORY - period];
        let (mut product, mut energy) = (0.0_f32, 1.0_f32);
        for (&a, &b) in newest.iter().zip(older) {
            product += f32::from(a) * f32::from(b);
            energy += f32::from(b) * f32::from(b);
        }
        product / energy.sqrt()
    };
    let mut best = (PERIOD_MIN, f32::MIN);
    for period in PERIOD_MIN..=PERIOD_MAX {
        let likeness = likeness(period);
        if likeness > best.1 {
            best = (period, likeness);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize) -> [i16; FRAME_SAMPLES] {
        std::array::from_fn(|n| (((from + n) as f32 * std::f32::consts::TAU / 64.0).sin() * 8_000.0) as i16)
    }

    #[test]
    fn a_lost_frame_of_a_vowel_is_continued_and_fades() {
        let mut concealer = Concealer::new();
        for frame in 0..4 {
            concealer.resume(&mut tone(frame * FRAME_SAMPLES));
        }
        let mut out = [0; FRAME_SAMPLES];
        assert!(concealer.conceal(&mut out));
        let ideal = tone(4 * FRAME_SAMPLES);
        for (index, (&made_up, &real)) in out.iter().zip(&ideal).enumerate() {
            let faded = i32::from(real) * (FADE_SAMPLES - index) as i32 / FADE_SAMPLES as i32;
            assert!(
                (i32::from(made_up) - faded).abs() < 200,
                "{index}: {made_up} for {faded}"
            );
        }
        assert!(concealer.conceal(&mut out) && concealer.conceal(&mut out));
        assert!(out[159].abs() < 200);
        assert!(!concealer.conceal(&mut out));
        assert_eq!(out, [0; FRAME_SAMPLES]);
    }

    #[test]
    fn nothing_is_made_up_before_the_first_sound() {
        let mut out = [1; FRAME_SAMPLES];
        assert!(!Concealer::new().conceal(&mut out));
        assert_eq!(out, [0; FRAME_SAMPLES]);
    }

    #[test]
    fn real_sound_comes_back_without_a_jump() {
        let mut concealer = Concealer::new();
        let mut loud = [8_000; FRAME_SAMPLES];
        concealer.resume(&mut loud);
        let mut out = [0; FRAME_SAMPLES];
        concealer.conceal(&mut out);
        let last = out[159];
        let mut next = [-8_000; FRAME_SAMPLES];
        concealer.resume(&mut next);
        assert!(
            (i32::from(next[0]) - i32::from(last)).abs() < 200,
            "{last} to {}",
            next[0]
        );
        assert_eq!(next[OVERLAP..], [-8_000; FRAME_SAMPLES - OVERLAP]);
    }
}
