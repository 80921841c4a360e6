//! Request counters that all nodes share, in Redis or anything that speaks as it does.
//!
//! A request costs one round trip: a script checks every window and counts only if all have room, by the server's
//! clock. When the server is away or slow, this node counts by itself and asks again in the background: no request
//! waits for a server that is known to be away, and none fails because of it.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use contract::Timestamp;
use domain::{
    limits::{LimitCounters, MemoryCounters, Span, Subject, Tally, Window},
    ports::Clock,
};
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, Script, aio::MultiplexedConnection};
use tokio::{sync::watch, time::timeout};

/// Longest wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Time between attempts to reach a server that is away: it doubles from the first to the last.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// How the counters are reached.
#[derive(Clone)]
pub struct RedisLimitsSetup {
    /// `redis://…`, or `rediss://…` with TLS. May hold a password.
    pub url: String,
    /// What every key begins with.
    pub prefix: String,
    /// Longest wait for an answer.
    pub patience: Duration,
}

impl fmt::Debug for RedisLimitsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisLimitsSetup");
        shown.field("prefix", &self.prefix).field("patience", &self.patience);
        shown.finish_non_exhaustive()
    }
}

/// Counters in Redis, with counters of this process to fall back on.
pub struct RedisCounters(Arc<Inner>);

struct Inner {
    client: Client,
    setup: RedisLimitsSetup,
    script: Script,
    link: RwLock<Link>,
    alone: MemoryCounters,
    /// Whether counters are shared at present.
    shared: watch::Sender<bool>,
}

/// The connection, if there is one that works. The number tells apart connections: one that broke must not take a
/// newer one with it.
struct Link {
    connection: Option<MultiplexedConnection>,
    number: u64,
}

impl RedisCounters {
    /// Counters at this address. A server that is away now is not an error: it is asked again. A text that is no
    /// address is one.
    pub async fn open(setup: RedisLimitsSetup, clock: Arc<dyn Clock>) -> Result<Self, RedisError> {
        let inner = Arc::new(Inner {
            client: Client::open(setup.url.as_str())?,
            setup,
            script: Script::new(include_str!("redis_limits.lua")),
            link: RwLock::new(Link {
                connection: None,
                number: 0,
            }),
            alone: MemoryCounters::new(clock),
            shared: watch::Sender::new(false),
        });
        match inner.connect().await {
            Ok(connection) => inner.join(connection),
            Err(error) => inner.leave(&error),
        }
        Ok(Self(inner))
    }

    /// Whether counters are shared at present; changes whenever the server goes away or comes back.
    pub fn shared(&self) -> watch::Receiver<bool> {
        self.0.shared.subscribe()
    }
}

#[async_trait]
impl LimitCounters for RedisCounters {
    async fn take(&self, windows: &[Window]) -> Tally {
        let inner = &self.0;
        let (connection, number) = inner.link();
        let Some(mut connection) = connection else {
            return inner.alone.take(windows).await;
        };
        match inner.ask(&mut connection, windows).await {
            Ok(tally) => tally,
            Err(error) => {
                inner.lose(number, &error);
                inner.alone.take(windows).await
            }
        }
    }
}

impl Inner {
    fn link(&self) -> (Option<MultiplexedConnection>, u64) {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        (link.connection.clone(), link.number)
    }

    async fn ask(&self, connection: &mut MultiplexedConnection, windows: &[Window]) -> Result<Tally, RedisError> {
        let mut subjects = Vec::<Subject>::with_capacity(2);
        let mut invocation = self.script.prepare_invoke();
        for window in windows {
            let known = subjects.iter().position(|subject| *subject == window.subject);
            let index = known.unwrap_or_else(|| {
                subjects.push(window.subject);
                invocation.key(key(&self.setup.prefix, window.subject));
                subjects.len() - 1
            });
            invocation.arg(index + 1).arg(window.span.seconds()).arg(window.limit);
        }
        let asked = timeout(self.setup.patience, invocation.invoke_async::<Vec<i64>>(connection));
        let answer = asked.await.map_err(|_| slow())??;
        tally(&answer, windows.len())
    }

    /// A connection over which a count was made, so that a server that only reads does not pass for one that works.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        // Each wait is bounded where it is made.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_PATIENCE))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(CONNECT_PATIENCE, connecting).await.map_err(|_| slow())??;
        let probe = Window {
            subject: Subject::Address([0, 0, 0, 0].into()),
            span: Span::Minute,
            limit: u32::MAX,
        };
        self.ask(&mut connection, &[probe]).await?;
        Ok(connection)
    }

    fn join(&self, connection: MultiplexedConnection) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        link.connection = Some(connection);
        link.number += 1;
        drop(link);
        metrics::gauge!("callwright_limits_shared").set(1.0);
        tracing::info!("requests are counted together with the other nodes");
        self.shared.send_replace(true);
    }

    /// Gives a connection up, once, however many requests found it broken.
    fn lose(self: &Arc<Self>, number: u64, error: &RedisError) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let is_current = link.number == number && link.connection.take().is_some();
        drop(link);
        if is_current {
            self.leave(error);
        }
    }

    /// Says that this node is alone, and looks for the server from now on.
    fn leave(self: &Arc<Self>, error: &RedisError) {
        metrics::gauge!("callwright_limits_shared").set(0.0);
        metrics::counter!("callwright_limits_alone_total").increment(1);
        tracing::warn!(%error, "Redis does not answer: requests are counted by this node alone until it does");
        self.shared.send_replace(false);
        tokio::spawn(search(Arc::downgrade(self)));
    }
}

/// Tries until the server is there or nobody needs it.
async fn search(counters: Weak<Inner>) {
    let mut pause = RETRY_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        let Some(counters) = counters.upgrade() else { return };
        match counters.connect().await {
            Ok(connection) => return counters.join(connection),
            Err(error) => tracing::debug!(%error, "Redis is still away"),
        }
        pause = (pause * 2).min(RETRY_LAST);
    }
}

fn slow() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer in time"))
}

/// Subjects that are counted together carry the same part in braces, by which a cluster would keep them together.
fn key(prefix: &str, subject: Subject) -> String {
    match subject {
        Subject::Organization(organization) => format!("{prefix}{{{organization}}}:organization"),
        Subject::Caller(organization, caller) => format!("{prefix}{{{organization}}}:caller:{caller}"),
        Subject::Address(address) => format!("{prefix}{{{address}}}:address"),
    }
}

fn tally(answer: &[i64], windows: usize) -> Result<Tally, RedisError> {
    match answer {
        [admitted, at, used @ ..] if used.len() == windows => Ok(Tally {
            admitted: *admitted == 1,
            at: Timestamp::from_millis(*at),
            used: used
                .iter()
                .map(|used| u32::try_from(*used).unwrap_or(u32::MAX))
                .collect(),
        }),
        _ => Err(RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "an answer of another form",
        ))),
    }
}
