//! Between the wire and the sessions: admits inbound calls, places outbound ones, and knows which are live.

mod inbound;
mod outbound;
mod registrations;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use contract::CallId;
use domain::{
    ProviderFailure,
    calls::{Calls, OutboundCall},
    ports::{Carrier, Placed},
    records::TrunkRecord,
};
use media::Codec;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    rtp_socket::PortRange,
    session::{Control, Fallbacks, Words},
    sip::{Credentials, IncomingCall, SipConfig, SipEndpoint, SipError, SipTransport},
};

/// Codecs of the line, most wanted first.
const CODECS: &[Codec] = &[Codec::Pcmu, Codec::Pcma];
/// INVITEs that may wait to be looked at; the rest get 503.
const INCOMING_BACKLOG: usize = 64;
/// Name of the provider in failures of calls over SIP trunks.
const PROVIDER: &str = "sip";

/// Where calls are carried.
#[derive(Clone, Debug)]
pub struct SwitchboardConfig {
    /// Where SIP is spoken.
    pub sip: SipConfig,
    /// Where media sockets are bound.
    pub rtp_ip: IpAddr,
    /// The address the other side is told to send media to; the SIP peer's view of us when left out.
    pub rtp_external: Option<IpAddr>,
    /// Ports of media sockets.
    pub rtp_ports: PortRange,
    /// Calls this process holds at once, all organisations together; more get 503.
    pub calls_max: usize,
}

/// Carries calls over SIP. A cheap handle.
#[derive(Clone)]
pub struct Switchboard {
    inner: Arc<Inner>,
}

struct Inner {
    config: SwitchboardConfig,
    endpoint: SipEndpoint,
    calls: Calls,
    fallbacks: Fallbacks,
    live: Mutex<HashMap<CallId, mpsc::Sender<Control>>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl Switchboard {
    /// Binds the ports and takes calls from then on.
    pub async fn start(config: SwitchboardConfig, calls: Calls) -> Result<Self, SipError> {
        let (incoming, waiting) = mpsc::channel(INCOMING_BACKLOG);
        let endpoint = SipEndpoint::bind(config.sip.clone(), incoming).await?;
        let inner = Inner {
            places: Arc::new(Semaphore::new(config.calls_max)),
            config,
            endpoint,
            calls,
            fallbacks: Fallbacks::default(),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        };
        if let Some(understudy) = inner.calls.understudy_voice() {
            inner.fallbacks.prepare(Words::Apology, understudy);
        }
        let switchboard = Self { inner: Arc::new(inner) };
        switchboard.inner.tasks.spawn(switchboard.clone().take_calls(waiting));
        switchboard.inner.tasks.spawn(switchboard.clone().keep_registered());
        Ok(switchboard)
    }

    /// The SIP address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.endpoint.local_addr()
    }

    /// The endpoint, for callers of our own such as the demo's.
    pub fn endpoint(&self) -> &SipEndpoint {
        &self.inner.endpoint
    }

    /// Calls held right now.
    pub fn live_calls(&self) -> usize {
        self.live().len()
    }

    /// Takes no further calls, ends the live ones in order, and closes the ports.
    pub async fn shutdown(&self, patience: Duration) {
        self.inner.closing.cancel();
        let controls: Vec<_> = self.live().values().cloned().collect();
        for control in controls {
            // A full queue holds an ending already.
            let _ = control.try_send(Control::End);
        }
        self.inner.tasks.close();
        if tokio::time::timeout(patience, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                calls = self.live_calls(),
                "calls were still going on at the end of the shutdown"
            );
        }
        self.inner.endpoint.shutdown().await;
    }

    async fn take_calls(self, mut waiting: mpsc::Receiver<IncomingCall>) {
        loop {
            let call = tokio::select! {
                biased;
                () = self.inner.closing.cancelled() => return,
                call = waiting.recv() => call,
            };
            let Some(call) = call else { return };
            let Ok(place) = self.inner.places.clone().try_acquire_owned() else {
                metrics::counter!("callwright_calls_refused_total", "reason" => "capacity").increment(1);
                call.reject(503).await;
                continue;
            };
            let switchboard = self.clone();
            self.inner.tasks.spawn(async move {
                Box::pin(switchboard.inbound(call)).await;
                drop(place);
            });
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, mpsc::Sender<Control>>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call reachable for `Carrier::end` until the guard is dropped.
    fn enlist(&self, call: CallId) -> (Enlisted, mpsc::Receiver<Control>) {
        let (control, controls) = mpsc::channel(1);
        self.live().insert(call, control);
        metrics::gauge!("callwright_calls_live").increment(1.0);
        (
            Enlisted {
                switchboard: self.clone(),
                call,
            },
            controls,
        )
    }

    /// The address a peer at `peer` is told to send media to. One on this machine can't reach the outer address.
    fn advertised(&self, bound: SocketAddr, peer: SocketAddr) -> SocketAddr {
        let ip = match self.inner.config.rtp_external {
            Some(ip) if !peer.ip().is_loopback() => ip,
            _ if bound.ip().is_unspecified() => self.inner.endpoint.media_ip_for(peer),
            _ => bound.ip(),
        };
        SocketAddr::new(ip, bound.port())
    }
}

/// How messages travel to a trunk's peer.
fn transport(trunk: &TrunkRecord) -> SipTransport {
    match trunk.trunk.transport {
        contract::SipTransport::Udp => SipTransport::Udp,
        contract::SipTransport::Tcp => SipTransport::Tcp,
    }
}

/// What a trunk's peer knows us by, where it asks.
fn credentials(trunk: &TrunkRecord) -> Option<Credentials> {
    let (username, password) = (trunk.trunk.username.clone()?, trunk.password.clone()?);
    Some(Credentials { username, password })
}

/// An IPv6 address stands in brackets in a URI.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// A live call in the switchboard's list.
struct Enlisted {
    switchboard: Switchboard,
    call: CallId,
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        self.switchboard.live().remove(&self.call);
        metrics::gauge!("callwright_calls_live").decrement(1.0);
    }
}

#[async_trait]
impl Carrier for Switchboard {
    async fn place(&self, call: OutboundCall) -> Result<Placed, ProviderFailure> {
        self.outbound(call).await
    }

    fn end(&self, call: CallId) -> bool {
        // A full queue holds an ending already.
        self.live().get(&call).is_some_and(|control| {
            !matches!(
                control.try_send(Control::End),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        })
    }
}
