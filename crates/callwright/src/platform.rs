//! The platform as a whole: opened, started and stopped.

use std::{fs::File, net::SocketAddr, os::unix::fs::DirBuilderExt, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use api::{App, AppParts};
use domain::{
    agents::{Agents, ModelNames},
    calls::{Calls, CallsSetup},
    clock::SystemClock,
    keys::Keys,
    ports::{Clock, Services},
    telephony::Telephony,
    voices::Voices,
};
use metrics_exporter_prometheus::PrometheusHandle;
use store::{SqliteStore, recordings::FileRecordings};
use telephony::{
    rtp_socket::PortRange,
    sip::SipConfig,
    switchboard::{Switchboard, SwitchboardConfig},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, services};

/// Longest wait for live calls at the end.
const CALLS_PATIENCE: Duration = Duration::from_secs(8);

/// Opens the database of a data folder, brought to this version.
pub(crate) async fn open_store(config: &Config) -> Result<Arc<SqliteStore>> {
    make_data_folder(config)?;
    let path = config.data.join("callwright.db");
    let store = SqliteStore::open(&path).await;
    Ok(Arc::new(store.with_context(|| {
        format!("the database {} can't be opened", path.display())
    })?))
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
fn lock(config: &Config) -> Result<File> {
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
pub(crate) fn keys(store: &Arc<SqliteStore>) -> Keys {
    Keys::new(store.clone(), Arc::new(SystemClock))
}

/// A running platform.
pub(crate) struct Platform {
    pub(crate) api_addr: SocketAddr,
    pub(crate) sip_addr: SocketAddr,
    /// Speech and thought, for callers of our own.
    pub(crate) services: Services,
    switchboard: Switchboard,
    store: Arc<SqliteStore>,
    app: App,
    stop: CancellationToken,
    server: JoinHandle<()>,
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
        let calls = Calls::new(CallsSetup {
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
        let app = App::new(AppParts {
            config: config.api(),
            keys: keys(&store),
            telephony: Telephony::new(store.clone(), clock.clone()),
            clock,
            agents,
            voices,
            calls,
            ready: ready_probe(store.clone()),
            metrics: Arc::new(move || metrics.render()),
        });
        let stop = CancellationToken::new();
        let server = tokio::spawn(api::serve(listener, app.clone(), stop.clone()));
        let sip_addr = switchboard.local_addr();
        tracing::info!(api = %api_addr, sip = %sip_addr, "callwright is up");
        Ok(Self {
            api_addr,
            sip_addr,
            services,
            switchboard,
            store,
            app,
            stop,
            server,
            _lock: lock,
        })
    }

    /// Ends in order: no new requests, live calls ended, ports closed, database written.
    pub(crate) async fn stop(self) {
        self.app.stop();
        self.switchboard.shutdown(CALLS_PATIENCE).await;
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the API server died");
        }
        self.store.close().await;
        tracing::info!("callwright is down");
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

fn ready_probe(store: Arc<SqliteStore>) -> api::ReadyProbe {
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move {
            store
                .ping()
                .await
                .map_err(|_| "the database does not answer".to_owned())
        })
    })
}
