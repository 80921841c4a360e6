//! Counters in this process, in bounded memory.

use std::{
    hash::BuildHasher as _,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use contract::OrganizationId;
use smallvec::SmallVec;

use super::{Counts, LimitCounters, Span, Subject, Tally, Window};
use crate::{
    ports::Clock,
    quick::{QuickHash, QuickMap},
};

/// Parts with a lock of their own, so that organisations rarely wait for each other.
const SHARDS: usize = 16;
/// Organisations, keys and users counted at once; past it those of the oldest windows are forgotten.
const SUBJECTS_MAX: usize = 100_000;
/// Addresses counted at once. They are apart: whoever has many addresses must not make us forget organisations.
const ADDRESSES_MAX: usize = 10_000;

/// Counts in the window that `start` begins; any other window begins at zero, a former one too: a clock that was set
/// back must not lock anybody out.
#[derive(Clone, Copy, Default)]
struct Counter {
    start: i64,
    used: u32,
}

impl Counter {
    fn used_in(self, start: i64) -> u32 {
        if self.start == start { self.used } else { 0 }
    }
}

type Row = [Counter; Span::ALL.len()];
type Shard = Mutex<QuickMap<Subject, Row>>;

/// Counters in this process. No lock is held longer than a few lookups take.
pub struct MemoryCounters {
    clock: Arc<dyn Clock>,
    hasher: QuickHash,
    subjects: [Shard; SHARDS],
    addresses: [Shard; SHARDS],
}

/// What shares a lock.
#[derive(Hash)]
enum Group {
    Organization(OrganizationId),
    Address(IpAddr),
}

impl Subject {
    fn group(&self) -> Group {
        match *self {
            Self::Organization(organization) | Self::Caller(organization, _) => Group::Organization(organization),
            Self::Address(address) => Group::Address(address),
        }
    }
}

impl MemoryCounters {
    /// Nothing counted yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            hasher: QuickHash::default(),
            subjects: Default::default(),
            addresses: Default::default(),
        }
    }

    /// The part that holds all subjects of a group, and how many it may hold.
    fn shard(&self, group: &Group) -> (&Shard, usize) {
        let index = self.hasher.hash_one(group) as usize % SHARDS;
        match group {
            Group::Organization(_) => (&self.subjects[index], SUBJECTS_MAX / SHARDS),
            Group::Address(_) => (&self.addresses[index], ADDRESSES_MAX / SHARDS),
        }
    }
}

#[async_trait]
impl LimitCounters for MemoryCounters {
    async fn take(&self, windows: &[Window]) -> Tally {
        let at = self.clock.now();
        let Some(first) = windows.first() else {
            let used = Counts::new();
            return Tally {
                admitted: true,
                at,
                used,
            };
        };
        let (shard, max) = self.shard(&first.subject.group());
        let mut rows = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // Few subjects have many windows: each is looked up once.
        let mut touched = SmallVec::<[(Subject, Row); 2]>::new();
        let mut used = Counts::new();
        for window in windows {
            let place = touched.iter().position(|(subject, _)| *subject == window.subject);
            let place = place.unwrap_or_else(|| {
                let row = rows.get(&window.subject).copied().unwrap_or_default();
                touched.push((window.subject, row));
                touched.len() - 1
            });
            let counter = &mut touched[place].1[window.span as usize];
            let start = window.span.start(at);
            used.push(counter.used_in(start));
            *counter = Counter {
                start,
                used: counter.used_in(start).saturating_add(1),
            };
        }
        let admitted = windows.iter().zip(&used).all(|(window, used)| *used < window.limit);
        if admitted {
            make_room(&mut rows, max);
            rows.extend(touched);
            for used in &mut used {
                *used += 1;
            }
        }
        Tally { admitted, at, used }
    }
}

/// Forgets the half whose windows are oldest, once there are `max`.
fn make_room(rows: &mut QuickMap<Subject, Row>, max: usize) {
    if rows.len() < max {
        return;
    }
    let newest = |row: &Row| row.iter().map(|counter| counter.start).max();
    let mut by_age: Vec<_> = rows.iter().map(|(subject, row)| (newest(row), *subject)).collect();
    by_age.sort_unstable_by_key(|(age, _)| *age);
    for (_, subject) in by_age.into_iter().take(max.div_ceil(2)) {
        rows.remove(&subject);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use contract::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::clock::ManualClock;

    fn counters() -> (Arc<MemoryCounters>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (Arc::new(MemoryCounters::new(clock.clone())), clock)
    }

    fn window(subject: Subject, span: Span, limit: u32) -> Window {
        Window { subject, span, limit }
    }

    #[tokio::test]
    async fn a_request_counts_in_every_window_or_in_none() {
        let (counters, _) = counters();
        let organization = OrganizationId::new();
        let roomy = window(Subject::Organization(organization), Span::Hour, 10);
        let tight = window(Subject::Caller(organization, Uuid::nil()), Span::Minute, 1);
        assert_eq!(counters.take(&[roomy, tight]).await.used[..], [1, 1]);
        let refused = counters.take(&[roomy, tight]).await;
        assert_eq!((refused.admitted, &refused.used[..]), (false, &[1, 1][..]));
        assert_eq!(counters.take(&[roomy]).await.used[..], [2]);
    }

    #[tokio::test]
    async fn a_clock_that_jumps_costs_nobody_more_than_the_window_it_lands_in() {
        let (counters, clock) = counters();
        let day = [window(Subject::Organization(OrganizationId::new()), Span::Day, 1)];
        let began = clock.now();
        assert!(counters.take(&day).await.admitted);
        clock.advance(Duration::from_hours(100 * 24));
        assert!(counters.take(&day).await.admitted);
        assert!(!counters.take(&day).await.admitted);
        clock.jump(began);
        assert!(counters.take(&day).await.admitted);
        assert!(!counters.take(&day).await.admitted);
        clock.jump(Timestamp::from_millis(-5));
        assert!(counters.take(&day).await.admitted);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn however_many_ask_at_once_no_more_are_admitted_than_allowed() {
        let (counters, _) = counters();
        let organization = OrganizationId::new();
        let asking = (0..200).map(|index| {
            let counters = Arc::clone(&counters);
            let windows = [
                window(Subject::Organization(organization), Span::Minute, 50),
                window(
                    Subject::Caller(organization, Uuid::from_u128(index % 4)),
                    Span::Minute,
                    20,
                ),
            ];
            tokio::spawn(async move { counters.take(&windows).await.admitted })
        });
        let answers = futures_util::future::join_all(asking).await;
        let admitted = answers.into_iter().filter(|answer| matches!(answer, Ok(true))).count();
        assert_eq!(admitted, 50);
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_newest_windows_stay() {
        let (counters, clock) = counters();
        let address = |index: u32| Subject::Address(Ipv4Addr::from(index).into());
        for index in 0..40_000 {
            clock.advance(Duration::from_millis(100));
            counters.take(&[window(address(index), Span::Minute, 1)]).await;
        }
        let kept: usize = counters
            .addresses
            .iter()
            .map(|shard| shard.lock().map_or(0, |rows| rows.len()))
            .sum();
        assert!((1..=ADDRESSES_MAX).contains(&kept), "{kept}");
        assert!(
            !counters
                .take(&[window(address(39_999), Span::Minute, 1)])
                .await
                .admitted
        );
        let organization = Subject::Organization(OrganizationId::new());
        assert_eq!(
            counters.take(&[window(organization, Span::Minute, 1)]).await.used[..],
            [1]
        );
    }
}
