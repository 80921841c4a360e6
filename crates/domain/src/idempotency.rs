//! Requests that may be sent again: one effect for each `Idempotency-Key`, and one answer.
//!
//! A key is claimed before the work begins. The effect and its answer are stored in one transaction, which fails when
//! the claim is gone; so two requests with the same key can't both have their effect, whatever dies when. The
//! arbiter is the database, so this holds across processes.

use std::{sync::Arc, time::Duration};

use contract::{RequestId, Timestamp};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    Error,
    change::{Answer, Ticket},
    ports::{Clock, Store},
    records::{KeyClaim, KeyedRequest, Scope},
};

/// How long a key means the same request.
const KEPT: Duration = Duration::from_hours(24);
/// Between looks at a request that is still running: first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// Keys forgotten in one transaction, and transactions of one purge.
const PURGE: (u32, usize) = (500, 200);

/// A request with a key.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose.
    pub scope: Scope,
    /// Method and path template.
    pub route: String,
    /// As the client chose it.
    pub key: String,
    /// By [`hash`], of all that makes the request what it is.
    pub hash: [u8; 32],
    /// Its id.
    pub request: RequestId,
}

/// What is to become of it.
#[derive(Debug)]
pub enum Admission {
    /// It is the one to have the effect.
    Go(Ticket),
    /// It was answered before, in that request.
    Replay(Answer, RequestId),
    /// The key means another request.
    Reused,
    /// The one to have the effect is still running.
    Running,
}

/// Use cases of keyed requests.
#[derive(Clone)]
pub struct Idempotency {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Idempotency {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Decides about a request, waiting up to `patience` for one with the same key that is still running. A request
    /// that goes on counts as cut off after `lease`.
    pub async fn admit(&self, asked: &Asked, lease: Duration, patience: Duration) -> Result<Admission, Error> {
        let until = Instant::now() + patience;
        let mut pause = PAUSES.0;
        loop {
            if let Some(admission) = self.look(asked, lease).await? {
                return Ok(admission);
            }
            if Instant::now() + pause > until {
                return Ok(Admission::Running);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Whether the key stands for a request already.
    pub async fn is_known(&self, scope: Scope, route: &str, key: &str) -> Result<bool, Error> {
        let fresh_after = moved(self.clock.now(), -millis(KEPT));
        let found = self.store.idempotency_find(scope, route, key).await?;
        Ok(found.is_some_and(|found| found.created_at > fresh_after))
    }

    /// `None` while another request with the key is running.
    async fn look(&self, asked: &Asked, lease: Duration) -> Result<Option<Admission>, Error> {
        let now = self.clock.now();
        let fresh_after = moved(now, -millis(KEPT));
        let found = self
            .store
            .idempotency_find(asked.scope, &asked.route, &asked.key)
            .await?;
        match found.filter(|found| found.created_at > fresh_after) {
            Some(found) if found.hash != asked.hash => return Ok(Some(Admission::Reused)),
            Some(KeyedRequest {
                answer: Some(answer),
                request,
                ..
            }) => return Ok(Some(Admission::Replay(answer, request))),
            Some(found) if is_running(&found, now, lease) => return Ok(None),
            Some(_) | None => {}
        }
        let request = KeyedRequest {
            route: asked.route.clone(),
            key: asked.key.clone(),
            hash: asked.hash,
            claim: Uuid::now_v7(),
            request: asked.request,
            created_at: now,
            lease_until: moved(now, millis(lease)),
            answer: None,
        };
        let claim = self.store.idempotency_claim(asked.scope, &request, fresh_after).await?;
        Ok(match claim {
            KeyClaim::Ours(made_before) => Some(Admission::Go(Ticket::new(asked.scope, request.claim, made_before))),
            KeyClaim::Taken => None,
        })
    }

    /// Keeps an answer that did not go into the effect's transaction.
    pub async fn answered(&self, ticket: &Ticket, answer: &Answer) -> Result<(), Error> {
        Ok(self
            .store
            .idempotency_answer(ticket.scope(), ticket.claim(), answer)
            .await?)
    }

    /// The request failed in a way that the next one with the key need not share.
    pub async fn released(&self, ticket: &Ticket) -> Result<(), Error> {
        Ok(self.store.idempotency_release(ticket.scope(), ticket.claim()).await?)
    }

    /// The request was cut off. If it had made something by then, the next one with the key is told of that.
    pub async fn abandoned(&self, ticket: &Ticket) -> Result<(), Error> {
        Ok(self.store.idempotency_abandon(ticket.scope(), ticket.claim()).await?)
    }

    /// Forgets keys whose time is over, a bounded number; how many.
    pub async fn purge(&self) -> Result<u64, Error> {
        let (batch, batches) = PURGE;
        let before = moved(self.clock.now(), -millis(KEPT));
        let mut purged = 0;
        for _ in 0..batches {
            let done = self.store.idempotency_purge(before, batch).await?;
            purged += done;
            if done < u64::from(batch) {
                break;
            }
        }
        Ok(purged)
    }
}

/// Whether a claim is somebody's who may still be at work. One whose end is further away than any that is made now comes
/// from a clock that was ahead; twice as far is what clocks of several nodes may differ by.
fn is_running(found: &KeyedRequest, now: Timestamp, lease: Duration) -> bool {
    found.lease_until > now && found.lease_until <= moved(now, millis(lease * 2))
}

/// Of the parts of a request, in their order; where one ends and the next begins counts too.
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(by))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
