//! Waiting that costs nothing where nothing is waited for.
//!
//! A connection is asked again with every piece of work that it has, and each time it asks all that it waits for: its
//! signals, which lock what all connections share, and its deadline, which takes its place among all timers and gives it
//! back with every request. And a timer is large, so what holds one in case it has to wait is slow to make and to move;
//! most requests never wait.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use hyper::rt::{Sleep, Timer};
use tokio::task::coop::unconstrained;

/// Waits so long and no longer. The time begins when there is something to wait for.
pub(crate) async fn within<T>(patience: Duration, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Late> {
    let mut over = None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        // Whatever turns the work has used up, the time is looked at.
        let over = over.get_or_insert_with(|| Box::pin(unconstrained(tokio::time::sleep(patience))));
        over.as_mut().poll(cx).map(|()| Err(Late))
    })
    .await
}

/// It took longer than there was patience.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Late;

/// A future that is asked again only after it has called.
pub(crate) struct Called<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future> Called<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            // It has to be asked once before it can call.
            has_rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }
}

impl<F: Future> Future for Called<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Before the look, so that a call between the two is not missed.
        this.bell.task.register(cx.waker());
        if !this.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

/// Tells the time to one connection, whose waits follow each other. They share one place among the timers of the
/// runtime, which is for the earliest of them that it was taken for and moves only once that has come.
#[derive(Clone, Default)]
pub(crate) struct OneTimer(Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>);

struct Wait {
    deadline: Instant,
    timer: OneTimer,
}

impl Timer for OneTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait {
            deadline,
            timer: self.clone(),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        let mut place = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if place.deadline() > deadline {
            place.as_mut().reset(deadline);
        }
        loop {
            ready!(place.as_mut().poll(cx));
            if place.deadline() >= deadline {
                return Poll::Ready(());
            }
            place.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn who_has_not_called_is_not_asked_and_who_has_is() {
        let (signal, mut asked) = (CancellationToken::new(), 0);
        let waited = Arc::new(Mutex::new(0));
        let count = Arc::clone(&waited);
        let mut signalled = Box::pin(signal.cancelled());
        let mut called = Called::new(std::future::poll_fn(move |cx| {
            *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            signalled.as_mut().poll(cx)
        }));
        let times = || *waited.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::poll_fn(|cx| {
            asked += 1;
            cx.waker().wake_by_ref();
            assert!(called.poll_unpin(cx).is_pending());
            if asked < 5 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert_eq!(times(), 1);
        let late = signal.clone();
        tokio::spawn(async move { late.cancel() });
        called.await;
        assert_eq!(times(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_in_time_is_done_and_what_is_not_is_late() {
        let patience = Duration::from_secs(3);
        assert_eq!(within(patience, pin!(async { 1 })).await, Ok(1));
        let after = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        assert_eq!(within(patience, pin!(after(2))).await, Ok(()));
        let began = tokio::time::Instant::now();
        assert_eq!(within(patience, pin!(after(4))).await, Err(Late));
        assert_eq!(began.elapsed(), patience);
        let room = size_of_val(&within(patience, pin!(async {})));
        assert!(room < size_of::<tokio::time::Sleep>(), "a timer is carried along");
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_in_time_whatever_was_waited_for_before() {
        let timer = OneTimer::default();
        let start = timer.now();
        let after = |seconds| timer.sleep_until(start + Duration::from_secs(seconds));
        let now = || timer.now().duration_since(start).as_secs();
        // Given up before it was over, as a head that came is.
        assert!(after(10).now_or_never().is_none());
        // Later than what the place was taken for, then earlier.
        after(12).await;
        assert_eq!(now(), 12);
        assert!(after(30).now_or_never().is_none());
        after(14).await;
        assert_eq!(now(), 14);
        after(13).await;
        assert_eq!(now(), 14);
        after(31).await;
        assert_eq!(now(), 31);
    }
}
