//! Engines on blocking threads: as many as were made, one job each, others wait.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// No job: what an engine's ticket says once its caller went away.
const NOBODY: u64 = 0;

/// Tells a running engine whether anybody still wants the result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ticket(Arc<AtomicU64>);

impl Ticket {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOBODY
    }
}

/// Why a job gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the engine stopped in the middle of a job")]
    Stopped,
    #[error("the caller went away")]
    Cancelled,
}

/// Equal engines, handed out one job at a time.
pub(crate) struct Pool<T> {
    idle: Mutex<Vec<Engine<T>>>,
    places: Arc<Semaphore>,
    jobs: AtomicU64,
}

struct Engine<T> {
    engine: T,
    ticket: Ticket,
}

impl<T: Send + 'static> Pool<T> {
    pub(crate) fn new<E>(count: usize, mut make: impl FnMut(Ticket) -> Result<T, E>) -> Result<Arc<Self>, E> {
        let engines = (0..count.max(1))
            .map(|_| {
                let ticket = Ticket::default();
                Ok(Engine {
                    engine: make(ticket.clone())?,
                    ticket,
                })
            })
            .collect::<Result<Vec<_>, E>>()?;
        let places = Arc::new(Semaphore::new(engines.len()));
        Ok(Arc::new(Self {
            idle: Mutex::new(engines),
            places,
            jobs: AtomicU64::new(NOBODY + 1),
        }))
    }

    /// Waits for an engine and lets it work. Dropping the future gives the place back, at once while waiting, and
    /// as soon as the engine looks at its ticket while it works.
    pub(crate) async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut T, &Ticket) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let permit = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| EngineError::Stopped)?;
        let mut lease = self.lease(permit)?;
        let _cancel = CancelOnDrop {
            job: lease.job,
            ticket: lease.engine()?.ticket.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let Engine { engine, ticket } = lease.engine()?;
            if ticket.is_cancelled() {
                Err(EngineError::Cancelled)
            } else {
                Ok(work(engine, ticket))
            }
        })
        .await
        .map_err(|_| EngineError::Stopped)?
    }

    fn lease(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease<T>, EngineError> {
        let job = self.jobs.fetch_add(1, Ordering::Relaxed);
        // There is one engine per permit, and a lease returns the engine before its permit.
        let engine = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .ok_or(EngineError::Stopped)?;
        engine.ticket.0.store(job, Ordering::Relaxed);
        Ok(Lease {
            engine: Some(engine),
            job,
            pool: Arc::clone(self),
            _permit: permit,
        })
    }
}

/// An engine at work; goes back to the pool even when the work panics.
struct Lease<T> {
    engine: Option<Engine<T>>,
    job: u64,
    pool: Arc<Pool<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> Lease<T> {
    fn engine(&mut self) -> Result<&mut Engine<T>, EngineError> {
        self.engine.as_mut().ok_or(EngineError::Stopped)
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.engine.take());
    }
}

/// Takes the ticket away from its own job only: the engine may have begun the next one.
struct CancelOnDrop {
    job: u64,
    ticket: Ticket,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let _already_over = self
            .ticket
            .0
            .compare_exchange(self.job, NOBODY, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{convert::Infallible, sync::mpsc};

    use super::*;

    fn pool(count: usize) -> Arc<Pool<()>> {
        Pool::new(count, |_| Ok::<_, Infallible>(())).unwrap()
    }

    #[tokio::test]
    async fn a_dropped_caller_cancels_the_running_job_and_frees_the_engine() {
        let pool = pool(1);
        let (started, has_started) = mpsc::channel();
        let job = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                pool.run(move |(), ticket| {
                    started.send(()).unwrap();
                    while !ticket.is_cancelled() {
                        std::thread::yield_now();
                    }
                })
                .await
            })
        };
        tokio::task::spawn_blocking(move || has_started.recv().unwrap())
            .await
            .unwrap();
        job.abort();
        assert_eq!(pool.run(|(), _| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_engine_survives_a_job_that_panics() {
        let pool = pool(1);
        let outcome = pool.run(|(), _| panic!("on purpose")).await;
        assert!(matches!(outcome, Err::<(), _>(EngineError::Stopped)));
        assert_eq!(pool.run(|(), _| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn two_engines_work_at_once() {
        let pool = pool(2);
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let job = || {
            let barrier = Arc::clone(&barrier);
            pool.run(move |(), _| barrier.wait().is_leader())
        };
        let (one, other) = tokio::join!(job(), job());
        assert!(one.unwrap() != other.unwrap());
    }
}
