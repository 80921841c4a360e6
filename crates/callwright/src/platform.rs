//! The platform as a whole: opened, started and stopped.

use std::{fs::File, net::SocketAddr, os::unix::fs::DirBuilderExt, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use api::{App, AppParts};
use domain::{
    agents::{Agents, ModelNames},
    audit::Audit,
    billing::{Billing, BillingEvents},
    calls::{Calls, CallsSetup, NodeKeeper},
    clock::{Straightness, SystemClock},
    idempotency::Idempotency,
    keys::Keys,
    limits::{GrantedLimits, LimitCounters, MemoryCounters},
    organizations::Organizations,
    ports::{Clock, Services},
    requests::Requests,
    telephony::Telephony,
    voices::Voices,
};
use metrics_exporter_prometheus::PrometheusHandle;
use providers::{JwtVerifier, Stripe};
use store::{
    DatabaseAddress, SqlStore,
    recordings::FileRecordings,
    redis_limits::{RedisCounters, RedisLimitsSetup},
};
use telephony::{
    rtp_socket::PortRange,
    sip::SipConfig,
    switchboard::{Switchboard, SwitchboardConfig},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, services};

/// Between purges of what is kept for a time only.
const PURGE_EVERY: Duration = Duration::from_mins(10);

/// Between looks at events of payment providers that wait.
const EVENTS_EVERY: Duration = Duration::from_mins(1);

/// Longest wait for live calls at the end.
const CALLS_PATIENCE: Duration = Duration::from_secs(8);
/// Longest wait for endings of calls that the database did not take yet.
const ENDINGS_PATIENCE: Duration = Duration::from_secs(3);

/// Opens the database, brought to this version.
pub(crate) async fn open_store(config: &Config) -> Result<Arc<SqlStore>> {
    make_data_folder(config)?;
    let address = config.database()?;
    let store = SqlStore::open(&address, &config.data).await;
    Ok(Arc::new(
        store.with_context(|| format!("the database {address} can't be opened"))?,
    ))
}

/// As [`open_store`], where it must be there already: what asks or changes must not answer from an empty database that
/// a wrong path just made.
pub(crate) async fn open_present_store(config: &Config) -> Result<Arc<SqlStore>> {
    if let DatabaseAddress::Sqlite(file) = config.database()?
        && !file.is_file()
    {
        bail!(
            "there is no database at {}; name the folder that it lies in with --data, or make one with \
             `callwright admin create-org`",
            file.display()
        );
    }
    open_store(config).await
}

/// Makes a data folder that only its owner can look into: transcripts and phone numbers lie in it.
pub(crate) fn make_data_folder(config: &Config) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data)
        .with_context(|| format!("the data folder {} can't be made", config.data.display()))
}

/// Keeps a second platform off a data folder: it would take the calls of the first for lost ones.
pub(crate) fn lock(config: &Config) -> Result<File> {
    make_data_folder(config)?;
    let path = config.data.join("callwright.lock");
    let open = File::options().create(true).truncate(false).write(true).open(&path);
    let file = open.with_context(|| format!("{} can't be opened", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!(
            "another callwright runs on the data folder {}; stop it, or choose another with --data",
            config.data.display()
        ),
    }
}

/// Organisations and keys on that store.
pub(crate) fn keys(store: &Arc<SqlStore>) -> Keys {
    Keys::new(store.clone(), Arc::new(SystemClock))
}

/// Limits of single organisations on that store.
pub(crate) fn granted(store: &Arc<SqlStore>) -> GrantedLimits {
    GrantedLimits::new(store.clone(), Arc::new(SystemClock))
}

/// Failed requests on that store.
pub(crate) fn requests(store: &Arc<SqlStore>, config: &Config) -> Requests {
    Requests::new(store.clone(), Arc::new(SystemClock), config.support.bounds())
}

/// Organisations and members on that store.
pub(crate) fn organizations(store: &Arc<SqlStore>) -> Organizations {
    Organizations::new(store.clone(), Arc::new(SystemClock))
}

/// Keys that let people in by tokens too, where an issuer is configured.
fn let_people_in(keys: Keys, config: &Config, clock: &Arc<dyn Clock>) -> Result<Keys> {
    let Some(settings) = config.auth.jwt.verifier() else {
        return Ok(keys);
    };
    let verifier = JwtVerifier::new(settings, clock.clone())?;
    let warmed = verifier.clone();
    // An issuer that is away must not keep the platform from starting.
    tokio::spawn(async move { warmed.warm_up().await });
    Ok(keys.with_tokens(Arc::new(verifier)))
}

/// A running platform.
pub(crate) struct Platform {
    #[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only the demo asks for it"))]
    pub(crate) api_addr: SocketAddr,
    #[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only the demo asks for it"))]
    pub(crate) sip_addr: SocketAddr,
    /// Speech and thought, for callers of our own.
    #[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only the demo asks for it"))]
    pub(crate) services: Services,
    switchboard: Switchboard,
    calls: Calls,
    store: Arc<SqlStore>,
    app: App,
    stop: CancellationToken,
    server: JoinHandle<()>,
    keeper: JoinHandle<()>,
    /// Released when the platform is dropped.
    _lock: File,
}

impl Platform {
    /// Binds the ports, loads the models, mends what a crash left, and takes calls and requests from then on.
    pub(crate) async fn start(config: &Config, metrics: PrometheusHandle) -> Result<Self> {
        let lock = lock(config)?;
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "the API can't listen on {}; choose another with --listen",
                config.listen
            )
        })?;
        let api_addr = listener.local_addr()?;
        // The phone-number library reads its metadata at first use, which no request should wait for.
        drop(tokio::task::spawn_blocking(|| domain::rules::e164("+14155550100")));
        let store = open_store(config).await?;
        let services::Configured {
            services,
            voices: system_voices,
        } = services::open(config).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let voices = Voices::new(store.clone(), clock.clone());
        voices.register_system(system_voices).await?;
        let mut agents = Agents::new(store.clone(), clock.clone(), ModelNames::of(&services));
        if let Some(embedder) = &services.embedder {
            agents = agents.with_embedder(embedder.clone());
        }
        let billing = Billing::new(store.clone(), clock.clone(), config.billing.rules()?);
        let granted = granted(&store);
        let calls = Calls::new(CallsSetup {
            granted: granted.clone(),
            billing: billing.clone(),
            store: store.clone(),
            recordings: Arc::new(FileRecordings::new(config.data.join("recordings"))),
            clock: clock.clone(),
            services: services.clone(),
            concurrent_calls: config.calls.max_per_organization,
            deadlines: config.calls.deadlines(),
        });
        let lost = calls
            .recover()
            .await
            .context("calls that were cut off could not be closed")?;
        if lost > 0 {
            tracing::warn!(
                calls = lost,
                "calls that were going on when the program stopped are now failed"
            );
        }
        let switchboard = Switchboard::start(switchboard_config(config), calls.clone()).await?;
        calls.carrier_set(Arc::new(switchboard.clone()));
        let keeper = tokio::spawn(NodeKeeper::new(calls.clone()).run());
        let idempotency = Idempotency::new(store.clone(), clock.clone());
        let events = billing.clone();
        let app = App::new(AppParts {
            granted,
            config: config.api(),
            counters: counters(config, clock.clone()).await?,
            keys: let_people_in(keys(&store), config, &clock)?,
            telephony: Telephony::new(store.clone(), clock.clone()),
            clock: clock.clone(),
            organizations: organizations(&store),
            agents,
            voices,
            calls: calls.clone(),
            billing,
            billing_events: (config.billing.stripe()?)
                .map(|stripe| Arc::new(Stripe::new(stripe)) as Arc<dyn BillingEvents>),
            requests: requests(&store, config),
            audit: Audit::new(store.clone()),
            idempotency: idempotency.clone(),
            ready: ready_probe(store.clone(), switchboard.clone()),
            metrics: Arc::new(move || metrics.render()),
        });
        let stop = CancellationToken::new();
        let straightness = Straightness::new(clock);
        tokio::spawn(purge(idempotency, events.clone(), straightness, stop.clone()));
        tokio::spawn(events_round(events, stop.clone()));
        let server = tokio::spawn(api::serve(listener, app.clone(), stop.clone()));
        let sip_addr = switchboard.local_addr();
        tracing::info!(api = %api_addr, sip = %sip_addr, "callwright is up");
        Ok(Self {
            api_addr,
            sip_addr,
            services,
            switchboard,
            calls,
            store,
            app,
            stop,
            server,
            keeper,
            _lock: lock,
        })
    }

    /// Comes back when the API or the keeper of calls has stopped by itself, which neither does in order.
    pub(crate) async fn broke(&mut self) -> anyhow::Error {
        let (what, ended) = tokio::select! {
            ended = &mut self.server => ("the API answers no more", ended),
            // Without its beats the other nodes take this one for dead.
            ended = &mut self.keeper => ("nobody tends this node's calls any more", ended),
        };
        let cause = match ended {
            Ok(()) => "it came to an end",
            Err(_) => "it died",
        };
        anyhow::anyhow!("{what}: {cause}")
    }

    /// Ends in order: no new requests, live calls ended, ports closed, database written.
    pub(crate) async fn stop(self) {
        self.app.stop();
        self.switchboard.shutdown(CALLS_PATIENCE).await;
        self.stop.cancel();
        // One that ended by itself was told of.
        if !self.server.is_finished()
            && let Err(error) = self.server.await
        {
            tracing::error!(%error, "the API server died");
        }
        let unwritten = self.calls.endings_written(ENDINGS_PATIENCE).await;
        if unwritten > 0 {
            tracing::error!(
                calls = unwritten,
                "endings of calls were not written; the next start closes those calls"
            );
        }
        self.keeper.abort();
        self.store.close().await;
        tracing::info!("callwright is down");
    }
}

/// Where requests are counted: in this process, or together with other nodes.
async fn counters(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn LimitCounters>> {
    let Some(url) = &config.redis.url else {
        return Ok(Arc::new(MemoryCounters::new(clock)));
    };
    let setup = RedisLimitsSetup {
        url: url.clone(),
        prefix: config.redis.prefix.clone(),
        patience: Duration::from_millis(config.redis.timeout_ms),
    };
    // The address may hold a password, so it is not told.
    let counters = RedisCounters::open(setup, clock).await;
    Ok(Arc::new(counters.context("redis.url is no address of a Redis server")?))
}

/// Forgets idempotency keys and events of payment providers whose time is over, until the platform stops.
async fn purge(idempotency: Idempotency, billing: Billing, straightness: Straightness, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(PURGE_EVERY);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = stop.cancelled() => return,
        }
        if !straightness.may_forget() {
            continue;
        }
        for done in [idempotency.purge().await, billing.events_purge().await] {
            warned(done, "what is old could not be forgotten");
        }
    }
}

/// Takes events of payment providers that wait although they need not, until the platform stops.
async fn events_round(billing: Billing, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(EVENTS_EVERY);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = stop.cancelled() => return,
        }
        warned(
            billing.events_sweep().await,
            "events of payment providers could not be looked through",
        );
    }
}

fn warned(done: Result<u64, domain::Error>, message: &'static str) {
    if let Err(error) = done {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "{message}");
    }
}

fn switchboard_config(config: &Config) -> SwitchboardConfig {
    let user_agent = format!("Callwright/{}", env!("CARGO_PKG_VERSION"));
    SwitchboardConfig {
        sip: SipConfig {
            listen: config.sip.listen,
            external: config.sip.external,
            user_agent,
            realm: config.sip.realm.clone(),
        },
        rtp_ip: config.rtp.ip.unwrap_or(config.sip.listen.ip()),
        rtp_external: config
            .rtp
            .external_ip
            .or(config.sip.external.map(|address| address.ip())),
        rtp_ports: PortRange {
            first: config.rtp.port_first,
            last: config.rtp.port_last,
        },
        calls_max: config.calls.max,
    }
}

/// Ready is who can take calls and write them down.
fn ready_probe(store: Arc<SqlStore>, switchboard: Switchboard) -> api::ReadyProbe {
    Arc::new(move || {
        let (store, switchboard) = (store.clone(), switchboard.clone());
        Box::pin(async move {
            if !switchboard.endpoint().is_serving() {
                return Err("SIP is served no more; only a restart helps".to_owned());
            }
            store
                .ping()
                .await
                .map_err(|_| "the database does not answer".to_owned())
        })
    })
}
