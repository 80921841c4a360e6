//! Writes failed requests to the store in the background.
//!
//! A queue for each class, each bounded, and in it each organisation has a share: a flood of refused strangers fills
//! its own and no other, one organisation's the share of that one. What finds no place is counted and dropped. The
//! request never waits.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::{FailedRequestReport, OrganizationId};
use domain::{
    Error,
    clock::Straightness,
    requests::{FailureClass, Requests},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::queues::Queues;

/// Time in which failures come together to be written at once.
const GATHER: Duration = Duration::from_millis(500);
/// Pause after the store failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Time between looks at what is too old.
const PURGE_EVERY: Duration = Duration::from_mins(1);
/// Failures written after which the store is purged at once.
const PURGE_AFTER: u32 = 1000;
/// Longest time spent at the end on what is under way and what still waits.
const LAST_WRITE_MAX: Duration = Duration::from_secs(5);

/// Takes failed requests and sees that they are kept.
pub(crate) struct Recorder {
    requests: Requests,
    straightness: Straightness,
    queues: Mutex<Queues>,
    wake: Notify,
    /// One writes at a time, so that whoever waits for it knows that all was written.
    writing: AsyncMutex<()>,
    /// Out of the queues, to be written right now.
    in_hand: AtomicUsize,
    is_dropping: AtomicBool,
    dropped: AtomicU64,
    /// The same by class, for the metrics; looked up once, as a flood drops as fast as it asks.
    dropped_of: [OnceLock<metrics::Counter>; FailureClass::ALL.len()],
    /// As many were dropped until the end of the last round.
    dropped_before: AtomicU64,
    is_failing: AtomicBool,
    unpurged: AtomicU32,
}

impl Recorder {
    pub(crate) fn new(requests: Requests) -> Self {
        Self {
            straightness: requests.straightness(),
            requests,
            queues: Mutex::default(),
            wake: Notify::new(),
            writing: AsyncMutex::default(),
            in_hand: AtomicUsize::new(0),
            is_dropping: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            dropped_of: Default::default(),
            dropped_before: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            unpurged: AtomicU32::new(0),
        }
    }

    /// Takes a failure of `class` of an organisation; `report` is asked only if it has a place.
    pub(crate) fn note(
        &self,
        class: FailureClass,
        organization: Option<OrganizationId>,
        report: impl FnOnce() -> FailedRequestReport,
    ) {
        if !self.requests.is_keeping() {
            return;
        }
        if !self.queues().of(class).has_place(class, organization) {
            return self.dropped(class);
        }
        let report = report();
        self.queues().of(class).push(report);
        self.wake.notify_one();
    }

    /// Writes what comes until `stop`, and then what still waits, if that does not take too long.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let too_late = async {
            stop.cancelled().await;
            sleep(LAST_WRITE_MAX).await;
        };
        // A batch that is broken off goes back into no queue: nobody would write it after this.
        tokio::select! { () = self.write_until(&stop) => {} () = too_late => {} }
        let left = self.left();
        if left > 0 {
            tracing::warn!(left, "failed requests of the last moment were not kept");
        }
    }

    async fn write_until(&self, stop: &CancellationToken) {
        let mut purges = interval(PURGE_EVERY);
        purges.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.wake.notified() => {
                    tokio::select! { () = sleep(GATHER) => {} () = stop.cancelled() => {} }
                    if !self.flush().await {
                        tokio::select! { () = sleep(PAUSE) => self.wake.notify_one(), () = stop.cancelled() => {} }
                    }
                }
                _ = purges.tick() => self.purge().await,
                () = stop.cancelled() => {}
            }
        }
        while self.queues().waiting() != [0; _] && self.flush().await {}
    }

    /// How many are not written yet, as far as is known: a write that was broken off may have been done.
    fn left(&self) -> usize {
        self.queues().waiting().iter().sum::<usize>() + self.in_hand.load(Ordering::Relaxed)
    }

    /// Writes what waits; `false` when the store failed, and then it still waits. What comes while it writes has its
    /// turn later: a flood would otherwise be written as fast as there are places, without an end.
    pub(crate) async fn flush(&self) -> bool {
        let _turn = self.writing.lock().await;
        let mut left = self.queues().waiting();
        loop {
            let batch = self.queues().take(&mut left);
            if batch.is_empty() {
                break;
            }
            self.in_hand.store(batch.len(), Ordering::Relaxed);
            let kept = self.requests.keep(&batch).await;
            self.in_hand.store(0, Ordering::Relaxed);
            if let Err(error) = kept {
                self.failed(&error, batch);
                return false;
            }
            let written = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            self.unpurged.fetch_add(written, Ordering::Relaxed);
        }
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!("failed requests are kept again");
        }
        self.end_round();
        if self.unpurged.load(Ordering::Relaxed) >= PURGE_AFTER {
            self.purge().await;
        }
        true
    }

    /// A flood is over after a whole round in which nothing was dropped: right after a write there always are places.
    fn end_round(&self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        let had_places = self.dropped_before.swap(dropped, Ordering::Relaxed) == dropped;
        if !self.is_dropping.load(Ordering::Relaxed) {
            return;
        }
        if had_places {
            self.is_dropping.store(false, Ordering::Relaxed);
            tracing::info!("failed requests have places again");
        } else {
            // Where nothing more comes, a round of nothing tells.
            self.wake.notify_one();
        }
    }

    /// Forgets what is too old or too much.
    pub(crate) async fn purge(&self) {
        self.unpurged.store(0, Ordering::Relaxed);
        let purged = if self.straightness.may_forget() {
            self.requests.purge().await
        } else {
            self.requests.purge_excess().await
        };
        match purged {
            Ok(0) => {}
            Ok(forgotten) => tracing::debug!(forgotten, "failed requests were forgotten"),
            Err(error) => tracing::warn!(%error, "old failed requests were not forgotten"),
        }
    }

    fn failed(&self, error: &Error, batch: Vec<FailedRequestReport>) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "failed requests can't be kept for now");
        }
        let mut lost = Vec::new();
        let mut queues = self.queues();
        for report in batch.into_iter().rev() {
            let class = FailureClass::of_report(&report);
            let queue = queues.of(class);
            if queue.has_place(class, report.organization_id) {
                queue.push_front(report);
            } else {
                lost.push(class);
            }
        }
        drop(queues);
        for class in lost {
            self.dropped(class);
        }
    }

    fn dropped(&self, class: FailureClass) {
        let count = self.dropped_of[class as usize]
            .get_or_init(|| metrics::counter!("callwright_failed_requests_dropped_total", "class" => class.name()));
        count.increment(1);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if !self.is_dropping.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                class = class.name(),
                "more requests fail than can be kept; callwright_failed_requests_dropped_total counts them"
            );
        }
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use async_trait::async_trait;
    use contract::{Code, FailedRequest, RequestId, Timestamp};
    use domain::{
        clock::ManualClock,
        ports::{StoreError, Stored},
        records::{Listing, Page, Scope},
        requests::{RequestBounds, RequestFilter, RequestStore},
    };
    use tokio::time::timeout;

    use super::{
        super::queues::{share_max, waiting_max},
        *,
    };

    /// Keeps what it is given, while it works.
    #[derive(Default)]
    struct Shelf {
        kept: Mutex<Vec<FailedRequestReport>>,
        is_broken: AtomicBool,
        purges: AtomicU32,
        /// How often it was given something.
        writes: AtomicU32,
        is_stuck: AtomicBool,
        meanwhile: Mutex<Option<Box<dyn Fn() + Send>>>,
    }

    const NOTHING: Listing<FailedRequestReport> = Listing {
        items: Vec::new(),
        total: 0,
    };

    #[async_trait]
    impl RequestStore for Shelf {
        async fn requests_add(&self, failed: &[FailedRequestReport]) -> Stored<()> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            if self.is_stuck.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.is_broken.load(Ordering::Relaxed) {
                return Err(StoreError {
                    doing: "requests_add",
                    source: "gone".into(),
                });
            }
            self.kept.lock().unwrap().extend_from_slice(failed);
            if let Some(happens) = &*self.meanwhile.lock().unwrap() {
                assert!(self.kept.lock().unwrap().len() < 10, "it never ends");
                happens();
            }
            Ok(())
        }

        async fn request_fetch(&self, _: Scope, _: RequestId) -> Stored<Option<FailedRequestReport>> {
            Ok(None)
        }

        async fn request_fetch_any(&self, _: RequestId) -> Stored<Option<FailedRequestReport>> {
            Ok(None)
        }

        async fn request_list(&self, _: Scope, _: &RequestFilter, _: Page) -> Stored<Listing<FailedRequestReport>> {
            Ok(NOTHING)
        }

        async fn request_list_any(
            &self,
            _: Option<OrganizationId>,
            _: &RequestFilter,
            _: Page,
        ) -> Stored<Listing<FailedRequestReport>> {
            Ok(NOTHING)
        }

        async fn requests_purge(&self, _: Timestamp, _: &RequestBounds) -> Stored<u64> {
            self.purges.fetch_add(1, Ordering::Relaxed);
            Ok(0)
        }
    }

    fn recorder() -> (Arc<Shelf>, Recorder) {
        let shelf = Arc::new(Shelf::default());
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
        let requests = Requests::new(shelf.clone(), clock, RequestBounds::default());
        (shelf, Recorder::new(requests))
    }

    fn note(recorder: &Recorder, status: u16, organization: Option<OrganizationId>) {
        let code = Code::ALL.iter().find(|code| code.status() == status).unwrap();
        recorder.note(FailureClass::of(*code, organization), organization, || {
            FailedRequestReport {
                request: FailedRequest {
                    id: RequestId::new(),
                    at: Timestamp::from_millis(0),
                    method: None,
                    route: None,
                    status,
                    code: code.name().to_owned(),
                    reason: String::new(),
                    duration_ms: 0,
                    client_request_id: None,
                    address: None,
                },
                organization_id: organization,
                cause: None,
                lines: Vec::new(),
                lines_omitted: 0,
            }
        });
    }

    fn statuses(shelf: &Shelf) -> Vec<u16> {
        let kept = shelf.kept.lock().unwrap();
        kept.iter().map(|report| report.request.status).collect()
    }

    #[tokio::test]
    async fn a_flood_of_strangers_fills_no_place_but_its_own() {
        let (shelf, recorder) = recorder();
        for _ in 0..10_000 {
            note(&recorder, 401, None);
        }
        note(&recorder, 404, Some(OrganizationId::new()));
        note(&recorder, 500, None);
        assert!(recorder.flush().await);
        let kept = statuses(&shelf);
        assert_eq!(kept[..2], [500, 404]);
        assert_eq!(kept.len(), 2 + waiting_max(FailureClass::Stranger));
    }

    #[tokio::test]
    async fn an_organisation_in_a_loop_fills_no_place_but_its_own() {
        let (shelf, recorder) = recorder();
        let (loud, quiet) = (OrganizationId::new(), OrganizationId::new());
        for status in [429, 502] {
            for _ in 0..10_000 {
                note(&recorder, status, Some(loud));
            }
            note(&recorder, status, Some(quiet));
        }
        note(&recorder, 500, None);
        assert!(recorder.flush().await);
        let of = |organization: Option<OrganizationId>| {
            let kept = shelf.kept.lock().unwrap();
            kept.iter()
                .filter(|report| report.organization_id == organization)
                .count()
        };
        let shares = share_max(FailureClass::Refused) + share_max(FailureClass::Broken);
        assert_eq!((of(Some(loud)), of(Some(quiet)), of(None)), (shares, 2, 1));
        note(&recorder, 429, Some(loud));
        assert!(recorder.flush().await);
        assert_eq!(of(Some(loud)), shares + 1, "what was written takes no place");
    }

    #[tokio::test]
    async fn what_comes_while_it_writes_is_not_written_at_once() {
        let (shelf, recorder) = recorder();
        let recorder = Arc::new(recorder);
        let again = Arc::downgrade(&recorder);
        *shelf.meanwhile.lock().unwrap() = Some(Box::new(move || note(&again.upgrade().unwrap(), 500, None)));
        note(&recorder, 500, None);
        for written in 1..=3 {
            assert!(recorder.flush().await);
            assert_eq!(statuses(&shelf).len(), written);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_forgotten_however_often_something_fails() {
        let (shelf, recorder) = recorder();
        let (recorder, stop) = (Arc::new(recorder), CancellationToken::new());
        let running = tokio::spawn({
            let (recorder, stop) = (recorder.clone(), stop.clone());
            async move { recorder.run(stop).await }
        });
        for _ in 0..20 {
            note(&recorder, 500, None);
            sleep(PURGE_EVERY / 4).await;
        }
        assert!(shelf.purges.load(Ordering::Relaxed) >= 4);
        stop.cancel();
        running.await.unwrap();
    }

    /// As many strangers as have no place, and one more.
    fn flood(recorder: &Recorder) {
        for _ in 0..=waiting_max(FailureClass::Stranger) {
            note(recorder, 401, None);
        }
    }

    #[tokio::test]
    async fn a_flood_is_over_after_a_whole_round_in_which_nothing_was_dropped() {
        let (_, recorder) = recorder();
        let is_dropping = || recorder.is_dropping.load(Ordering::Relaxed);
        for _ in 0..3 {
            flood(&recorder);
            assert!(recorder.flush().await && is_dropping());
        }
        note(&recorder, 401, None);
        assert!(recorder.flush().await && !is_dropping());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_flood_is_noticed_where_nothing_follows_and_costs_no_write() {
        let (shelf, recorder) = recorder();
        let (recorder, stop) = (Arc::new(recorder), CancellationToken::new());
        let running = tokio::spawn({
            let (recorder, stop) = (recorder.clone(), stop.clone());
            async move { recorder.run(stop).await }
        });
        flood(&recorder);
        sleep(GATHER * 4).await;
        assert!(!recorder.is_dropping.load(Ordering::Relaxed));
        assert_eq!(shelf.writes.load(Ordering::Relaxed), 1);
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_never_ends_holds_up_the_end_no_longer_than_any_other() {
        let (shelf, recorder) = recorder();
        let (recorder, stop) = (Arc::new(recorder), CancellationToken::new());
        shelf.is_stuck.store(true, Ordering::Relaxed);
        let running = tokio::spawn({
            let (recorder, stop) = (recorder.clone(), stop.clone());
            async move { recorder.run(stop).await }
        });
        note(&recorder, 500, None);
        sleep(GATHER * 2).await;
        note(&recorder, 500, None);
        stop.cancel();
        timeout(LAST_WRITE_MAX * 2, running).await.unwrap().unwrap();
        assert_eq!(recorder.left(), 2);
    }

    #[tokio::test]
    async fn what_a_broken_store_did_not_take_is_offered_again_in_its_order() {
        let (shelf, recorder) = recorder();
        shelf.is_broken.store(true, Ordering::Relaxed);
        for status in [500, 502, 500] {
            note(&recorder, status, None);
            assert!(!recorder.flush().await);
        }
        shelf.is_broken.store(false, Ordering::Relaxed);
        assert!(recorder.flush().await);
        assert_eq!(statuses(&shelf), [500, 502, 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_writes_by_itself_forgets_by_itself_and_ends_with_nothing_left() {
        let (shelf, recorder) = recorder();
        let (recorder, stop) = (Arc::new(recorder), CancellationToken::new());
        let running = tokio::spawn({
            let (recorder, stop) = (recorder.clone(), stop.clone());
            async move { recorder.run(stop).await }
        });
        note(&recorder, 500, None);
        sleep(GATHER * 2).await;
        assert_eq!(statuses(&shelf), [500]);
        sleep(PURGE_EVERY * 2).await;
        assert!(shelf.purges.load(Ordering::Relaxed) >= 1);
        shelf.is_broken.store(true, Ordering::Relaxed);
        note(&recorder, 502, None);
        sleep(PAUSE / 2).await;
        shelf.is_broken.store(false, Ordering::Relaxed);
        sleep(PAUSE * 2).await;
        assert_eq!(statuses(&shelf), [500, 502]);
        note(&recorder, 500, None);
        stop.cancel();
        running.await.unwrap();
        assert_eq!(statuses(&shelf), [500, 502, 500]);
    }

    #[tokio::test]
    async fn many_failures_are_followed_by_a_purge() {
        let (shelf, recorder) = recorder();
        for _ in 0..=PURGE_AFTER {
            note(&recorder, 500, None);
        }
        assert!(recorder.flush().await);
        assert_eq!(shelf.purges.load(Ordering::Relaxed), 1);
    }
}
