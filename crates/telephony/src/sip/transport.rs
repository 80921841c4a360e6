//! Sockets of the endpoint, and the gate every message passes before the protocol engine sees it.
//!
//! The engine parses in the loop that reads the socket, so a panic on hostile bytes would silence the whole
//! endpoint. Here each datagram is parsed once under a guard first, TCP connections are counted and each is
//! read in a task of its own, and new requests are dropped while too many transactions are remembered.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use domain::places::{Place, Places};
use rsipstack::{
    sip::{Method, Request, SipMessage, Transport, prelude::HeadersExt},
    transaction::{
        endpoint::{EndpointInner, TransportEventInspector},
        key::{TransactionKey, TransactionRole},
    },
    transport::{SipAddr, SipConnection, TransportEvent, connection::TransportSender, stream::StreamConnection},
};
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    SipError,
    stream::{address_of, guarded},
};

/// Larger datagrams are not looked at; a large SDP stays well below.
const DATAGRAM_BYTES_MAX: usize = 16 * 1024;
/// Messages with more header fields are dropped.
const HEADERS_MAX: usize = 256;
/// Transactions in progress and remembered for retransmissions; above it new requests are dropped.
const TRANSACTIONS_MAX: usize = 50_000;
/// TCP connections taken at once, from all peers and from one address.
const CONNECTIONS_MAX: usize = 256;
const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;
/// A TCP connection that sends nothing for so long is closed.
pub(crate) const STREAM_IDLE: Duration = Duration::from_mins(3);
/// How long a TCP connection may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Attempts to find a port that is free for both UDP and TCP.
const PORT_ATTEMPTS: usize = 20;

/// Binds UDP and TCP on the same port.
pub(crate) async fn bind_both(listen: SocketAddr) -> Result<(UdpSocket, TcpListener), SipError> {
    let attempts = if listen.port() == 0 { PORT_ATTEMPTS } else { 1 };
    let mut outcome = Err(SipError::ShutDown);
    for _ in 0..attempts {
        outcome = bind_once(listen).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

async fn bind_once(listen: SocketAddr) -> Result<(UdpSocket, TcpListener), SipError> {
    let udp = UdpSocket::bind(listen)
        .await
        .map_err(|error| bind_error(listen, "UDP", error))?;
    let address = udp.local_addr().map_err(|error| bind_error(listen, "UDP", error))?;
    let tcp = TcpListener::bind(address)
        .await
        .map_err(|error| bind_error(address, "TCP", error))?;
    Ok((udp, tcp))
}

fn bind_error(address: SocketAddr, transport: &'static str, source: io::Error) -> SipError {
    if source.kind() == io::ErrorKind::AddrInUse {
        SipError::AddressInUse { address, transport }
    } else {
        SipError::Bind {
            address,
            transport,
            source,
        }
    }
}

/// A UDP socket that hands on only what the engine can parse.
pub(crate) struct GuardedUdp(pub(crate) UdpSocket);

#[async_trait]
impl rsipstack::platform::net::UdpSocket for GuardedUdp {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (length, source) = match self.0.recv_from(buffer).await {
                Ok(received) => received,
                Err(error) => {
                    // ICMP errors of earlier sends arrive here; the pause keeps a lasting error from spinning.
                    tracing::debug!(%error, "sip socket error");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            };
            match screen(&buffer[..length], source) {
                Verdict::Pass => return Ok((length, source)),
                Verdict::Drop => metrics::counter!("callwright_sip_dropped_total", "why" => "malformed").increment(1),
                Verdict::Reply(reply) => {
                    self.0.send_to(&reply, source).await.ok();
                }
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], address: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.0.send_to(bytes, address).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.0.local_addr()?)
    }
}

enum Verdict {
    Pass,
    Drop,
    Reply(Vec<u8>),
}

fn screen(datagram: &[u8], source: SocketAddr) -> Verdict {
    if datagram.iter().all(u8::is_ascii_whitespace) {
        // Keep-alives, answered by the engine.
        return Verdict::Pass;
    }
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return Verdict::Drop;
    }
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        let message = SipMessage::try_from(datagram).ok()?;
        SipConnection::update_msg_received(message, source, Transport::Udp).ok()
    }));
    match parsed {
        Ok(Some(_)) => Verdict::Pass,
        Ok(None) => refuse_unknown_method(datagram).map_or(Verdict::Drop, Verdict::Reply),
        Err(_) => Verdict::Drop,
    }
}

/// 501 for a request whose method the engine has never heard of. Never longer than what was received by
/// more than a status line, so it is no amplifier.
fn refuse_unknown_method(datagram: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(datagram).ok()?;
    let head = text.split("\r\n\r\n").next()?;
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let (method, _, version) = (start.next()?, start.next()?, start.next()?);
    let is_token = !method.is_empty()
        && method
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
    if version != "SIP/2.0" || !is_token || method.parse::<Method>().is_ok() {
        return None;
    }
    let mut reply = String::from("SIP/2.0 501 Not Implemented\r\n");
    let mut seen = 0;
    for line in lines {
        let name = line.split(':').next()?.trim().to_ascii_lowercase();
        if matches!(
            name.as_str(),
            "via" | "v" | "from" | "f" | "to" | "t" | "call-id" | "i" | "cseq"
        ) {
            seen += 1;
            reply.push_str(line);
            reply.push_str("\r\n");
        }
    }
    reply.push_str("Content-Length: 0\r\n\r\n");
    (seen >= 5).then(|| reply.into_bytes())
}

/// Checks every message between the transport and the engine's transaction table.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    engine: Arc<OnceLock<Weak<EndpointInner>>>,
    streams: Arc<OnceLock<SipAddr>>,
}

impl Gate {
    /// Lets the gate see how many transactions the engine holds, and know our streams by where we listen.
    pub(crate) fn watch(&self, engine: &Arc<EndpointInner>, streams: SipAddr) {
        self.engine.set(Arc::downgrade(engine)).ok();
        self.streams.set(streams).ok();
    }

    /// Whether an answer to this may stop the engine: it came by a stream that the engine opened by itself, to where
    /// the other side of a dialog said that it is. Such a stream is for our requests.
    fn is_unguarded(&self, message: &SipMessage, connection: &SipConnection) -> bool {
        matches!(message, SipMessage::Request(_))
            && matches!(connection, SipConnection::Tcp(stream) if Some(stream.get_addr()) != self.streams.get())
    }

    fn is_full(&self) -> bool {
        let Some(engine) = self.engine.get().and_then(Weak::upgrade) else {
            return false;
        };
        let stats = engine.get_stats();
        stats.running_transactions + stats.finished_transactions > TRANSACTIONS_MAX
    }

    fn admits(&self, message: &SipMessage) -> bool {
        let sound = catch_unwind(AssertUnwindSafe(|| is_sound(message))).unwrap_or(false);
        if !sound {
            metrics::counter!("callwright_sip_dropped_total", "why" => "unsound").increment(1);
            return false;
        }
        let starts_work = matches!(message, SipMessage::Request(request) if !matches!(request.method, Method::Ack | Method::Bye | Method::Cancel));
        if starts_work && self.is_full() {
            metrics::counter!("callwright_sip_dropped_total", "why" => "overload").increment(1);
            return false;
        }
        true
    }
}

#[async_trait]
impl TransportEventInspector for Gate {
    async fn handle(&self, event: TransportEvent) -> Option<TransportEvent> {
        match event {
            TransportEvent::Incoming(message, connection, source) => {
                if self.is_unguarded(&message, &connection) {
                    metrics::counter!("callwright_sip_dropped_total", "why" => "unguarded").increment(1);
                    return None;
                }
                self.admits(&message)
                    .then_some(TransportEvent::Incoming(message, connection, source))
            }
            other => Some(other),
        }
    }
}

/// Whether the engine can find the transaction and the dialog this message belongs to.
fn is_sound(message: &SipMessage) -> bool {
    match message {
        SipMessage::Request(request) => {
            let same_method = request
                .cseq_header()
                .and_then(rsipstack::sip::CSeq::method)
                .is_ok_and(|method| method == request.method);
            request.headers.len() <= HEADERS_MAX
                && same_method
                && has_identity(request)
                && TransactionKey::from_request(request, TransactionRole::Server).is_ok()
        }
        SipMessage::Response(response) => {
            response.headers.len() <= HEADERS_MAX
                && response.to_header().is_ok_and(|to| to.tag().is_ok())
                && response.from_header().is_ok_and(|from| from.tag().is_ok())
                && response.call_id_header().is_ok()
                && TransactionKey::from_response(response, TransactionRole::Client).is_ok()
        }
    }
}

fn has_identity(request: &Request) -> bool {
    request.via_header().is_ok()
        && request.call_id_header().is_ok()
        && request.cseq_header().is_ok_and(|cseq| cseq.seq().is_ok())
        && request.to_header().is_ok_and(|to| to.tag().is_ok())
        && request
            .from_header()
            .is_ok_and(|from| matches!(from.tag(), Ok(Some(_))))
}

/// Takes TCP connections until cancelled, a bounded number at once.
pub(crate) async fn serve_tcp(
    listener: TcpListener,
    address: SipAddr,
    injector: TransportSender,
    cancel: CancellationToken,
) {
    let open = OpenConnections::default();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(slot) = open.take(peer.ip()) {
                    tokio::spawn(serve_stream(
                        (stream, address_of(peer)),
                        slot,
                        address.clone(),
                        injector.clone(),
                        cancel.child_token(),
                    ));
                } else {
                    tracing::warn!(peer = %peer.ip(), "sip tcp connection refused: too many are open");
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: pause rather than spin.
                tracing::warn!(%error, "sip tcp accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Reads one connection in a task of its own, so that a panic there ends only this connection.
async fn serve_stream(
    (stream, remote): (TcpStream, SipAddr),
    slot: Slot,
    address: SipAddr,
    injector: TransportSender,
    token: CancellationToken,
) {
    let Ok((connection, relay)) = guarded(stream, address, remote, token.clone()) else {
        return;
    };
    let reader = connection.clone();
    let mut relaying = tokio::spawn(relay.run());
    let mut serving = tokio::spawn(async move { reader.serve_loop(injector, STREAM_IDLE).await });
    tokio::select! {
        _ = &mut serving => {
            // What was answered last may still be on its way.
            timeout(CLOSE_WITHIN, async { (connection.close().await, (&mut relaying).await) }).await.ok();
        }
        _ = &mut relaying => {}
        () = token.cancelled() => {}
    }
    serving.abort();
    relaying.abort();
    token.cancel();
    drop(slot);
}

/// TCP connections that are open.
#[derive(Default)]
struct OpenConnections {
    of_one: Places<IpAddr>,
    of_all: Places<()>,
}

/// One open connection; gives its places back when dropped.
type Slot = (Place<IpAddr>, Place<()>);

impl OpenConnections {
    fn take(&self, peer: IpAddr) -> Option<Slot> {
        let of_all = self.of_all.take((), CONNECTIONS_MAX)?;
        let of_one = self.of_one.take(peer, CONNECTIONS_PER_ADDRESS_MAX)?;
        Some((of_one, of_all))
    }
}

/// Our address on the route to `peer`, for sockets bound to all addresses.
pub(crate) fn route_to(peer: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    // Connecting a UDP socket sends nothing; it only asks the routing table.
    let socket = std::net::UdpSocket::bind(any).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let open = OpenConnections::default();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let mut slots: Vec<Slot> = (0..CONNECTIONS_PER_ADDRESS_MAX)
            .map(|_| open.take(peer).unwrap())
            .collect();
        assert!(open.take(peer).is_none());
        assert!(open.take(IpAddr::from([10, 0, 0, 2])).is_some());
        slots.pop();
        assert!(open.take(peer).is_some());
    }

    #[test]
    fn connections_refused_to_one_address_leave_room_for_others_up_to_the_limit_of_all() {
        let open = OpenConnections::default();
        let peer = |last| IpAddr::from([10, 0, 0, last]);
        let mut slots: Vec<Slot> = (0..CONNECTIONS_MAX).filter_map(|_| open.take(peer(1))).collect();
        assert_eq!(slots.len(), CONNECTIONS_PER_ADDRESS_MAX);
        for last in 2..=8 {
            slots.extend((0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| open.take(peer(last)).unwrap()));
        }
        assert_eq!(slots.len(), CONNECTIONS_MAX);
        assert!(open.take(peer(9)).is_none());
        slots.pop();
        assert!(open.take(peer(9)).is_some());
    }

    #[test]
    fn an_unknown_method_is_refused_with_501() {
        let request = b"FROB sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 FROB\r\n\r\n";
        let reply = String::from_utf8(refuse_unknown_method(request).unwrap()).unwrap();
        assert!(reply.starts_with("SIP/2.0 501 "), "{reply}");
        assert!(reply.contains("CSeq: 1 FROB\r\n"), "{reply}");
        assert!(refuse_unknown_method(b"OPTIONS sip:x SIP/2.0\r\n\r\n").is_none());
        assert!(refuse_unknown_method(b"\xff\xfe").is_none());
    }
}
