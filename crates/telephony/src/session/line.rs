//! The line of one call: RTP out every 20 ms, packets in, and what the two sides agreed on.

use std::{net::SocketAddr, time::Duration};

use media::{
    Codec, FRAME_SAMPLES, dtmf,
    recording::interleave,
    rtp::{Marker, Packet, Packetizer},
    sdp::{self, Negotiated},
};

use crate::rtp_socket::RtpSocket;

/// Both directions of the media of a call.
pub(super) struct Line {
    socket: RtpSocket,
    negotiated: Negotiated,
    advertised: SocketAddr,
    session_id: u64,
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
    pub(super) fn new(socket: RtpSocket, negotiated: Negotiated, advertised: SocketAddr) -> Self {
        // RFC 3550 section 5.1: SSRC, first sequence number and first timestamp are random.
        socket.set_remote(negotiated.remote);
        let packetizer = Packetizer::new(rand::random(), rand::random(), rand::random(), negotiated.payload_type);
        Self {
            socket,
            negotiated,
            advertised,
            session_id: u64::from(rand::random::<u32>()),
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

    /// Sends the next frame, filled by `fill` (silence where it gives nothing). What `fill` said.
    pub(super) fn send(&mut self, fill: impl FnOnce(&mut [i16; FRAME_SAMPLES]) -> bool) -> bool {
        self.outbound.fill(0);
        let first = fill(&mut self.outbound);
        if !self.negotiated.sends {
            self.packetizer.skip(FRAME_SAMPLES as u32);
            return first;
        }
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

    /// When the last packet came; while the other side holds the call none is expected, which counts as now.
    pub(super) fn last_packet(&self, now: Duration) -> Duration {
        if self.negotiated.receives {
            self.last_packet
        } else {
            now
        }
    }

    /// Datagrams from strangers.
    pub(super) fn refused(&self) -> u64 {
        self.socket.refused()
    }

    /// Answers a new offer within the call (RFC 3264 section 8): hold, resume, another address.
    pub(super) fn renegotiate(&mut self, offer: &str) -> Result<String, u16> {
        const NOT_ACCEPTABLE_HERE: u16 = 488;
        let negotiated = sdp::negotiate(offer, &[self.negotiated.codec]).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        let answer =
            sdp::answer(offer, self.advertised, self.session_id, &negotiated).map_err(|_| NOT_ACCEPTABLE_HERE)?;
        self.socket.set_remote(negotiated.remote);
        self.negotiated = negotiated;
        Ok(answer)
    }
}
