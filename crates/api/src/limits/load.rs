//! What the server takes on at once. Past it, requests are turned away before any work is done for them, so that those
//! it took on are answered in time.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use contract::OrganizationId;
use domain::places::{Place, Places};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::network;
use crate::{ApiConfig, Problem};

/// Time between two looks at how late tasks are run.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// So many late looks in a row are more than a hiccup.
const PROBES_LATE: u32 = 5;

/// Bodies being read at once of senders that nobody knows yet: of one address, and of all. Each may take as long as a
/// body may, and holds a seat meanwhile.
const UNKNOWN_OF_ONE_MAX: usize = 16;
const UNKNOWN_MAX: usize = 64;

/// A place among the requests being answered, until the answer begins.
pub(crate) type Seat = OwnedSemaphorePermit;

/// What the server takes on at once.
pub(crate) struct Load {
    seats: Arc<Semaphore>,
    seats_max: usize,
    organizations: Places<OrganizationId>,
    organization_max: usize,
    unknown: Places<IpAddr>,
    unknown_of_all: Places<()>,
    lag: LagWatch,
}

impl Load {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(config.requests_max.min(Semaphore::MAX_PERMITS))),
            seats_max: config.requests_max,
            organizations: Places::default(),
            organization_max: config.requests_per_organization_max,
            unknown: Places::default(),
            unknown_of_all: Places::default(),
            lag: LagWatch::new(Duration::from_millis(config.lag_max_ms)),
        }
    }

    /// A seat for a request of anybody.
    pub(crate) fn enter(&self) -> Result<Seat, Problem> {
        if self.lag.is_behind() {
            return Err(Problem::overload("The server falls behind with its work."));
        }
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        seat.map_err(|_| {
            let message = "The server has no place for another request.";
            Problem::no_place("requests_at_once", self.seats_max, message)
        })
    }

    /// A place for a request of one organisation, so that none of them takes all seats.
    pub(crate) fn enter_as(&self, organization: OrganizationId) -> Result<Place<OrganizationId>, Problem> {
        let max = self.organization_max;
        self.organizations.take(organization, max).ok_or_else(|| {
            let message = format!("The organisation may have {max} requests under way at once.");
            Problem::no_place("requests_at_once_per_organization", max, message)
        })
    }

    /// A place for reading what somebody sends of whom only the address is known.
    pub(crate) fn read_unknown(&self, address: IpAddr) -> Result<(Place<IpAddr>, Place<()>), Problem> {
        let of_one = self.unknown.take(network(address), UNKNOWN_OF_ONE_MAX);
        let places = of_one.and_then(|of_one| Some((of_one, self.unknown_of_all.take((), UNKNOWN_MAX)?)));
        places.ok_or_else(|| {
            let message = "Too many bodies of unknown senders are being read.";
            Problem::no_place("unknown_senders", UNKNOWN_OF_ONE_MAX, message)
        })
    }

    pub(crate) fn lag(&self) -> &LagWatch {
        &self.lag
    }
}

/// Sees how late the program runs what is due. A machine whose processors are all taken shows it before any count of
/// requests does.
pub(crate) struct LagWatch {
    /// Zero: never too late.
    max: Duration,
    late: AtomicU32,
}

impl LagWatch {
    fn new(max: Duration) -> Self {
        Self {
            max,
            late: AtomicU32::new(0),
        }
    }

    /// Late not just once, but for a while.
    fn is_behind(&self) -> bool {
        self.late.load(Ordering::Relaxed) >= PROBES_LATE
    }

    /// Looks until the end.
    pub(crate) async fn watch(&self, stop: CancellationToken) {
        loop {
            let due = Instant::now() + PROBE_EVERY;
            tokio::select! {
                () = sleep_until(due) => self.note(due.elapsed()),
                () = stop.cancelled() => return,
            }
        }
    }

    fn note(&self, lag: Duration) {
        metrics::gauge!("callwright_lag_seconds").set(lag.as_secs_f64());
        let was_behind = self.is_behind();
        if self.max.is_zero() || lag <= self.max {
            self.late.store(0, Ordering::Relaxed);
            if was_behind {
                tracing::info!("the server keeps up again and takes requests");
            }
            return;
        }
        self.late.fetch_add(1, Ordering::Relaxed);
        if !was_behind && self.is_behind() {
            let lag_ms = lag.as_millis() as u64;
            tracing::warn!(lag_ms, "the server falls behind with its work and turns requests away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(change: impl FnOnce(&mut ApiConfig)) -> Load {
        let mut config = ApiConfig::default();
        change(&mut config);
        Load::new(&config)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_runs_late_for_a_while_turns_requests_away_until_it_keeps_up() {
        let load = Arc::new(load(|config| config.lag_max_ms = 500));
        let stop = CancellationToken::new();
        let watched = Arc::clone(&load);
        let token = stop.clone();
        let watching = tokio::spawn(async move { watched.lag().watch(token).await });
        tokio::task::yield_now().await;
        for _ in 1..PROBES_LATE {
            tokio::time::advance(Duration::from_secs(1)).await;
            tokio::task::yield_now().await;
            assert!(load.enter().is_ok(), "a hiccup is not a jam");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        assert!(load.enter().is_err());
        tokio::time::sleep(2 * PROBE_EVERY).await;
        assert!(load.enter().is_ok());
        stop.cancel();
        assert!(watching.await.is_ok());
    }

    #[test]
    fn no_organisation_takes_all_seats() {
        let load = load(|config| {
            config.requests_max = 3;
            config.requests_per_organization_max = 2;
        });
        let (greedy, modest) = (OrganizationId::new(), OrganizationId::new());
        let held = [load.enter_as(greedy), load.enter_as(greedy)];
        assert!(held.iter().all(Result::is_ok));
        assert!(load.enter_as(greedy).is_err());
        assert!(load.enter_as(modest).is_ok());
        let seats = [load.enter(), load.enter(), load.enter()];
        assert!(seats.iter().all(Result::is_ok));
        assert!(load.enter().is_err());
        drop(seats);
        assert!(load.enter().is_ok());
    }
}
