//! When to try again, and when to stop.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

/// The longest wait there is, a year: more can't be meant, and times may be added up without a thought.
pub(crate) const WAIT_MAX: Duration = Duration::from_hours(365 * 24);

/// How often and how long a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most attempts, the first included; 1 never tries again.
    pub attempts_max: u32,
    /// Wait before the second attempt; it doubles from attempt to attempt.
    pub wait_min: Duration,
    /// Longest wait that the library chooses by itself. A server's `Retry-After` may be longer.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 4,
            wait_min: Duration::from_millis(250),
            wait_max: Duration::from_secs(8),
        }
    }
}

impl RetryPolicy {
    /// Tries once.
    pub fn never() -> Self {
        Self {
            attempts_max: 1,
            ..Self::default()
        }
    }

    /// The wait after the attempt of this number (from 1). `jitter` is between 0 and 1.
    ///
    /// What the server asked for is never cut short: jitter only adds to it, so that clients who were refused in the
    /// same moment don't come back in the same moment. A wait of our own is jittered down to its half.
    pub(crate) fn wait(&self, attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let jitter = jitter.clamp(0.0, 1.0);
        let own = self.wait_min.saturating_mul(factor).min(self.wait_max).min(WAIT_MAX);
        let own = own.mul_f64(0.5 + jitter / 2.0);
        let Some(asked) = retry_after else {
            return own;
        };
        let more = self.wait_min.min(WAIT_MAX).mul_f64(jitter);
        asked.saturating_add(more.max(own.saturating_sub(asked)))
    }
}

/// Tells the time and lets it pass. Tests bring their own.
pub trait Timer: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Instant;

    /// Waits.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;

    /// A number between 0 and 1 by which waits differ.
    fn jitter(&self) -> f64;
}

/// The real clock, and chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTimer;

impl Timer for SystemTimer {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }

    fn jitter(&self) -> f64 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_maximum_and_differ_by_half() {
        let policy = RetryPolicy::default();
        let waits = |jitter| [1, 2, 3, 6, 40].map(|attempt| policy.wait(attempt, None, jitter).as_millis());
        assert_eq!(waits(1.0), [250, 500, 1000, 8000, 8000]);
        assert_eq!(waits(0.0), [125, 250, 500, 4000, 4000]);
    }

    #[test]
    fn no_wait_is_too_long_to_be_reckoned_with() {
        let endless = RetryPolicy {
            wait_min: Duration::MAX,
            wait_max: Duration::MAX,
            ..RetryPolicy::default()
        };
        assert_eq!(endless.wait(40, None, 1.0), WAIT_MAX);
        assert_eq!(endless.wait(1, Some(Duration::MAX), 1.0), Duration::MAX);
    }

    #[test]
    fn what_the_server_asked_for_is_never_cut_short() {
        let policy = RetryPolicy::default();
        for (asked, jitter, waited) in [
            (19_000, 0.0, 19_000),
            (19_000, 1.0, 19_250),
            (0, 0.0, 125),
            (0, 1.0, 250),
        ] {
            let wait = policy.wait(1, Some(Duration::from_millis(asked)), jitter);
            assert_eq!(wait.as_millis(), waited, "{asked} {jitter}");
        }
    }
}
