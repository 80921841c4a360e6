//! Counting what clients ask, in windows aligned to the clock.
//!
//! What a limit is and where it is counted lives here; who is limited how, and what a refusal looks like, is for `api`
//! to say. Counters are kept in this process ([`MemoryCounters`]) or by something that several nodes share.

mod granted;
mod memory;

use std::net::IpAddr;

use async_trait::async_trait;
use contract::{OrganizationId, Timestamp};
pub use contract::{OrganizationLimits, RateLimits as WindowLimits};
use smallvec::SmallVec;
use uuid::Uuid;

pub use granted::GrantedLimits;
pub use memory::MemoryCounters;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// Begins at the full minute.
    Minute,
    /// Begins at the full hour.
    Hour,
    /// Begins at midnight UTC.
    Day,
}

impl Span {
    /// From the shortest.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// As clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }

    /// Where the window that holds `at` begins, in seconds since the epoch.
    pub fn start(self, at: Timestamp) -> i64 {
        let second = at.millis().div_euclid(1000);
        // Each by a number that stands here: six windows of every request are placed, and to divide by one that is read
        // takes many times as long.
        let passed = match self {
            Self::Minute => second.rem_euclid(60),
            Self::Hour => second.rem_euclid(3600),
            Self::Day => second.rem_euclid(86_400),
        };
        second - passed
    }

    /// Where the window that holds `at` ends, in seconds since the epoch.
    pub fn end(self, at: Timestamp) -> i64 {
        self.start(at) + i64::from(self.seconds())
    }
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All of an organisation's.
    Organization(OrganizationId),
    /// One key's or one user's of an organisation.
    Caller(OrganizationId, Uuid),
    /// Those from an address (IPv6: from its network).
    Address(IpAddr),
}

/// One limit on one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whose.
    pub subject: Subject,
    /// How long.
    pub span: Span,
    /// How many.
    pub limit: u32,
}

/// What came of counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Whether every window had room. Otherwise nothing was counted in any.
    pub admitted: bool,
    /// By the counters' own clock.
    pub at: Timestamp,
    /// What each window has counted now, in the order it was asked in.
    pub used: Counts,
}

/// One count for each window of a request, which are [`WINDOWS`] at most.
pub type Counts = SmallVec<[u32; WINDOWS]>;

/// Windows that a request is counted in: an organisation's and a caller's in each span.
pub const WINDOWS: usize = 2 * Span::ALL.len();

/// Counts requests.
#[async_trait]
pub trait LimitCounters: Send + Sync {
    /// Counts one request in all of these windows if each has room, and in none otherwise. They belong to one
    /// organisation or to one address. Never fails and never waits long: one that can't reach its counters counts by
    /// other means.
    async fn take(&self, windows: &[Window]) -> Tally;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_to_the_clock_before_the_epoch_too() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!((Span::Minute.start(at(59_999)), Span::Minute.end(at(59_999))), (0, 60));
        assert_eq!(
            (Span::Hour.start(at(3_600_000)), Span::Hour.end(at(3_600_000))),
            (3600, 7200)
        );
        assert_eq!((Span::Day.start(at(-1)), Span::Day.end(at(-1))), (-86_400, 0));
    }
}
