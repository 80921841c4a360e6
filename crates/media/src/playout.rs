//! The agent's speech on its way out, and how much of it was really heard.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{FRAME_SAMPLES, SAMPLE_RATE_HZ, duration_of};

/// Samples kept at most: 120 s. A push takes only what fits.
pub const BUFFER_SAMPLES_MAX: usize = 120 * SAMPLE_RATE_HZ as usize;

/// Segments accounted for at most; beyond it the oldest finished one is forgotten, and if none is
/// finished, the new one is refused.
pub const SEGMENTS_MAX: usize = 256;

/// Cut speech fades out over 5 ms rather than with a click.
const FADE_SAMPLES: usize = 40;

/// What a frame contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// At least some speech.
    Speech,
    /// The last few milliseconds of speech that was cut or paused; they count for nothing.
    Fade,
    /// Silence, since an open segment has no samples yet.
    Underrun,
    /// Silence, since there is nothing to say.
    Idle,
}

/// One segment's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The number given to [`Playout::begin`].
    pub segment: u32,
    /// Samples that went out.
    pub played: usize,
    /// Samples that were pushed.
    pub total: usize,
    /// Whether `total` is final; a cleared segment that was still open never gets there.
    pub ended: bool,
}

impl Heard {
    fn left(&self) -> usize {
        self.total - self.played
    }
}

/// A queue of speech in segments (about a sentence each), played frame by frame.
#[derive(Clone, Debug)]
pub struct Playout {
    samples: VecDeque<i16>,
    heard: Vec<Heard>,
    /// Index in `heard` of the segment that plays next.
    playing: usize,
    open: bool,
    fade: [i16; FADE_SAMPLES],
    fading: bool,
    paused: bool,
}

impl Default for Playout {
    fn default() -> Self {
        Self {
            samples: VecDeque::new(),
            heard: Vec::new(),
            playing: 0,
            open: false,
            fade: [0; FADE_SAMPLES],
            fading: false,
            paused: false,
        }
    }
}

impl Playout {
    /// An empty queue; it grows with what is pushed, up to [`BUFFER_SAMPLES_MAX`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a segment; one that is still open ends.
    pub fn begin(&mut self, segment: u32) {
        self.end();
        if self.heard.len() >= SEGMENTS_MAX {
            if self.playing == 0 {
                return;
            }
            self.heard.remove(0);
            self.playing -= 1;
        }
        self.heard.push(Heard {
            segment,
            played: 0,
            total: 0,
            ended: false,
        });
        self.open = true;
    }

    /// Adds samples to the open segment and returns how many it took: fewer if the buffer is full, none if
    /// no segment is open.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let Some(segment) = self.heard.last_mut().filter(|_| self.open) else {
            return 0;
        };
        let taken = samples.len().min(BUFFER_SAMPLES_MAX - self.samples.len());
        self.samples.extend(&samples[..taken]);
        segment.total += taken;
        taken
    }

    /// Closes the open segment: its total is final.
    pub fn end(&mut self) {
        if let Some(segment) = self.heard.last_mut().filter(|_| self.open) {
            segment.ended = true;
        }
        self.open = false;
    }

    /// Fills the next 20 ms, with silence where there is no speech.
    pub fn next_frame(&mut self, out: &mut [i16; FRAME_SAMPLES]) -> Played {
        out.fill(0);
        if self.fading {
            out[..FADE_SAMPLES].copy_from_slice(&self.fade);
            self.fading = false;
            return Played::Fade;
        }
        if self.paused {
            return Played::Idle;
        }
        let mut filled = 0;
        while let Some(segment) = self.heard.get_mut(self.playing) {
            let count = segment.left().min(FRAME_SAMPLES - filled);
            for (slot, sample) in out[filled..].iter_mut().zip(self.samples.drain(..count)) {
                *slot = sample;
            }
            segment.played += count;
            filled += count;
            if filled == FRAME_SAMPLES || !segment.ended {
                break;
            }
            self.playing += 1;
        }
        self.skip_finished();
        match filled {
            0 if self.open => Played::Underrun,
            0 => Played::Idle,
            _ => Played::Speech,
        }
    }

    /// Drops everything that was not played, at a barge-in; what plays right now fades out over 5 ms, which
    /// does not count as heard.
    pub fn clear(&mut self) {
        self.fade_out();
        self.samples.clear();
        self.playing = self.heard.len();
        self.open = false;
        self.paused = false;
    }

    /// Falls silent, as at [`Playout::clear`], and keeps what was not played.
    pub fn pause(&mut self) {
        self.fade_out();
        self.paused = true;
    }

    /// Goes on where [`Playout::pause`] stopped.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    fn fade_out(&mut self) {
        let audible = self.heard.get(self.playing).is_some_and(|segment| segment.played > 0);
        if self.paused || !audible || self.samples.is_empty() {
            return;
        }
        self.fade = [0; FADE_SAMPLES];
        for (index, (slot, &sample)) in self.fade.iter_mut().zip(&self.samples).enumerate() {
            let left = (FADE_SAMPLES - index) as i32;
            *slot = (i32::from(sample) * left / FADE_SAMPLES as i32) as i16;
        }
        self.fading = true;
    }

    /// Whether nothing is left to play and no segment is open.
    pub fn is_idle(&self) -> bool {
        !self.open && self.samples.is_empty() && !self.fading
    }

    /// How long the samples in the buffer last.
    pub fn buffered(&self) -> Duration {
        duration_of(self.samples.len())
    }

    /// Every segment since the last reset, in order.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// Forgets the segments that are through; those still to play stay.
    pub fn reset_heard(&mut self) {
        self.heard.drain(..self.playing);
        self.playing = 0;
    }

    /// Moves past segments that have nothing left to come.
    fn skip_finished(&mut self) {
        while self
            .heard
            .get(self.playing)
            .is_some_and(|segment| segment.ended && segment.left() == 0)
        {
            self.playing += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(playout: &mut Playout) -> (Played, [i16; FRAME_SAMPLES]) {
        let mut out = [99; FRAME_SAMPLES];
        (playout.next_frame(&mut out), out)
    }

    fn heard(segment: u32, played: usize, total: usize, ended: bool) -> Heard {
        Heard {
            segment,
            played,
            total,
            ended,
        }
    }

    #[test]
    fn segments_play_without_a_gap_and_are_accounted_for() {
        let mut playout = Playout::new();
        playout.begin(1);
        assert_eq!(playout.push(&[1; 200]), 200);
        playout.begin(2);
        assert_eq!(playout.push(&[2; 100]), 100);
        playout.end();
        assert_eq!(playout.buffered(), Duration::from_micros(37_500));
        assert_eq!(frame(&mut playout), (Played::Speech, [1; FRAME_SAMPLES]));
        assert_eq!(playout.heard(), [heard(1, 160, 200, true), heard(2, 0, 100, true)]);
        let (played, out) = frame(&mut playout);
        assert_eq!(played, Played::Speech);
        assert!(out[..40] == [1; 40] && out[40..140] == [2; 100] && out[140..] == [0; 20]);
        assert!(playout.is_idle());
        assert_eq!(frame(&mut playout), (Played::Idle, [0; FRAME_SAMPLES]));
        assert_eq!(playout.heard(), [heard(1, 200, 200, true), heard(2, 100, 100, true)]);
    }

    #[test]
    fn an_open_segment_without_samples_is_an_underrun() {
        let mut playout = Playout::new();
        assert_eq!(playout.push(&[5; 10]), 0, "no segment is open");
        assert_eq!(frame(&mut playout).0, Played::Idle);
        playout.begin(1);
        assert_eq!(frame(&mut playout).0, Played::Underrun);
        assert!(!playout.is_idle());
        playout.push(&[5; 10]);
        assert_eq!(frame(&mut playout).0, Played::Speech);
        assert_eq!(frame(&mut playout).0, Played::Underrun);
        playout.end();
        assert_eq!(frame(&mut playout).0, Played::Idle);
        assert!(playout.is_idle());
    }

    #[test]
    fn a_barge_in_fades_out_and_counts_only_what_was_played() {
        let mut playout = Playout::new();
        playout.begin(1);
        playout.push(&[1_000; 800]);
        playout.end();
        playout.begin(2);
        playout.push(&[1_000; 80]);
        frame(&mut playout);
        playout.clear();
        assert_eq!(playout.push(&[1; 10]), 0, "a cleared segment takes no more");
        let (played, out) = frame(&mut playout);
        assert_eq!(played, Played::Fade);
        assert!(out[..FADE_SAMPLES].is_sorted_by(|a, b| a > b) && out[FADE_SAMPLES..] == [0; 120]);
        assert_eq!(frame(&mut playout).0, Played::Idle);
        assert!(playout.is_idle());
        assert_eq!(playout.heard(), [heard(1, 160, 800, true), heard(2, 0, 80, false)]);
        playout.begin(3);
        playout.push(&[7; 160]);
        assert_eq!(frame(&mut playout), (Played::Speech, [7; FRAME_SAMPLES]));
    }

    #[test]
    fn paused_speech_fades_out_and_goes_on_where_it_stopped() {
        let mut playout = Playout::new();
        playout.begin(1);
        playout.push(&[1_000; 320]);
        playout.end();
        frame(&mut playout);
        playout.pause();
        assert_eq!(frame(&mut playout).0, Played::Fade);
        assert_eq!(frame(&mut playout), (Played::Idle, [0; FRAME_SAMPLES]));
        assert!(!playout.is_idle(), "half of it is still to come");
        assert_eq!(playout.heard(), [heard(1, 160, 320, true)]);
        playout.resume();
        assert_eq!(frame(&mut playout), (Played::Speech, [1_000; FRAME_SAMPLES]));
        assert_eq!(playout.heard(), [heard(1, 320, 320, true)]);
        playout.pause();
        playout.clear();
        playout.begin(2);
        playout.push(&[7; 160]);
        assert_eq!(
            frame(&mut playout),
            (Played::Speech, [7; FRAME_SAMPLES]),
            "new speech is not paused"
        );
    }

    #[test]
    fn clearing_speech_that_has_not_begun_is_silent() {
        let mut playout = Playout::new();
        playout.begin(1);
        playout.push(&[1_000; 800]);
        playout.clear();
        assert_eq!(frame(&mut playout), (Played::Idle, [0; FRAME_SAMPLES]));
    }

    #[test]
    fn a_full_buffer_takes_only_what_fits() {
        let mut playout = Playout::new();
        playout.begin(1);
        assert_eq!(playout.push(&vec![1; BUFFER_SAMPLES_MAX - 10]), BUFFER_SAMPLES_MAX - 10);
        assert_eq!(playout.push(&[1; 100]), 10);
        assert_eq!(playout.push(&[1; 100]), 0);
        frame(&mut playout);
        assert_eq!(playout.push(&[1; 200]), FRAME_SAMPLES);
    }

    #[test]
    fn a_reset_forgets_what_is_through_and_keeps_what_plays() {
        let mut playout = Playout::new();
        for segment in 1..=3 {
            playout.begin(segment);
            playout.push(&[1; FRAME_SAMPLES]);
        }
        playout.end();
        frame(&mut playout);
        playout.reset_heard();
        assert_eq!(playout.heard(), [heard(2, 0, 160, true), heard(3, 0, 160, true)]);
        frame(&mut playout);
        frame(&mut playout);
        playout.reset_heard();
        assert!(playout.heard().is_empty());
    }

    #[test]
    fn accounts_stay_bounded() {
        let mut playout = Playout::new();
        for segment in 0..1_000 {
            playout.begin(segment);
            playout.push(&[1; 10]);
        }
        assert_eq!(playout.heard().len(), SEGMENTS_MAX);
        let mut playout = Playout::new();
        for segment in 0..1_000 {
            playout.begin(segment);
            playout.push(&[1; 10]);
            playout.end();
            frame(&mut playout);
        }
        assert_eq!(playout.heard().len(), SEGMENTS_MAX);
        assert_eq!(playout.heard()[SEGMENTS_MAX - 1], heard(999, 10, 10, true));
    }

    proptest! {
        /// Samples are neither lost nor invented, whatever the order of calls.
        #[test]
        fn the_account_matches_the_buffer(steps in proptest::collection::vec((0_u8..7, 0_usize..400), 0..200)) {
            let mut playout = Playout::new();
            for (kind, count) in steps {
                match kind {
                    0 => playout.begin(count as u32),
                    1 | 2 => { playout.push(&vec![1; count]); }
                    3 => playout.end(),
                    4 | 5 => { frame(&mut playout); }
                    _ if count < 20 => playout.clear(),
                    _ if count < 60 => playout.reset_heard(),
                    _ => {}
                }
                let waiting: usize = playout.heard[playout.playing.min(playout.heard.len())..].iter().map(Heard::left).sum();
                prop_assert_eq!(waiting, playout.samples.len());
            }
        }
    }
}
