//! The line of one call: RTP out every 20 ms, packets in, and what the two sides agreed on.

use std::{net::SocketAddr, time::Duration};

use media::{
    Codec, FRAME_SAMPLES, dtmf,
    recording::interleave,
    rtp::{Marker, Packet, Packetizer},
    sdp::{self, Negotiated, Origin},
};

use crate::rtp_socket::RtpSocket;

/// What the other side was told about our media.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Our address.
    pub(crate) advertised: SocketAddr,
    /// Session and version of the description.
    pub(crate) origin: Origin,
    /// The description.
    pub(crate) sdp: String,
}

/// Both directions of the media of a call.
pub(super) struct Line {
    socket: RtpSocket,
    negotiated: Negotiated,
    described: Described,
    packetizer: Packetizer,
    keys: dtmf::Receiver,
    outbound: [i16; FRAME_SAMPLES],
    inbound: [i16; FRAME_SAMPLES],
    stereo: Vec<i16>,
    payload: Vec<u8>,
    datagram: Vec<u8>,
    first_sent: bool,
    last_packet: Duration,
}

impl Line {
    pub(super) fn new(socket: RtpSocket, negotiated: Negotiated, described: Described) -> Self {
        // RFC 3550 section 5.1: SSRC, first sequence number and first timestamp are random.
        socket.set_remote(negotiated.remote);
        let packetizer = Packetizer::new(rand::random(), rand::random(), rand::random(), negotiated.payload_type);
        Self {
            socket,
            negotiated,
            described,
            packetizer,
            keys: dtmf::Receiver::new(),
            outbound: [0; FRAME_SAMPLES],
            inbound: [0; FRAME_SAMPLES],
            stereo: Vec::with_capacity(2 * FRAME_SAMPLES),
            payload: Vec::with_capacity(FRAME_SAMPLES),
            datagram: Vec::with_capacity(FRAME_SAMPLES + 12),
            first_sent: false,
            last_packet: Duration::ZERO,
        }
    }

    /// Sends the next frame, filled by `fill` (silence where it gives nothing). What `fill` said. While the other
    /// side does not listen, nothing is asked of it.
    pub(super) fn send(&mut self, fill: impl FnOnce(&mut [i16; FRAME_SAMPLES]) -> bool) -> bool {
        self.outbound.fill(0);
        if !self.negotiated.sends {
            self.packetizer.skip(FRAME_SAMPLES as u32);
            return false;
        }
        let first = fill(&mut self.outbound);
        self.payload.clear();
        self.negotiated.codec.encode(&self.outbound, &mut self.payload);
        // RFC 3551 section 4.1: the marker tells the beginning of a talkspurt.
        let marker = if first || !self.first_sent {
            Marker::Set
        } else {
            Marker::Clear
        };
        self.first_sent = true;
        self.packetizer
            .packet(&self.payload, FRAME_SAMPLES as u32, marker, &mut self.datagram);
        // A full or refused socket loses a frame, as the network may; the stream goes on.
        let _ = self.socket.try_send(&self.datagram);
        first
    }

    /// Waits for a datagram from the other side; its length in `buffer`.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> usize {
        self.socket.recv(buffer).await
    }

    /// A packet of the stream, or nothing for what is none.
    pub(super) fn parse<'a>(&mut self, datagram: &'a [u8], now: Duration) -> Option<Packet<'a>> {
        let packet = Packet::parse(datagram).ok()?;
        self.last_packet = now;
        Some(packet)
    }

    pub(super) fn is_audio(&self, packet: &Packet<'_>) -> bool {
        packet.payload_type == self.negotiated.payload_type
    }

    /// Whether a packet is a telephone event (RFC 4733).
    pub(super) fn is_keys(&self, packet: &Packet<'_>) -> bool {
        Some(packet.payload_type) == self.negotiated.dtmf_payload_type
    }

    /// The key that a telephone event says was pressed, once for each press.
    pub(super) fn key(&mut self, packet: &Packet<'_>) -> Option<char> {
        self.keys.handle(packet)
    }

    pub(super) fn codec(&self) -> Codec {
        self.negotiated.codec
    }

    /// Where hearing puts the caller's next 20 ms.
    pub(super) fn inbound_frame(&mut self) -> &mut [i16; FRAME_SAMPLES] {
        &mut self.inbound
    }

    /// The last 20 ms of both sides: caller left, agent right.
    pub(super) fn stereo(&mut self) -> &[i16] {
        self.stereo.clear();
        interleave(&self.inbound, &self.outbound, &mut self.stereo);
        &self.stereo
    }

    /// When the last packet came; while either side is on hold none is expected, which counts as now.
    pub(super) fn last_packet(&self, now: Duration) -> Duration {
        if self.negotiated.sends && self.negotiated.receives {
            self.last_packet
        } else {
            now
        }
    }

    /// Datagrams from strangers.
    pub(super) fn refused(&self) -> u64 {
        self.socket.refused()
    }

    /// Answers a new offer within the call (RFC 3264 section 8): hold, resume, another address. The clock of
    /// missing packets starts anew.
    pub(super) fn renegotiate(&mut self, offer: &str, now: Duration) -> Result<String, u16> {
        const NOT_ACCEPTABLE_HERE: u16 = 488;
        let negotiated = sdp::negotiate(offer, &[self.negotiated.codec]).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let advertised = self.described.advertised;
        let describe = |origin| sdp::answer(offer, advertised, origin, &negotiated).map_err(|_| NOT_ACCEPTABLE_HERE);
        let mut answer = describe(self.described.origin)?;
        if answer != self.described.sdp {
            self.described.origin = self.described.origin.next();
            answer = describe(self.described.origin)?;
            self.described.sdp.clone_from(&answer);
        }
        self.socket.set_remote(negotiated.remote);
        self.negotiated = negotiated;
        self.last_packet = now;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::rtp_socket::PortRange;

    fn offer(direction: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na={direction}\r\n"
        )
    }

    /// A line as it is after the answer to an ordinary offer.
    fn line() -> Line {
        let ports = PortRange {
            first: 20_000,
            last: 39_998,
        };
        let socket = RtpSocket::bind("127.0.0.1".parse().unwrap(), ports).unwrap();
        let offer = offer("sendrecv");
        let negotiated = sdp::negotiate(&offer, &[Codec::Pcmu]).unwrap();
        let (advertised, origin) = (socket.local_addr(), Origin::new(7));
        let sdp = sdp::answer(&offer, advertised, origin, &negotiated).unwrap();
        let described = Described {
            advertised,
            origin,
            sdp,
        };
        Line::new(socket, negotiated, described)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test]
    async fn a_line_on_hold_is_not_dead_nor_is_it_when_the_call_goes_on() {
        let mut line = line();
        for hold in ["sendonly", "recvonly", "inactive"] {
            line.renegotiate(&offer(hold), seconds(10)).unwrap();
            assert_eq!(line.last_packet(seconds(100)), seconds(100), "{hold}");
        }
        line.renegotiate(&offer("sendrecv"), seconds(100)).unwrap();
        assert_eq!(line.last_packet(seconds(101)), seconds(100));
    }

    #[tokio::test]
    async fn nothing_is_said_to_one_who_does_not_listen() {
        let mut line = line();
        assert!(line.send(|_| true));
        line.renegotiate(&offer("sendonly"), seconds(1)).unwrap();
        assert!(!line.send(|_| panic!("asked for sound")));
        line.renegotiate(&offer("sendrecv"), seconds(2)).unwrap();
        assert!(line.send(|_| true));
    }

    #[tokio::test]
    async fn descriptions_keep_their_session_and_count_their_changes() {
        let mut line = line();
        let mut origin = |direction: &str| {
            let answer = line.renegotiate(&offer(direction), seconds(1)).unwrap();
            answer.lines().nth(1).unwrap().to_owned()
        };
        for (direction, expected) in [
            ("sendrecv", "o=- 7 1 IN IP4 127.0.0.1"),
            ("sendonly", "o=- 7 2 IN IP4 127.0.0.1"),
            ("sendonly", "o=- 7 2 IN IP4 127.0.0.1"),
            ("sendrecv", "o=- 7 3 IN IP4 127.0.0.1"),
        ] {
            assert_eq!(origin(direction), expected, "{direction}");
        }
    }
}
