//! Wall-clock time. The only place that reads the machine's clock for use cases.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use contract::Timestamp;
use tokio::time::Instant;

use crate::ports::Clock;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock that stands before 1970 counts as one that stands at it.
        let passed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp::from_millis(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// How far a clock may get away from the passing time before it counts as set.
const STRAIGHT_WITHIN_MS: i64 = 5 * 60_000;
/// How long a clock that was set has to go straight before anything is forgotten by it.
const STRAIGHT_FOR: Duration = Duration::from_hours(6);

/// Tells whether a clock goes straight. What is deleted by its age is gone for good when the clock was a month ahead for
/// a minute; so after a jump nothing is, until the clock has gone straight for hours.
pub struct Straightness {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// Both times when they were last looked at, and when they were last found to disagree.
#[derive(Clone, Copy)]
struct Seen {
    wall: Timestamp,
    passing: Instant,
    set_at: Option<Instant>,
}

impl Straightness {
    /// Straight so far.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let seen = Mutex::new(Seen {
            wall: clock.now(),
            passing: Instant::now(),
            set_at: None,
        });
        Self { clock, seen }
    }

    /// Whether what is too old may be forgotten now.
    pub fn may_forget(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, passing) = (self.clock.now(), Instant::now());
        let passed = i64::try_from((passing - seen.passing).as_millis()).unwrap_or(i64::MAX);
        let went = wall.millis().saturating_sub(seen.wall.millis());
        if (went.saturating_sub(passed)).abs() > STRAIGHT_WITHIN_MS {
            tracing::warn!(
                by_ms = went - passed,
                "the clock was set; nothing is forgotten by its age for some hours"
            );
            seen.set_at = Some(passing);
        }
        (seen.wall, seen.passing) = (wall, passing);
        seen.set_at.is_none_or(|at| passing - at >= STRAIGHT_FOR)
    }
}

/// A clock that stands still until it is told to move; for tests.
#[derive(Debug)]
pub struct ManualClock {
    millis: AtomicI64,
}

impl ManualClock {
    /// Stands at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self {
            millis: AtomicI64::new(at.millis()),
        }
    }

    /// Moves forward; less than a millisecond is nothing.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.millis.fetch_add(by, Ordering::SeqCst);
    }

    /// Jumps, to before or after, as a clock that somebody sets.
    pub fn jump(&self, to: Timestamp) {
        self.millis.store(to.millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Stands at the start of 2026.
    fn default() -> Self {
        Self {
            millis: AtomicI64::new(1_767_225_600_000),
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_jump_nothing_is_forgotten_until_the_clock_has_gone_straight_for_hours() {
        const HOUR: Duration = Duration::from_hours(1);
        for jump in [-30 * 24, -1, 1, 30 * 24] {
            let clock = Arc::new(ManualClock::default());
            let straightness = Straightness::new(clock.clone());
            let pass = async |hours| {
                for _ in 0..hours {
                    clock.advance(HOUR);
                    tokio::time::advance(HOUR).await;
                    assert!(hours > 1 || straightness.may_forget(), "hour by hour nothing was set");
                }
            };
            pass(1).await;
            clock.jump(Timestamp::from_millis(clock.now().millis() + jump * 3_600_000));
            assert!(!straightness.may_forget(), "{jump}");
            pass(5).await;
            assert!(!straightness.may_forget(), "{jump}");
            pass(2).await;
            assert!(straightness.may_forget(), "{jump}");
        }
    }
}
