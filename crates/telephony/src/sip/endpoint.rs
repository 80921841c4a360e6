//! The endpoint: sockets, the engine, and requests of our own.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rsipstack::{
    EndpointBuilder,
    dialog::{authenticate::Credential, dialog_layer::DialogLayer, invitation::InviteOption},
    sip::{Header, Host, HostWithPort, Method, SipMessage, StatusCodeKind, Uri, typed},
    transaction::{
        endpoint::{EndpointInner, EndpointOption},
        key::{TransactionKey, TransactionRole},
        make_tag,
        transaction::Transaction,
    },
    transport::{
        SipAddr, SipConnection, TransportEvent, TransportLayer, channel::ChannelConnection,
        connection::TransportSender, udp::UdpConnection,
    },
};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    Credentials, IncomingCall, OutboundInvite, OutboundLeg, SipConfig, SipError, SipTarget, SipTransport,
    digest::NonceKeeper,
    dispatch,
    inspect::DigestSpelling,
    leg::{ALLOW, EVENTS_MAX, Leg, LegControl, Signals, error_kind},
    register::{Registration, RegistrationPlan},
    stream::guarded,
    transport::{Gate, GuardedUdp, STREAM_IDLE, bind_both, route_to, serve_tcp},
    uri::{self, Destination},
};

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);
/// How long a TCP connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to answer a ping.
const PING_WITHIN: Duration = Duration::from_secs(5);
/// How long legs may take to hang up when the endpoint shuts down.
const LEGS_END_WITHIN: Duration = Duration::from_secs(6);

/// One SIP endpoint on UDP and TCP; clones share it.
///
/// It lives until [`SipEndpoint::shutdown`] is called.
#[derive(Clone)]
pub struct SipEndpoint {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for SipEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SipEndpoint")
            .field("local", &self.shared.local)
            .finish_non_exhaustive()
    }
}

/// What the endpoint's tasks share.
pub(crate) struct Shared {
    pub(crate) config: SipConfig,
    pub(crate) local: SocketAddr,
    pub(crate) engine: Arc<EndpointInner>,
    pub(crate) layer: Arc<DialogLayer>,
    pub(crate) incoming: mpsc::Sender<IncomingCall>,
    pub(crate) nonces: Arc<NonceKeeper>,
    /// No new work; legs hang up.
    pub(crate) closing: CancellationToken,
    /// Sockets close.
    pub(crate) cancel: CancellationToken,
    pub(crate) legs: TaskTracker,
    pub(crate) services: TaskTracker,
    /// Whether the engine runs.
    serving: Arc<AtomicBool>,
    /// Where we listen for streams, in the engine's words.
    streams: SipAddr,
    /// Streams that we opened, by peer.
    dialled: Mutex<HashMap<SipAddr, CancellationToken>>,
}

impl Shared {
    /// The address to give to `peer` for reaching us.
    pub(crate) fn address_for(&self, peer: SocketAddr) -> SocketAddr {
        match self.config.external {
            Some(external) if !peer.ip().is_loopback() => external,
            _ if self.local.ip().is_unspecified() => {
                SocketAddr::new(route_to(peer).unwrap_or_else(|| self.local.ip()), self.local.port())
            }
            _ => self.local,
        }
    }

    /// Opens the stream to a TCP peer. The engine would take a refused connection for a lost packet and
    /// report it only after 32 seconds.
    pub(crate) async fn connect(&self, address: &SipAddr) -> Result<(), SipError> {
        if address.r#type != Some(rsipstack::sip::Transport::Tcp) {
            return Ok(());
        }
        if self.dialled().get(address).is_some_and(|token| !token.is_cancelled()) {
            return Ok(());
        }
        let socket = address.get_socketaddr().map_err(|_| SipError::BadTarget)?;
        let unreachable = |error: std::io::Error| SipError::Unreachable(error.kind().to_string());
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(socket)).await;
        let stream = stream.map_err(|_| SipError::Timeout)?.map_err(unreachable)?;
        let token = self.cancel.child_token();
        let (connection, relay) =
            guarded(stream, self.streams.clone(), address.clone(), token.clone()).map_err(unreachable)?;
        let closing = self.cancel.clone();
        self.services
            .spawn(async move { closing.run_until_cancelled(relay.run()).await });
        // The engine serves it from now on, and cancels its token when it is over.
        self.engine
            .transport_layer
            .add_connection(SipConnection::Tcp(connection));
        let mut dialled = self.dialled();
        dialled.retain(|_, token| !token.is_cancelled());
        dialled.insert(address.clone(), token);
        Ok(())
    }

    fn dialled(&self) -> MutexGuard<'_, HashMap<SipAddr, CancellationToken>> {
        self.dialled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target's packets' destination, with its name resolved.
    pub(crate) async fn resolve(&self, destination: &Destination) -> Result<(SipAddr, SocketAddr), SipError> {
        let resolved = if matches!(destination.address.addr.host, Host::Domain(_)) {
            let resolver = &self.engine.transport_layer.inner.domain_resolver;
            let found = timeout(RESOLVE_WITHIN, resolver.resolve(&destination.address)).await;
            let mut found = found
                .map_err(|_| SipError::Timeout)?
                .map_err(|error| SipError::Unreachable(error_kind(&error)))?;
            // A name's NAPTR records may suggest another transport than the one asked for.
            found.r#type = destination.address.r#type;
            found
        } else {
            destination.address.clone()
        };
        let socket = resolved.get_socketaddr().map_err(|_| SipError::BadTarget)?;
        Ok((resolved, socket))
    }
}

impl SipEndpoint {
    /// Binds UDP and TCP on one port and starts serving. Calls that find `incoming` full are answered 503.
    pub async fn bind(config: SipConfig, incoming: mpsc::Sender<IncomingCall>) -> Result<Self, SipError> {
        let (udp, tcp) = bind_both(config.listen).await?;
        let local = udp.local_addr().map_err(|source| SipError::Bind {
            address: config.listen,
            transport: "UDP",
            source,
        })?;
        let cancel = CancellationToken::new();
        let transport = TransportLayer::new(cancel.clone());
        transport.set_stream_idle_timeout(STREAM_IDLE);
        let udp = UdpConnection::from_socket(Arc::new(GuardedUdp(udp)), config.external, Some(cancel.child_token()))
            .await
            .map_err(engine_error)?;
        let tcp_address = SipAddr {
            r#type: Some(rsipstack::sip::Transport::Tcp),
            addr: udp.get_addr().addr.clone(),
        };
        transport.add_transport(udp.into());
        let injector = add_injector(&transport, cancel.child_token()).await?;

        let gate = Gate::default();
        let endpoint = EndpointBuilder::new()
            .with_cancel_token(cancel.clone())
            .with_transport_layer(transport)
            .with_user_agent(&config.user_agent)
            .with_option(EndpointOption {
                callid_suffix: Some("callwright".to_owned()),
                ..EndpointOption::default()
            })
            .with_inspector(Box::new(DigestSpelling))
            .with_transport_inspector(Box::new(gate.clone()))
            .build();
        gate.watch(&endpoint.inner, tcp_address.clone());
        let transactions = endpoint.incoming_transactions().map_err(engine_error)?;
        let shared = Arc::new(Shared {
            local,
            layer: Arc::new(DialogLayer::new(Arc::clone(&endpoint.inner))),
            engine: Arc::clone(&endpoint.inner),
            incoming,
            nonces: Arc::default(),
            closing: CancellationToken::new(),
            cancel: cancel.clone(),
            legs: TaskTracker::new(),
            services: TaskTracker::new(),
            serving: Arc::new(AtomicBool::new(true)),
            streams: tcp_address.clone(),
            dialled: Mutex::default(),
            config,
        });
        let serving = Arc::clone(&shared.serving);
        shared
            .services
            .spawn(serve_engine(endpoint.inner, serving, cancel.clone()));
        shared.services.spawn(serve_tcp(tcp, tcp_address, injector, cancel));
        shared.services.spawn(dispatch::run(Arc::clone(&shared), transactions));
        Ok(Self { shared })
    }

    /// The bound address, with the real port when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// Whether messages are still taken. Once they are not, they never are again.
    pub fn is_serving(&self) -> bool {
        self.shared.serving.load(Ordering::Relaxed)
    }

    /// The address of ours that `peer` can reach: the one for Contact headers and, its IP, for SDP.
    pub fn address_for(&self, peer: SocketAddr) -> SocketAddr {
        self.shared.address_for(peer)
    }

    /// The IP address to write into SDP for `peer`.
    pub fn media_ip_for(&self, peer: SocketAddr) -> IpAddr {
        self.address_for(peer).ip()
    }

    /// Our address on the route to a target, for the SDP offer of a call to it.
    pub async fn address_for_target(&self, target: &SipTarget) -> Result<SocketAddr, SipError> {
        let (_, peer) = self.shared.resolve(&Destination::parse(target)?).await?;
        Ok(self.shared.address_for(peer))
    }

    /// Dialogs that are not over yet.
    pub fn dialog_count(&self) -> usize {
        self.shared.layer.len()
    }

    /// Places a call. Returns once the INVITE is under way; what becomes of it arrives as events.
    pub async fn invite(&self, request: OutboundInvite) -> Result<OutboundLeg, SipError> {
        let shared = &self.shared;
        if shared.closing.is_cancelled() {
            return Err(SipError::ShutDown);
        }
        let destination = Destination::parse(&request.target)?;
        let (address, peer) = shared.resolve(&destination).await?;
        shared.connect(&address).await?;
        let contact = uri::contact(&request.from_user, shared.address_for(peer), request.target.transport);
        let caller = Uri {
            params: vec![],
            ..contact.clone()
        };
        let signals = Signals::new(&shared.closing);
        signals.set_local_sdp(&request.offer);
        let option = InviteOption {
            caller,
            callee: destination.uri,
            destination: Some(address),
            offer: Some(request.offer.into_bytes()),
            contact,
            credential: request.credentials.map(engine_credential),
            headers: Some(vec![Header::Allow(ALLOW.into()), Header::Supported("timer".into())]),
            ..InviteOption::default()
        };
        let (states_sender, states) = shared.layer.new_dialog_state_channel();
        let (dialog, invite) = shared
            .layer
            .do_invite_async(option, states_sender)
            .map_err(engine_error)?;
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        let leg = Leg {
            dialog,
            layer: Arc::clone(&shared.layer),
            states,
            events: events_sender,
            signals: Arc::clone(&signals),
            user_agent: shared.config.user_agent.clone(),
        };
        shared.legs.spawn(leg.run_outgoing(invite).in_current_span());
        Ok(OutboundLeg {
            events,
            control: LegControl { signals },
        })
    }

    /// Keeps us registered at a registrar until the returned registration is ended.
    pub fn register(&self, plan: RegistrationPlan) -> Result<Registration, SipError> {
        Registration::start(&self.shared, plan)
    }

    /// Asks a peer for a sign of life and returns its status; five seconds at most.
    pub async fn options(&self, target: &SipTarget) -> Result<u16, SipError> {
        if self.shared.closing.is_cancelled() {
            return Err(SipError::ShutDown);
        }
        let destination = Destination::parse(target)?;
        let (address, peer) = self.shared.resolve(&destination).await?;
        self.shared.connect(&address).await?;
        timeout(PING_WITHIN, Box::pin(self.ping(destination, address, peer)))
            .await
            .map_err(|_| SipError::Timeout)?
    }

    async fn ping(&self, destination: Destination, address: SipAddr, peer: SocketAddr) -> Result<u16, SipError> {
        let engine = &self.shared.engine;
        let own = self.shared.address_for(peer);
        let via = engine
            .get_via(
                Some(SipAddr {
                    r#type: address.r#type,
                    addr: HostWithPort::from(own),
                }),
                None,
            )
            .map_err(engine_error)?;
        let from = typed::From {
            display_name: None,
            uri: uri::contact("callwright", own, SipTransport::Udp),
            params: vec![],
        }
        .with_tag(make_tag());
        let to = typed::To {
            display_name: None,
            uri: destination.uri.clone(),
            params: vec![],
        };
        let mut request = engine.make_request(Method::Options, destination.uri, via, from, to, 1, None);
        request.headers.push(Header::Accept("application/sdp".into()));
        let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(engine_error)?;
        let mut transaction = Transaction::new_client(key, request, Arc::clone(engine), None);
        transaction.destination = Some(address);
        transaction
            .send()
            .await
            .map_err(|error| SipError::Unreachable(error_kind(&error)))?;
        while let Some(message) = transaction.receive().await {
            if let SipMessage::Response(response) = message
                && response.status_code.kind() != StatusCodeKind::Provisional
            {
                return Ok(response.status_code.into());
            }
        }
        Err(SipError::Timeout)
    }

    /// Hangs up all legs, then closes the sockets. Takes seven seconds at most.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        shared.closing.cancel();
        shared.legs.close();
        timeout(LEGS_END_WITHIN, shared.legs.wait()).await.ok();
        shared.cancel.cancel();
        shared.services.close();
        timeout(Duration::from_secs(1), shared.services.wait()).await.ok();
    }
}

/// Runs the engine; its end before shutdown is an error nobody may overlook.
async fn serve_engine(engine: Arc<EndpointInner>, serving: Arc<AtomicBool>, cancel: CancellationToken) {
    let outcome = tokio::spawn(async move { engine.serve().await }).await;
    serving.store(false, Ordering::Relaxed);
    if !cancel.is_cancelled() {
        tracing::error!(
            panicked = outcome.is_err(),
            "the sip engine stopped; no calls can be taken until restart"
        );
    }
}

/// A way into the engine for connections that are read by tasks of ours: it passes on events unchanged.
async fn add_injector(transport: &TransportLayer, token: CancellationToken) -> Result<TransportSender, SipError> {
    let (injector, events) = mpsc::unbounded_channel::<TransportEvent>();
    let (unused, _) = mpsc::unbounded_channel::<TransportEvent>();
    let address = SipAddr {
        r#type: None,
        addr: HostWithPort {
            host: Host::Domain("injector.invalid".into()),
            port: None,
        },
    };
    let channel = ChannelConnection::create_connection(events, unused, address, Some(token))
        .await
        .map_err(engine_error)?;
    transport.add_connection(SipConnection::Channel(channel));
    Ok(injector)
}

pub(crate) fn engine_credential(credentials: Credentials) -> Credential {
    Credential {
        username: credentials.username,
        password: credentials.password,
        realm: None,
        auth_username: None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
pub(crate) fn engine_error(error: rsipstack::Error) -> SipError {
    SipError::Engine(error_kind(&error))
}
