//! UDP sockets for RTP: a bounded port range, and a peer address that is learned once and then defended.
//!
//! A peer behind NAT sends from another address than its SDP says. Therefore the first source of valid RTP at the
//! address that SIP came from is believed, and, where the SDP names an address that can't be reached from outside,
//! the first source from anywhere within a few seconds. Everything else that arrives is counted and dropped, so
//! that nobody can talk into a call or pull its audio to himself.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media::rtp::Packet;
use tokio::{net::UdpSocket, time::Instant};

/// How long after the peer's address was set another source may take its place.
const LATCH_WINDOW: Duration = Duration::from_secs(10);

/// The ports RTP may use, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl PortRange {
    /// Even ports in it; RTCP keeps the odd ones (RFC 3550 §11).
    fn even_ports(self) -> Vec<u16> {
        (self.first..=self.last)
            .filter(|port| port % 2 == 0 && *port != 0)
            .collect()
    }
}

/// One call's RTP socket.
#[derive(Debug)]
pub struct RtpSocket {
    socket: UdpSocket,
    local: SocketAddr,
    peer: Mutex<Peer>,
    refused: AtomicU64,
}

/// Whom we send to and listen to.
#[derive(Debug)]
struct Peer {
    negotiated: Option<SocketAddr>,
    signalling: Option<IpAddr>,
    latched: Option<Latch>,
    /// The peer said `0.0.0.0`: it wants nothing for now.
    held: bool,
    until: Instant,
}

/// A source that was believed.
#[derive(Clone, Copy, Debug)]
struct Latch {
    source: SocketAddr,
    trust: Trust,
}

/// Why a source may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It was there first.
    First,
    /// It is where SIP comes from.
    Signalling,
    /// It is the address in the SDP.
    Negotiated,
}

impl Peer {
    /// Why packets of `source` may be taken for the peer's from now on, if they may.
    fn trust(&self, source: SocketAddr) -> Option<Trust> {
        let negotiated = self.negotiated?;
        if source == negotiated {
            return Some(Trust::Negotiated);
        }
        if self.signalling == Some(source.ip()) {
            let is_free = self.latched.is_none_or(|latch| latch.trust == Trust::First);
            return is_free.then_some(Trust::Signalling);
        }
        let may_be_anywhere = is_unroutable(negotiated.ip()) || source.ip() == negotiated.ip();
        let is_open = self.latched.is_none() && Instant::now() < self.until;
        (may_be_anywhere && is_open).then_some(Trust::First)
    }
}

/// Whether an address means nothing outside the network it is in.
fn is_unroutable(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // RFC 6598: 100.64.0.0/10 lies between customers and carrier-grade NAT.
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl RtpSocket {
    /// Binds an even port of the range, beginning at a random one so that a port is not reused at once.
    /// An exhausted range is `AddrInUse` with a sentence that says so.
    pub fn bind(ip: IpAddr, ports: PortRange) -> io::Result<Self> {
        let candidates = ports.even_ports();
        let start = rand::random_range(0..candidates.len().max(1));
        for port in candidates.iter().cycle().skip(start).take(candidates.len()) {
            match std::net::UdpSocket::bind((ip, *port)) {
                Ok(socket) => return Self::adopt(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!(
            "all RTP ports from {} to {} are in use; widen the range",
            ports.first, ports.last
        );
        Err(io::Error::new(io::ErrorKind::AddrInUse, message))
    }

    fn adopt(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let local = socket.local_addr()?;
        let peer = Mutex::new(Peer {
            negotiated: None,
            signalling: None,
            latched: None,
            held: false,
            until: Instant::now(),
        });
        Ok(Self {
            socket,
            local,
            peer,
            refused: AtomicU64::new(0),
        })
    }

    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sets where the peer's SIP comes from.
    pub fn set_signalling(&self, ip: IpAddr) {
        self.peer().signalling = Some(ip);
    }

    /// Sets the peer's address from its SDP and opens the window in which another source may replace it.
    /// The same address again, as in a session refresh, keeps what was learned; an unspecified one holds.
    pub fn set_remote(&self, remote: SocketAddr) {
        let mut peer = self.peer();
        peer.held = remote.ip().is_unspecified() || remote.port() == 0;
        if !peer.held && peer.negotiated != Some(remote) {
            peer.negotiated = Some(remote);
            peer.latched = None;
            peer.until = Instant::now() + LATCH_WINDOW;
        }
    }

    /// Where packets go: the learned address, else the negotiated one, unless that means "nowhere".
    pub fn remote(&self) -> Option<SocketAddr> {
        let peer = self.peer();
        if peer.held {
            None
        } else {
            peer.latched.map(|latch| latch.source).or(peer.negotiated)
        }
    }

    /// Packets dropped because of where they came from.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The length of the next datagram from the peer, written into `buffer`. Cancel-safe.
    pub async fn recv(&self, buffer: &mut [u8]) -> usize {
        loop {
            let Ok((length, source)) = self.socket.recv_from(buffer).await else {
                // ICMP answers to what we sent show up here; the pause keeps a lasting error from spinning.
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            if self.admits(source, &buffer[..length]) {
                return length;
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends one datagram to the peer; without a peer it goes nowhere.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match self.remote() {
            Some(remote) => self.socket.send_to(datagram, remote).await.map(drop),
            None => Ok(()),
        }
    }

    /// Like [`RtpSocket::send`] without waiting: a full socket buffer is `WouldBlock`.
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        match self.remote() {
            Some(remote) => self.socket.try_send_to(datagram, remote).map(drop),
            None => Ok(()),
        }
    }

    fn admits(&self, source: SocketAddr, datagram: &[u8]) -> bool {
        let mut peer = self.peer();
        if peer.latched.is_some_and(|latch| latch.source == source) {
            return true;
        }
        let Some(trust) = peer.trust(source) else {
            return false;
        };
        let is_rtp = Packet::parse(datagram).is_ok();
        if is_rtp {
            peer.latched = Some(Latch { source, trust });
        }
        is_rtp
    }

    fn peer(&self) -> std::sync::MutexGuard<'_, Peer> {
        // The lock guards plain assignments; a poisoned one holds valid data.
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const RTP: [u8; 13] = [0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff];

    fn any_port() -> PortRange {
        PortRange {
            first: 20_000,
            last: 29_999,
        }
    }

    async fn peer() -> UdpSocket {
        UdpSocket::bind((LOCAL, 0)).await.unwrap()
    }

    async fn received(socket: &RtpSocket) -> bool {
        let mut buffer = [0; 64];
        tokio::time::timeout(Duration::from_millis(50), socket.recv(&mut buffer))
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn the_first_valid_source_is_believed_and_later_ones_refused() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        let (behind_nat, stranger) = (peer().await, peer().await);
        socket.set_remote("127.0.0.1:9".parse().unwrap());
        stranger.send_to(b"not rtp", socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
        behind_nat.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
        stranger.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
        assert_eq!(socket.remote(), Some(behind_nat.local_addr().unwrap()));
        assert_eq!(socket.refused(), 2);
    }

    #[tokio::test]
    async fn the_negotiated_address_wins_over_a_faster_stranger() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        let (callee, stranger) = (peer().await, peer().await);
        socket.set_remote(callee.local_addr().unwrap());
        stranger.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
        callee.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
        assert_eq!(socket.remote(), Some(callee.local_addr().unwrap()));
        stranger.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
    }

    #[tokio::test]
    async fn nothing_is_accepted_before_the_peer_is_known() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        peer().await.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
        assert_eq!(socket.remote(), None);
    }

    #[tokio::test]
    async fn hold_keeps_the_learned_address_for_later() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        let (callee, remote) = (peer().await, "127.0.0.1:9".parse().unwrap());
        socket.set_remote(remote);
        callee.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
        socket.set_remote("0.0.0.0:9".parse().unwrap());
        assert_eq!(socket.remote(), None);
        socket.set_remote(remote);
        assert_eq!(socket.remote(), Some(callee.local_addr().unwrap()));
    }

    /// A host of its own on the loopback network.
    async fn host(last: u8) -> UdpSocket {
        UdpSocket::bind((IpAddr::from([127, 0, 0, last]), 0)).await.unwrap()
    }

    #[tokio::test]
    async fn who_sends_from_where_sip_comes_from_is_believed_at_any_time_and_over_a_faster_stranger() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        let (stranger, caller, other) = (host(2).await, host(3).await, host(3).await);
        socket.set_signalling([127, 0, 0, 3].into());
        socket.set_remote("10.0.0.9:4000".parse().unwrap());
        stranger.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await, "anybody may be behind the NAT");
        socket.peer().until = Instant::now();
        caller.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
        for late in [&stranger, &other] {
            late.send_to(&RTP, socket.local_addr()).await.unwrap();
            assert!(!received(&socket).await);
        }
        assert_eq!(socket.remote(), Some(caller.local_addr().unwrap()));
    }

    #[tokio::test]
    async fn an_address_that_can_be_reached_is_not_taken_by_strangers() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        socket.set_signalling([127, 0, 0, 3].into());
        let remote = "203.0.113.9:4000".parse().unwrap();
        socket.set_remote(remote);
        host(2).await.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
        assert_eq!(socket.remote(), Some(remote));
        host(3).await.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(received(&socket).await);
    }

    #[test]
    fn addresses_behind_nat_are_known() {
        for (text, unroutable) in [
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("169.254.0.1", true),
            ("::ffff:192.168.0.1", true),
            ("fd00::1", true),
            ("198.51.100.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_unroutable(text.parse().unwrap()), unroutable, "{text}");
        }
    }

    #[tokio::test]
    async fn the_window_closes() {
        let socket = RtpSocket::bind(LOCAL, any_port()).unwrap();
        socket.set_remote("127.0.0.1:9".parse().unwrap());
        socket.peer().until = Instant::now();
        peer().await.send_to(&RTP, socket.local_addr()).await.unwrap();
        assert!(!received(&socket).await);
    }

    #[tokio::test]
    async fn ports_are_even_and_an_exhausted_range_says_so() {
        let range = PortRange {
            first: 31_001,
            last: 31_004,
        };
        let sockets: Vec<_> = (0..2).map(|_| RtpSocket::bind(LOCAL, range).unwrap()).collect();
        assert!(sockets.iter().all(|socket| socket.local_addr().port() % 2 == 0));
        let error = RtpSocket::bind(LOCAL, range).unwrap_err();
        assert_eq!(
            error.to_string(),
            "all RTP ports from 31001 to 31004 are in use; widen the range"
        );
    }
}
