//! Rate limits in this process: fixed windows aligned to the clock, in bounded memory.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use contract::{ApiKeyId, OrganizationId, Reason, Timestamp};
use domain::ports::Clock;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::{Problem, config::RateLimitConfig};

/// Keys and organisations counted at once; past it those of the oldest windows are forgotten.
const SUBJECTS_MAX: usize = 100_000;

/// Addresses counted at once.
const ADDRESSES_MAX: usize = 10_000;

/// One limit: so many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    name: &'static str,
    limit: u32,
    seconds: i64,
}

/// How a window stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    policy: Policy,
    remaining: u32,
    /// Seconds since the epoch.
    reset_at: i64,
    /// Whole seconds until then, at least 1.
    wait: i64,
}

impl Standing {
    fn of(policy: Policy, used: u32, now_ms: i64) -> Self {
        let reset_at = (now_ms.div_euclid(1000).div_euclid(policy.seconds) + 1) * policy.seconds;
        let wait = (reset_at * 1000 - now_ms + 999).div_euclid(1000).max(1);
        Self {
            policy,
            remaining: policy.limit.saturating_sub(used),
            reset_at,
            wait,
        }
    }

    fn refusal(&self, reason: Reason, message: String) -> Problem {
        Problem::new(reason, message)
            .with("policy", self.policy.name)
            .with("limit", self.policy.limit)
            .with("remaining", self.remaining)
            .with("window_seconds", self.policy.seconds)
            .with("reset_at", Timestamp::from_millis(self.reset_at * 1000).to_string())
            .with("retry_after", self.wait)
            .header(RETRY_AFTER, self.wait)
    }
}

/// Counts in the window that `start` begins; a later window begins at zero.
#[derive(Clone, Copy, Default)]
struct Counter {
    start: i64,
    used: u32,
}

impl Counter {
    fn at(self, policy: Policy, now_s: i64) -> Self {
        let start = now_s.div_euclid(policy.seconds) * policy.seconds;
        if self.start == start {
            self
        } else {
            Self { start, used: 0 }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Organization(OrganizationId),
    Key(ApiKeyId),
}

/// Counts requests of keys and of organisations.
pub(crate) struct RateLimiter {
    policies: Vec<Policy>,
    clock: Arc<dyn Clock>,
    counters: Mutex<HashMap<Subject, [Counter; 3]>>,
}

/// What every authenticated answer says about limits.
#[derive(Clone)]
pub(crate) struct LimitHeaders(HeaderMap);

impl LimitHeaders {
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.extend(self.0);
    }
}

impl RateLimiter {
    pub(crate) fn new(config: &RateLimitConfig, clock: Arc<dyn Clock>) -> Self {
        let all = [
            ("minute", config.minute, 60),
            ("hour", config.hour, 3600),
            ("day", config.day, 86_400),
        ];
        let on = all.into_iter().filter(|(_, limit, _)| config.enabled && *limit > 0);
        let policies = on
            .map(|(name, limit, seconds)| Policy { name, limit, seconds })
            .collect();
        Self {
            policies,
            clock,
            counters: Mutex::default(),
        }
    }

    /// Counts a request, or refuses it: then it is not counted. The headers tell the tightest window.
    pub(crate) fn admit(&self, organization: OrganizationId, key: ApiKeyId) -> (LimitHeaders, Result<(), Problem>) {
        let now = self.clock.now().millis();
        let subjects = [Subject::Organization(organization), Subject::Key(key)];
        let (standings, full) = self.count(subjects, now);
        let headers = LimitHeaders(self.headers(&standings));
        let Some(full) = full else { return (headers, Ok(())) };
        let message = format!("More than {} requests in a {}.", full.policy.limit, full.policy.name);
        (headers, Err(full.refusal(Reason::Requests, message)))
    }

    fn count(&self, subjects: [Subject; 2], now: i64) -> (Vec<Standing>, Option<Standing>) {
        let now_s = now.div_euclid(1000);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut counters, SUBJECTS_MAX, |counters| {
            counters.iter().map(|counter| counter.start).max()
        });
        let mut rows = subjects.map(|subject| counters.get(&subject).copied().unwrap_or_default());
        let mut standings = Vec::with_capacity(self.policies.len());
        let mut full = None::<Standing>;
        for (index, policy) in self.policies.iter().enumerate() {
            for row in &mut rows {
                row[index] = row[index].at(*policy, now_s);
            }
            let used = rows.iter().map(|row| row[index].used).max().unwrap_or_default();
            let standing = Standing::of(*policy, used, now);
            if used >= policy.limit && full.is_none_or(|full| full.wait < standing.wait) {
                full = Some(standing);
            }
            standings.push(standing);
        }
        if full.is_none() {
            for (subject, mut row) in subjects.into_iter().zip(rows) {
                for counter in &mut row {
                    counter.used += 1;
                }
                counters.insert(subject, row);
            }
            for standing in &mut standings {
                standing.remaining = standing.remaining.saturating_sub(1);
            }
        }
        (standings, full)
    }

    fn headers(&self, standings: &[Standing]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(tightest) = standings
            .iter()
            .min_by_key(|standing| (standing.remaining, -standing.wait))
        else {
            return headers;
        };
        let policy = |policy: &Policy| format!("\"{}\";q={};w={}", policy.name, policy.limit, policy.seconds);
        let policies: Vec<_> = self.policies.iter().map(policy).collect();
        let state = format!(
            "\"{}\";r={};t={}",
            tightest.policy.name, tightest.remaining, tightest.wait
        );
        for (name, value) in [
            ("ratelimit-policy", policies.join(", ")),
            ("ratelimit", state),
            ("x-ratelimit-limit", tightest.policy.limit.to_string()),
            ("x-ratelimit-remaining", tightest.remaining.to_string()),
            ("x-ratelimit-reset", tightest.reset_at.to_string()),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

/// Forgets the half whose windows are oldest, once there are `max`.
fn make_room<K: Copy + Eq + Hash, V, A: Ord + Copy>(counters: &mut HashMap<K, V>, max: usize, age: impl Fn(&V) -> A) {
    if counters.len() < max {
        return;
    }
    let mut by_age: Vec<_> = counters.iter().map(|(key, value)| (age(value), *key)).collect();
    by_age.sort_unstable_by_key(|(age, _)| *age);
    for (_, key) in by_age.into_iter().take(max / 2) {
        counters.remove(&key);
    }
}

/// Counts refused credentials by address. Good credentials always pass, so a neighbour behind the same
/// address can't lock anybody out.
pub(crate) struct Attempts {
    policy: Option<Policy>,
    clock: Arc<dyn Clock>,
    counters: Mutex<HashMap<IpAddr, Counter>>,
}

impl Attempts {
    pub(crate) fn new(config: &RateLimitConfig, clock: Arc<dyn Clock>) -> Self {
        let limit = config.authentication_failures_per_minute;
        let policy = Policy {
            name: "authentication_attempts",
            limit,
            seconds: 60,
        };
        let policy = (config.enabled && limit > 0).then_some(policy);
        Self {
            policy,
            clock,
            counters: Mutex::default(),
        }
    }

    /// Counts a refusal; past the limit the answer is to wait.
    pub(crate) fn failed(&self, address: IpAddr) -> Result<(), Problem> {
        let Some(policy) = self.policy else { return Ok(()) };
        let now = self.clock.now().millis();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut counters, ADDRESSES_MAX, |counter| counter.start);
        let counter = counters.entry(network(address)).or_default();
        *counter = counter.at(policy, now.div_euclid(1000));
        if counter.used < policy.limit {
            counter.used += 1;
            return Ok(());
        }
        drop(counters);
        let message = "Too many refused credentials from this address.".to_owned();
        Err(Standing::of(policy, policy.limit, now).refusal(Reason::AuthenticationAttempts, message))
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

    use domain::clock::ManualClock;

    use super::*;

    fn limiter(minute: u32, hour: u32) -> (RateLimiter, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_770_206_400_000)));
        let config = RateLimitConfig {
            minute,
            hour,
            day: 0,
            ..RateLimitConfig::default()
        };
        (RateLimiter::new(&config, clock.clone()), clock)
    }

    #[test]
    fn a_window_ends_with_the_clock_and_not_with_its_first_request() {
        let (limiter, clock) = limiter(2, 0);
        let (organization, key) = (OrganizationId::new(), ApiKeyId::new());
        clock.advance(Duration::from_millis(58_500));
        assert!(limiter.admit(organization, key).1.is_ok());
        assert!(limiter.admit(organization, key).1.is_ok());
        let refused = limiter.admit(organization, key).1.unwrap_err();
        assert_eq!(refused.details()["retry_after"], 2);
        assert_eq!(refused.headers()[RETRY_AFTER], "2");
        clock.advance(Duration::from_millis(1500));
        assert!(limiter.admit(organization, key).1.is_ok());
    }

    #[test]
    fn keys_of_one_organisation_share_its_limit() {
        let (limiter, _) = limiter(2, 0);
        let organization = OrganizationId::new();
        assert!(limiter.admit(organization, ApiKeyId::new()).1.is_ok());
        assert!(limiter.admit(organization, ApiKeyId::new()).1.is_ok());
        assert!(limiter.admit(organization, ApiKeyId::new()).1.is_err());
        assert!(limiter.admit(OrganizationId::new(), ApiKeyId::new()).1.is_ok());
    }

    #[test]
    fn the_longest_wait_is_told_and_the_tightest_window_shown() {
        let (limiter, clock) = limiter(3, 3);
        let (organization, key) = (OrganizationId::new(), ApiKeyId::new());
        let (headers, _) = limiter.admit(organization, key);
        assert_eq!(
            headers.0["ratelimit-policy"],
            "\"minute\";q=3;w=60, \"hour\";q=3;w=3600"
        );
        assert_eq!(headers.0["x-ratelimit-remaining"], "2");
        limiter.admit(organization, key).1.unwrap();
        clock.advance(Duration::from_secs(61));
        limiter.admit(organization, key).1.unwrap();
        let (headers, refused) = limiter.admit(organization, key);
        assert_eq!(refused.unwrap_err().details()["policy"], "hour");
        assert_eq!(headers.0["ratelimit"], "\"hour\";r=0;t=3539");
    }

    #[test]
    fn refused_credentials_are_counted_by_network() {
        let clock = Arc::new(ManualClock::default());
        let config = RateLimitConfig {
            authentication_failures_per_minute: 2,
            ..RateLimitConfig::default()
        };
        let attempts = Attempts::new(&config, clock);
        for (address, is_fine) in [
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8::3", false),
            ("2001:db8:0:1::3", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(attempts.failed(address.parse().unwrap()).is_ok(), is_fine, "{address}");
        }
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest() {
        let mut counters: HashMap<u32, i64> = (0..10).map(|key| (key, i64::from(key))).collect();
        make_room(&mut counters, 10, |age| *age);
        let mut left: Vec<_> = counters.into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, [5, 6, 7, 8, 9]);
    }
}
