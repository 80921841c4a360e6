//! How much delay the network needs at present.

/// Packets remembered: 4 s of 20 ms packets.
const WINDOW: usize = 200;
/// Until there are so many, the delay stays at least at its first value.
const WARM_UP: usize = 50;

const FRAME: i64 = 160;
/// 60 ms to begin with.
const FIRST_TARGET: i64 = 3 * FRAME;
/// Half a second is the most that a conversation bears.
const TARGET_MAX: i64 = 25 * FRAME;
/// Added for the time between two pulls.
const MARGIN: i64 = FRAME / 2;

/// Delays are counted in steps of 5 ms up to the maximum.
const STEP: i64 = 40;
const STEPS: usize = (TARGET_MAX / STEP) as usize + 1;

/// Transit times (arrival minus media time, in samples, of no absolute meaning) of recent packets.
#[derive(Clone, Debug)]
pub(super) struct Delays {
    transits: Vec<i64>,
    next: usize,
    fastest: i64,
    target: i64,
}

impl Delays {
    pub(super) fn new() -> Self {
        Self {
            transits: Vec::with_capacity(WINDOW),
            next: 0,
            fastest: 0,
            target: FIRST_TARGET,
        }
    }

    pub(super) fn clear(&mut self) {
        self.transits.clear();
        self.next = 0;
        self.target = self.target.max(FIRST_TARGET);
    }

    pub(super) fn add(&mut self, transit: i64) {
        if self.transits.len() < WINDOW {
            self.transits.push(transit);
        } else {
            self.transits[self.next] = transit;
            self.next = (self.next + 1) % WINDOW;
        }
        self.fastest = self.transits.iter().copied().min().unwrap_or(transit);
        let needed = (self.quantile() + MARGIN + FRAME - 1) / FRAME * FRAME;
        let needed = needed.clamp(FRAME, TARGET_MAX);
        self.target = if self.transits.len() < WARM_UP {
            needed.max(self.target)
        } else {
            needed
        };
    }

    /// The least transit time among recent packets.
    pub(super) fn fastest(&self) -> Option<i64> {
        (!self.transits.is_empty()).then_some(self.fastest)
    }

    /// How far playing should be behind the fastest packet: a whole number of frames.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// The delay that 98 in 100 packets keep, relative to the fastest one.
    fn quantile(&self) -> i64 {
        let mut counts = [0_usize; STEPS];
        for transit in &self.transits {
            let step = (transit - self.fastest + STEP - 1) / STEP;
            counts[(step as usize).min(STEPS - 1)] += 1;
        }
        let tolerated = self.transits.len() / 50;
        let mut beyond = 0;
        for (step, count) in counts.iter().enumerate().rev() {
            beyond += count;
            if beyond > tolerated {
                return step as i64 * STEP;
            }
        }
        0
    }
}
