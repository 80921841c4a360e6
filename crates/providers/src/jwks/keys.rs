//! When keys are fetched.
//!
//! - The first token, or a warm-up before it, fetches them. Until there are keys, nothing can be said of a token.
//! - Keys are good for as long as the issuer's `max-age` says, at least a minute and at most the configured time. Then
//!   the next token starts a fetch beside itself and is still checked with the old ones; once they are twice as old,
//!   tokens wait for it.
//! - A token that names an unknown key, or that no known key fits, waits for a fetch: the issuer may have made a new
//!   one, under an old name or none.
//! - One fetch runs at a time, and after one was begun none is for ten seconds, whoever asks: strangers who make up
//!   names of keys can't turn us against the issuer.
//! - A fetch that fails changes nothing: old keys stay, however long the issuer is away.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contract::{ProviderKind, Timestamp};
use domain::{
    ProviderFailure, ProviderFault,
    ports::Clock,
    tokens::{TokenError, TokenRefusal},
};

use super::{
    fetch::Source,
    set::{Key, KeySet},
    token::Algorithm,
};

/// Shortest time between two fetches.
const BETWEEN_FETCHES: Duration = Duration::from_secs(10);

/// Shortest time that keys are good, whatever the issuer says.
const GOOD_FOR_MIN: Duration = Duration::from_mins(1);

/// An issuer's keys, kept.
pub(super) struct Keys {
    source: Source,
    refresh: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by the one who fetches.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// When the last fetch began.
    asked_at: Option<Timestamp>,
    /// How the last fetch failed, if it did.
    failed: Option<ProviderFault>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<KeySet>,
    since: Timestamp,
    good_for: Duration,
}

/// How old keys are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Due,
    Old,
}

impl Keys {
    pub(super) fn new(source: Source, refresh: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            refresh: refresh.max(GOOD_FOR_MIN),
            clock,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The key that a token names.
    pub(super) async fn find(self: &Arc<Self>, kid: Option<&str>, algorithm: Algorithm) -> Result<Key, TokenError> {
        let known = self.known();
        let is_named = known.as_ref().is_some_and(|known| known.keys.names(kid));
        match known.as_ref().map(|known| self.age(known)) {
            Some(Age::Fresh) if is_named => {}
            Some(Age::Due) if is_named => self.refresh_beside(),
            _ => {
                self.refresh().await;
            }
        }
        let (known, failed) = {
            let state = self.state();
            (state.known.clone(), state.failed)
        };
        let Some(known) = known else {
            return Err(unavailable(failed));
        };
        if let Some(key) = known.keys.find(kid, algorithm) {
            return Ok(key.clone());
        }
        match failed {
            // The issuer may have made a new key, and can't be asked.
            Some(fault) if !known.keys.names(kid) => Err(unavailable(Some(fault))),
            _ => Err(TokenRefusal::Invalid("the issuer has no such key for this algorithm").into()),
        }
    }

    /// Fetches, unless somebody did just now. Who comes while another fetches waits for what they get. Whether there
    /// are other keys than before.
    pub(super) async fn refresh(&self) -> bool {
        let before = self.known();
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        if self.state().asked_at.is_none_or(|at| apart(at, now) >= BETWEEN_FETCHES) {
            self.fetch(now).await;
        }
        let is_same = |before: Known, after: Known| Arc::ptr_eq(&before.keys, &after.keys);
        !before
            .zip(self.known())
            .is_some_and(|(before, after)| is_same(before, after))
    }

    async fn fetch(&self, now: Timestamp) {
        self.state().asked_at = Some(now);
        let fetched = self.source.fetch().await;
        let mut state = self.state();
        match fetched {
            Ok(fetched) => {
                state.failed = None;
                state.known = Some(Known {
                    keys: Arc::new(fetched.keys),
                    since: now,
                    good_for: fetched
                        .max_age
                        .unwrap_or(self.refresh)
                        .clamp(GOOD_FOR_MIN, self.refresh),
                });
            }
            Err(failure) => {
                let kept = state.known.is_some();
                tracing::warn!(%failure, kept, "the issuer's keys could not be fetched");
                state.failed = Some(failure.fault);
            }
        }
    }

    fn refresh_beside(self: &Arc<Self>) {
        // Held by somebody: a fetch is under way.
        if self.turn.try_lock().is_ok() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.refresh().await });
        }
    }

    fn age(&self, known: &Known) -> Age {
        let age = apart(known.since, self.clock.now());
        if age < known.good_for {
            Age::Fresh
        } else if age < known.good_for * 2 {
            Age::Due
        } else {
            Age::Old
        }
    }

    fn known(&self) -> Option<Known> {
        self.state().known.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back makes keys old, not young for ever.
fn apart(a: Timestamp, b: Timestamp) -> Duration {
    Duration::from_millis(a.millis().abs_diff(b.millis()))
}

fn unavailable(fault: Option<ProviderFault>) -> TokenError {
    let fault = fault.unwrap_or(ProviderFault::Unreachable);
    let mut failure = ProviderFailure::new("identity", ProviderKind::Web, "keys_fetch", fault);
    failure.retryable = true;
    failure.retry_after_seconds = Some(BETWEEN_FETCHES.as_secs());
    TokenError::Unavailable(Box::new(failure))
}
