//! What the routes stand on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use contract::OrganizationId;
use domain::{
    agents::Agents,
    audit::Audit,
    billing::{Billing, BillingEvents},
    calls::Calls,
    idempotency::Idempotency,
    keys::Keys,
    limits::{GrantedLimits, LimitCounters},
    organizations::Organizations,
    places::Places,
    ports::Clock,
    requests::Requests,
    telephony::Telephony,
    voices::Voices,
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    ApiConfig,
    limits::{Attempts, Load, RateLimiter, Refusals},
    support::Recorder,
};

/// Tells whether the program can do its work; the text says what is missing.
pub type ReadyProbe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Gives the metrics as text, in Prometheus' form.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// The parts an [`App`] is built from.
pub struct AppParts {
    /// Limits and deadlines.
    pub config: ApiConfig,
    /// The time of answers and of rate limits.
    pub clock: Arc<dyn Clock>,
    /// Where requests are counted.
    pub counters: Arc<dyn LimitCounters>,
    /// Limits of single organisations.
    pub granted: GrantedLimits,
    /// Who may ask.
    pub keys: Keys,
    /// Organisations and their members.
    pub organizations: Organizations,
    /// Agents.
    pub agents: Agents,
    /// Voices.
    pub voices: Voices,
    /// Trunks and numbers.
    pub telephony: Telephony,
    /// Calls.
    pub calls: Calls,
    /// Money.
    pub billing: Billing,
    /// What reads a payment provider's events, where one is configured.
    pub billing_events: Option<Arc<dyn BillingEvents>>,
    /// Requests that failed.
    pub requests: Requests,
    /// Who changed what.
    pub audit: Audit,
    /// Requests that may be sent again.
    pub idempotency: Idempotency,
    /// For `/health/ready`.
    pub ready: ReadyProbe,
    /// For `/metrics`.
    pub metrics: MetricsText,
}

/// All that handlers need; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: AppParts,
    limiter: RateLimiter,
    attempts: Attempts,
    load: Load,
    refusals: Refusals,
    streams: Places<OrganizationId>,
    recorder: Recorder,
    stopping: AtomicBool,
    stop: CancellationToken,
}

impl App {
    /// An application of these parts.
    pub fn new(parts: AppParts) -> Self {
        let limiter = RateLimiter::new(&parts.config.rate_limit, Arc::clone(&parts.counters));
        let attempts = Attempts::new(&parts.config.rate_limit, Arc::clone(&parts.counters));
        let load = Load::new(&parts.config);
        let recorder = Recorder::new(parts.requests.clone());
        let (stopping, stop) = (AtomicBool::new(false), CancellationToken::new());
        Self(Arc::new(Inner {
            parts,
            limiter,
            attempts,
            load,
            refusals: Refusals::default(),
            streams: Places::default(),
            recorder,
            stopping,
            stop,
        }))
    }

    /// From now on new requests are refused with `overload` and event streams end.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.stop.cancel();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::SeqCst)
    }

    /// Cancelled when the server stops; streams listen to it.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.0.parts.config
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.parts.clock
    }

    pub(crate) fn parts(&self) -> &AppParts {
        &self.0.parts
    }

    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.0.limiter
    }

    /// Event streams that organisations hold.
    pub(crate) fn streams(&self) -> &Places<OrganizationId> {
        &self.0.streams
    }

    pub(crate) fn load(&self) -> &Load {
        &self.0.load
    }

    /// Counts what limits refuse.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Takes failed requests, to be kept.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Writes failed requests that wait to be kept, now; `false` when the store failed. For tests, which don't wait.
    pub async fn failed_requests_write(&self) -> bool {
        self.0.recorder.flush().await
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }
}

macro_rules! services {
    ($($name:ident: $type:ty),+) => {
        impl App {
            $(pub(crate) fn $name(&self) -> &$type { &self.0.parts.$name })+
        }
    };
}

services!(granted: GrantedLimits, keys: Keys, organizations: Organizations, agents: Agents, voices: Voices, telephony: Telephony, calls: Calls, billing: Billing, requests: Requests, audit: Audit, idempotency: Idempotency);
