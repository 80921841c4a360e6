//! Requests of keys, users and organisations, in a minute, an hour and a day.

use std::sync::Arc;

use contract::{OrganizationId, Reason};
use domain::limits::{LimitCounters, Span, Subject, Tally, WINDOWS, Window, WindowLimits};
use smallvec::SmallVec;
use uuid::Uuid;

use super::{
    policies::Policies,
    standing::{LimitHeaders, Standing},
};
use crate::{Problem, config::RateLimitConfig};

/// Whose request it is, and what was set for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) organization: OrganizationId,
    /// The key's id, or what stands for a user.
    pub(crate) caller: Uuid,
    /// What the organisation has instead of the configured limits: for all of its keys and users together, and for
    /// each that has none of its own.
    pub(crate) granted: WindowLimits,
    /// What the key alone has.
    pub(crate) own: WindowLimits,
}

/// Counts requests of callers and of organisations.
pub(crate) struct RateLimiter {
    is_on: bool,
    defaults: WindowLimits,
    counters: Arc<dyn LimitCounters>,
    policies: Policies,
}

type Windows = SmallVec<[Window; WINDOWS]>;

/// How the window stands that binds in each span.
type Standings = SmallVec<[Standing; Span::ALL.len()]>;

impl RateLimiter {
    pub(crate) fn new(config: &RateLimitConfig, counters: Arc<dyn LimitCounters>) -> Self {
        let defaults = WindowLimits {
            minute: Some(config.minute),
            hour: Some(config.hour),
            day: Some(config.day),
        };
        Self {
            is_on: config.enabled,
            defaults,
            counters,
            policies: Policies::default(),
        }
    }

    /// Whether anything is counted at all.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Counts a request, or refuses it: then it is not counted. The headers tell the tightest window.
    pub(crate) async fn admit(&self, asker: Asker) -> (LimitHeaders, Result<(), Problem>) {
        let windows = self.windows(asker);
        if windows.is_empty() {
            return (LimitHeaders::default(), Ok(()));
        }
        let tally = self.counters.take(&windows).await;
        let standings = binding(&windows, &tally);
        let headers = LimitHeaders::of(&standings, &self.policies);
        if tally.admitted {
            return (headers, Ok(()));
        }
        let full = standings.iter().min_by_key(|standing| standing.room());
        (
            headers,
            Err(full.map_or_else(|| Problem::overload("The server is busy."), refusal)),
        )
    }

    /// How the asker stands, without counting anything.
    pub(crate) async fn look(&self, asker: Asker) -> LimitHeaders {
        let windows = self.windows(asker);
        if windows.is_empty() {
            return LimitHeaders::default();
        }
        // A window without any room counts nothing and tells what it has counted.
        let shut: Windows = windows.iter().map(|window| Window { limit: 0, ..*window }).collect();
        let standings = binding(&windows, &self.counters.take(&shut).await);
        LimitHeaders::of(&standings, &self.policies)
    }

    fn windows(&self, asker: Asker) -> Windows {
        if !self.is_on {
            return Windows::new();
        }
        let of_organization = asker.granted.or(self.defaults);
        let of_caller = asker.own.or(of_organization);
        let subjects = [
            (Subject::Organization(asker.organization), of_organization),
            (Subject::Caller(asker.organization, asker.caller), of_caller),
        ];
        let mut windows = Windows::new();
        for span in Span::ALL {
            for (subject, limits) in subjects {
                let limit = limit_of(limits, span);
                windows.extend((limit > 0).then_some(Window { subject, span, limit }));
            }
        }
        windows
    }
}

/// `0` is no limit.
fn limit_of(limits: WindowLimits, span: Span) -> u32 {
    let limit = match span {
        Span::Minute => limits.minute,
        Span::Hour => limits.hour,
        Span::Day => limits.day,
    };
    limit.unwrap_or_default()
}

/// In each span, the window that leaves less: the organisation's or the caller's.
fn binding(windows: &[Window], tally: &Tally) -> Standings {
    let mut standings = Standings::new();
    for (window, used) in windows.iter().zip(&tally.used) {
        let standing = Standing::of(*window, *used, tally.at);
        match standings.last_mut() {
            Some(last) if last.window.span == window.span => {
                if (standing.remaining, window.limit) < (last.remaining, last.window.limit) {
                    *last = standing;
                }
            }
            _ => standings.push(standing),
        }
    }
    standings
}

fn refusal(full: &Standing) -> Problem {
    let Window { subject, span, limit } = full.window;
    let whose = match subject {
        Subject::Organization(_) => "organization",
        Subject::Caller(..) | Subject::Address(_) => "caller",
    };
    let message = format!("More than {limit} requests in a {}.", span.name());
    full.refusal(Reason::Requests, span.name(), message)
        .with("subject", whose)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use contract::{ApiKeyId, Timestamp};
    use domain::{clock::ManualClock, limits::MemoryCounters};
    use hyper::header::RETRY_AFTER;

    use super::*;

    fn limiter(minute: u32, hour: u32) -> (RateLimiter, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_770_206_400_000)));
        let config = RateLimitConfig {
            minute,
            hour,
            day: 0,
            ..RateLimitConfig::default()
        };
        (
            RateLimiter::new(&config, Arc::new(MemoryCounters::new(clock.clone()))),
            clock,
        )
    }

    fn key_of(organization: OrganizationId) -> Asker {
        Asker {
            organization,
            caller: ApiKeyId::new().0,
            granted: WindowLimits::default(),
            own: WindowLimits::default(),
        }
    }

    fn asker() -> Asker {
        key_of(OrganizationId::new())
    }

    #[tokio::test]
    async fn a_window_ends_with_the_clock_and_not_with_its_first_request() {
        let (limiter, clock) = limiter(2, 0);
        let asker = asker();
        clock.advance(Duration::from_millis(58_500));
        assert!(limiter.admit(asker).await.1.is_ok());
        assert!(limiter.admit(asker).await.1.is_ok());
        let refused = limiter.admit(asker).await.1.unwrap_err();
        assert_eq!(refused.facts()["retry_after"], 2);
        assert_eq!(refused.header_text(&RETRY_AFTER), Some("2"));
        clock.advance(Duration::from_millis(1500));
        assert!(limiter.admit(asker).await.1.is_ok());
    }

    #[tokio::test]
    async fn keys_of_one_organisation_share_its_limit() {
        let (limiter, _) = limiter(2, 0);
        let organization = OrganizationId::new();
        let key = || key_of(organization);
        assert!(limiter.admit(key()).await.1.is_ok());
        assert!(limiter.admit(key()).await.1.is_ok());
        let refused = limiter.admit(key()).await.1.unwrap_err();
        assert_eq!(refused.facts()["subject"], "organization");
        assert!(limiter.admit(asker()).await.1.is_ok());
    }

    #[tokio::test]
    async fn a_key_may_be_held_tighter_than_its_organisation_and_costs_the_others_nothing_more() {
        let (limiter, _) = limiter(3, 0);
        let organization = OrganizationId::new();
        let tight = WindowLimits {
            minute: Some(1),
            ..WindowLimits::default()
        };
        let held = Asker {
            own: tight,
            ..key_of(organization)
        };
        let (headers, admitted) = limiter.admit(held).await;
        assert!(admitted.is_ok());
        assert_eq!(headers.get("ratelimit-policy"), "\"minute\";q=1;w=60");
        let refused = limiter.admit(held).await.1.unwrap_err().facts();
        assert_eq!((&refused["limit"], &refused["subject"]), (&1.into(), &"caller".into()));
        let (headers, admitted) = limiter.admit(key_of(organization)).await;
        assert!(admitted.is_ok());
        assert_eq!(
            (headers.get("x-ratelimit-limit"), headers.get("x-ratelimit-remaining")),
            ("3".to_owned(), "1".to_owned())
        );
    }

    #[tokio::test]
    async fn an_organisation_may_be_given_more_or_no_limit_of_a_window() {
        let (limiter, _) = limiter(1, 1);
        let granted = WindowLimits {
            minute: Some(2),
            hour: Some(0),
            day: None,
        };
        let asker = Asker { granted, ..asker() };
        let (headers, _) = limiter.admit(asker).await;
        assert_eq!(headers.get("ratelimit-policy"), "\"minute\";q=2;w=60");
        assert!(limiter.admit(asker).await.1.is_ok());
        assert!(limiter.admit(asker).await.1.is_err());
    }

    #[tokio::test]
    async fn the_longest_wait_is_told_and_the_tightest_window_shown() {
        let (limiter, clock) = limiter(3, 3);
        let asker = asker();
        let (headers, _) = limiter.admit(asker).await;
        assert_eq!(
            headers.get("ratelimit-policy"),
            "\"minute\";q=3;w=60, \"hour\";q=3;w=3600"
        );
        assert_eq!(headers.get("x-ratelimit-remaining"), "2");
        limiter.admit(asker).await.1.unwrap();
        clock.advance(Duration::from_secs(61));
        limiter.admit(asker).await.1.unwrap();
        let (headers, refused) = limiter.admit(asker).await;
        assert_eq!(refused.unwrap_err().facts()["policy"], "hour");
        assert_eq!(headers.get("ratelimit"), "\"hour\";r=0;t=3539");
    }
}
