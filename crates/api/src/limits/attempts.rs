//! Refused credentials, by address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::{Reason, Timestamp};
use domain::{
    keys::MayBeGood,
    limits::{LimitCounters, Span, Subject, Window},
    ports::Clock,
};

use super::standing::Standing;
use crate::{Problem, config::RateLimitConfig};

/// Addresses that are remembered as over the limit; beyond it the memory starts afresh.
const OVER_MAX: usize = 10_000;

/// Times in a second that credentials from an address over the limit are looked up all the same, so that a key which
/// nobody here knows yet gets in at some try. A flood costs as many reads, and no more.
const LOOKS_A_SECOND: u32 = 10;

/// Counts refused credentials by address. Good credentials pass all the same, so a neighbour behind the same
/// address locks nobody out who was in before, and whoever was not is only kept waiting.
pub(crate) struct Attempts {
    /// `0` is no limit.
    limit: u32,
    counters: Arc<dyn LimitCounters>,
    /// Addresses that were told to wait: so that asking costs nothing.
    over: Mutex<HashMap<IpAddr, Over>>,
}

/// An address that was told to wait.
struct Over {
    /// The end of the window, by the clock of the counters.
    until: i64,
    /// How far that clock is ahead of ours, in milliseconds; nodes that count together need not agree on the time.
    ahead: i64,
    /// The second of the latest looks, and how many those were.
    looks: (i64, u32),
}

impl Over {
    fn may_look(&mut self, second: i64) -> bool {
        if self.looks.0 != second {
            self.looks = (second, 0);
        }
        self.looks.1 += 1;
        self.looks.1 <= LOOKS_A_SECOND
    }
}

impl Attempts {
    pub(crate) fn new(config: &RateLimitConfig, counters: Arc<dyn LimitCounters>) -> Self {
        let limit = if config.enabled {
            config.authentication_failures_per_minute
        } else {
            0
        };
        Self {
            limit,
            counters,
            over: Mutex::default(),
        }
    }

    /// Whether the address was told to wait and still has to; counts no refusal. What may be good all the same, which
    /// is asked only then, has its turns.
    pub(crate) fn check(
        &self,
        address: IpAddr,
        may_be_good: impl FnOnce() -> MayBeGood,
        clock: &dyn Clock,
    ) -> Result<(), Problem> {
        let mut over = self.over();
        let Some(known) = over.get_mut(&network(address)) else {
            return Ok(());
        };
        let may_be_good = may_be_good();
        if may_be_good == MayBeGood::Surely {
            return Ok(());
        }
        let (window, now) = (self.window(address), clock.now());
        let at = Timestamp::from_millis(now.millis() + known.ahead);
        // In another window, or with the clock set back: whoever comes is looked at again.
        if known.until != window.span.end(at) {
            return Ok(());
        }
        if may_be_good == MayBeGood::Perhaps && known.may_look(now.millis() / 1000) {
            return Ok(());
        }
        Err(self.refusal(window, at))
    }

    /// Counts a refusal; past the limit the answer is to wait.
    pub(crate) async fn failed(&self, address: IpAddr, now: Timestamp) -> Result<(), Problem> {
        if self.limit == 0 {
            return Ok(());
        }
        let window = self.window(address);
        let tally = self.counters.take(&[window]).await;
        if tally.admitted {
            return Ok(());
        }
        let mut over = self.over();
        if over.len() >= OVER_MAX {
            over.clear();
        }
        let looks = over.get(&network(address)).map_or((0, 0), |known| known.looks);
        over.insert(
            network(address),
            Over {
                until: window.span.end(tally.at),
                ahead: tally.at.millis() - now.millis(),
                looks,
            },
        );
        drop(over);
        Err(self.refusal(window, tally.at))
    }

    fn window(&self, address: IpAddr) -> Window {
        Window {
            subject: Subject::Address(network(address)),
            span: Span::Minute,
            limit: self.limit,
        }
    }

    fn refusal(&self, window: Window, at: Timestamp) -> Problem {
        let message = "Too many refused credentials from this address.".to_owned();
        let policy = Reason::AuthenticationAttempts.name();
        Standing::of(window, self.limit, at).refusal(Reason::AuthenticationAttempts, policy, message)
    }

    fn over(&self) -> MutexGuard<'_, HashMap<IpAddr, Over>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscriber's whole IPv6 network (/64) counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use domain::{clock::ManualClock, limits::MemoryCounters};

    use super::*;

    fn start() -> Timestamp {
        Timestamp::from_millis(0)
    }

    #[tokio::test]
    async fn refused_credentials_are_counted_by_network() {
        let config = RateLimitConfig {
            authentication_failures_per_minute: 2,
            ..RateLimitConfig::default()
        };
        let counters = MemoryCounters::new(Arc::new(ManualClock::default()));
        let attempts = Attempts::new(&config, Arc::new(counters));
        for (address, is_fine) in [
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8::3", false),
            ("2001:db8:0:1::3", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
        ] {
            let answer = attempts.failed(address.parse().unwrap(), start()).await;
            assert_eq!(answer.is_ok(), is_fine, "{address}");
        }
    }

    /// A limit of one, used up, by counters whose clock is `ahead` of ours.
    async fn used_up(ahead: Duration) -> (Attempts, IpAddr) {
        let config = RateLimitConfig {
            authentication_failures_per_minute: 1,
            ..RateLimitConfig::default()
        };
        let clock = ManualClock::at(start());
        clock.advance(ahead);
        let attempts = Attempts::new(&config, Arc::new(MemoryCounters::new(Arc::new(clock))));
        let address = "192.0.2.1".parse().unwrap();
        attempts.failed(address, start()).await.unwrap();
        attempts.failed(address, start()).await.unwrap_err();
        (attempts, address)
    }

    #[tokio::test]
    async fn nodes_whose_clocks_differ_remember_an_address_all_the_same() {
        for ahead in [0, 59, 61, 3600].map(Duration::from_secs) {
            let (attempts, address) = used_up(ahead).await;
            let refused = |seconds: i64| {
                let clock = ManualClock::at(Timestamp::from_millis(seconds * 1000));
                attempts.check(address, || MayBeGood::Hardly, &clock).err()
            };
            let told = refused(0).expect("the address is over the limit").facts()["retry_after"].clone();
            assert_eq!(
                told,
                attempts.failed(address, start()).await.unwrap_err().facts()["retry_after"]
            );
            assert!(refused(61).is_none(), "{ahead:?}");
        }
    }

    #[tokio::test]
    async fn past_the_limit_what_may_be_good_has_some_looks_a_second() {
        let (attempts, address) = used_up(Duration::ZERO).await;
        let looks = |may_be_good, seconds: i64| {
            let clock = ManualClock::at(Timestamp::from_millis(seconds * 1000));
            (0..1000)
                .filter(|_| attempts.check(address, || may_be_good, &clock).is_ok())
                .count()
        };
        assert_eq!(looks(MayBeGood::Surely, 1), 1000);
        assert_eq!(looks(MayBeGood::Hardly, 1), 0);
        for second in [1, 2, 3] {
            assert_eq!(looks(MayBeGood::Perhaps, second), LOOKS_A_SECOND as usize);
            attempts
                .failed(address, Timestamp::from_millis(second * 1000))
                .await
                .unwrap_err();
            assert_eq!(looks(MayBeGood::Perhaps, second), 0, "a refusal gives no looks back");
        }
    }
}
