//! A voice detector without a model: loudness against an adaptive noise floor.

/// Frames per block and blocks kept: with frames of 16 ms the floor is the minimum of the last 2 s, which
/// speech always interrupts and steady noise never does.
const BLOCK_FRAMES: u32 = 16;
const BLOCKS: usize = 8;

/// The floor stays between a quiet line and a very noisy one, in dB below full scale.
const FLOOR_DB_MIN: f32 = -65.0;
const FLOOR_DB_MAX: f32 = -40.0;

/// Loudness over the floor at which speech is as likely as not.
const EVEN_DB: f32 = 10.0;
/// How quickly the probability turns around that point.
const SLOPE_DB: f32 = 2.0;

/// Judges frames by loudness; the fallback where no voice model is built in, and the softphone's ear.
#[derive(Clone, Debug)]
pub struct EnergyDetector {
    blocks: [f32; BLOCKS],
    current: usize,
    frames: u32,
    level_db: f32,
}

impl Default for EnergyDetector {
    fn default() -> Self {
        Self {
            blocks: [FLOOR_DB_MAX; BLOCKS],
            current: 0,
            frames: 0,
            level_db: FLOOR_DB_MAX,
        }
    }
}

impl EnergyDetector {
    /// A detector that knows nothing of the line's noise yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How likely a frame is speech, 0 to 1. Frames should be of equal length, 10 to 32 ms, at any rate.
    pub fn speech_probability(&mut self, frame: &[i16]) -> f32 {
        let level_db = level_db(frame);
        // The floor follows a smoothed level, so that one quiet frame does not make noise look loud.
        self.level_db += 0.3 * (level_db - self.level_db);
        self.follow(self.level_db);
        let over = level_db - self.floor_db() - EVEN_DB;
        1.0 / (1.0 + (-over / SLOPE_DB).exp())
    }

    fn follow(&mut self, level_db: f32) {
        if self.frames == BLOCK_FRAMES {
            self.frames = 0;
            self.current = (self.current + 1) % BLOCKS;
            self.blocks[self.current] = level_db;
        }
        self.frames += 1;
        let block = &mut self.blocks[self.current];
        *block = block.min(level_db);
    }

    fn floor_db(&self) -> f32 {
        self.blocks
            .iter()
            .copied()
            .fold(FLOOR_DB_MAX, f32::min)
            .max(FLOOR_DB_MIN)
    }
}

/// Loudness without the constant part, in dB relative to full scale; −100 for silence.
fn level_db(frame: &[i16]) -> f32 {
    if frame.is_empty() {
        return -100.0;
    }
    let count = frame.len() as f32;
    let mean = frame.iter().map(|&sample| f32::from(sample)).sum::<f32>() / count;
    let power = frame
        .iter()
        .map(|&sample| (f32::from(sample) - mean).powi(2))
        .sum::<f32>()
        / count;
    (10.0 * (power / (32_768.0 * 32_768.0)).max(1e-10).log10()).max(-100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lossy::Random;

    /// Noise of a level in dB below full scale, in frames of 16 ms.
    fn noise(random: &mut Random, db: f32) -> [i16; 128] {
        let amplitude = f64::from(10_f32.powf(db / 20.0)) * 32_768.0 * 3_f64.sqrt();
        std::array::from_fn(|_| ((random.unit() * 2.0 - 1.0) * amplitude) as i16)
    }

    fn share_of_speech(detector: &mut EnergyDetector, frames: u32, mut frame: impl FnMut(u32) -> [i16; 128]) -> f32 {
        let speech = (0..frames)
            .filter(|&n| detector.speech_probability(&frame(n)) >= 0.5)
            .count();
        speech as f32 / frames as f32
    }

    #[test]
    fn speech_stands_out_of_a_quiet_and_of_a_noisy_line() {
        for floor in [-100.0, -60.0, -45.0] {
            let mut random = Random(7);
            let mut detector = EnergyDetector::new();
            let silent = share_of_speech(&mut detector, 120, |_| noise(&mut random, floor));
            assert!(silent < 0.02, "{floor} dB: {silent}");
            // Syllables: loud for 160 ms, at the floor for 64 ms.
            let spoken = share_of_speech(&mut detector, 700, |n| {
                noise(&mut random, if n % 14 < 10 { -22.0 } else { floor })
            });
            assert!((0.68..0.75).contains(&spoken), "{floor} dB: {spoken}");
        }
    }

    #[test]
    fn a_second_without_a_gap_is_speech_to_its_end() {
        let mut random = Random(9);
        let mut detector = EnergyDetector::new();
        share_of_speech(&mut detector, 200, |_| noise(&mut random, -60.0));
        let spoken = share_of_speech(&mut detector, 63, |_| noise(&mut random, -30.0));
        assert!(spoken > 0.98, "{spoken}");
    }

    #[test]
    fn noise_that_starts_becomes_the_floor_within_seconds() {
        let mut random = Random(8);
        let mut detector = EnergyDetector::new();
        share_of_speech(&mut detector, 200, |_| noise(&mut random, -65.0));
        share_of_speech(&mut detector, 140, |_| noise(&mut random, -42.0));
        assert!(share_of_speech(&mut detector, 200, |_| noise(&mut random, -42.0)) < 0.02);
    }

    #[test]
    fn a_constant_offset_and_an_empty_frame_are_silence() {
        let mut detector = EnergyDetector::new();
        assert!(detector.speech_probability(&[20_000; 128]) < 0.1);
        assert!(detector.speech_probability(&[]) < 0.1);
    }
}
