//! RTP datagrams (RFC 3550 §5.1), read and written; no sessions, no RTCP.

use std::fmt;

/// Length of the header without contributing sources or extension.
const HEADER_BYTES: usize = 12;

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpError {
    /// It ends before its header, extension or padding does.
    Truncated,
    /// Its version is not 2.
    Version(u8),
    /// It is an RTCP packet that came to the RTP port (RFC 5761 §4).
    Rtcp,
    /// Its last byte claims more padding than there is payload, or none at all.
    Padding,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("RTP packet is truncated"),
            Self::Version(version) => write!(f, "RTP version {version} instead of 2"),
            Self::Rtcp => f.write_str("RTCP packet instead of RTP"),
            Self::Padding => f.write_str("RTP padding is impossible"),
        }
    }
}

impl std::error::Error for RtpError {}

/// One datagram, borrowed: header fields and the payload without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// Start of a talkspurt or of an event.
    pub marker: bool,
    /// Counts packets, wraps.
    pub sequence: u16,
    /// Time of the first sample, in samples, wraps.
    pub timestamp: u32,
    /// The sender's stream.
    pub ssrc: u32,
    /// The encoded media.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram as received; never panics, whatever the bytes.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let (header, mut rest) = datagram
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(RtpError::Truncated)?;
        let version = header[0] >> 6;
        if version != 2 {
            return Err(RtpError::Version(version));
        }
        if (192..=223).contains(&header[1]) {
            return Err(RtpError::Rtcp);
        }
        rest = skip(rest, usize::from(header[0] & 0x0f) * 4)?;
        if header[0] & 0x10 != 0 {
            let (extension, _) = rest.split_first_chunk::<4>().ok_or(RtpError::Truncated)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            rest = skip(rest, 4 + usize::from(words) * 4)?;
        }
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
            if padding == 0 || padding > rest.len() {
                return Err(RtpError::Padding);
            }
            rest = &rest[..rest.len() - padding];
        }
        Ok(Self {
            payload_type: header[1] & 0x7f,
            marker: header[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: rest,
        })
    }

    /// Writes the packet as one datagram into `out`, which is cleared first.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(HEADER_BYTES + self.payload.len());
        out.push(0x80);
        out.push((self.payload_type & 0x7f) | if self.marker { 0x80 } else { 0 });
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

fn skip(bytes: &[u8], count: usize) -> Result<&[u8], RtpError> {
    bytes.get(count..).ok_or(RtpError::Truncated)
}

/// Whether a packet starts a talkspurt or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It does.
    Set,
    /// It continues one.
    Clear,
}

/// Numbers the packets of one outgoing stream.
#[derive(Clone, Debug)]
pub struct Packetizer {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
}

impl Packetizer {
    /// The first packet will carry these numbers; RFC 3550 §5.1 wants them random.
    pub fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32, payload_type: u8) -> Self {
        Self {
            ssrc,
            sequence: first_sequence,
            timestamp: first_timestamp,
            payload_type,
        }
    }

    /// Writes one datagram into `out` (cleared first), then advances sequence and timestamp.
    pub fn packet(&mut self, payload: &[u8], samples: u32, marker: Marker, out: &mut Vec<u8>) {
        self.with_payload_type(self.payload_type, self.timestamp, payload, marker, out);
        self.skip(samples);
    }

    /// Lets time pass without a packet, for silence that is not sent.
    pub fn skip(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }

    /// Writes one datagram of another payload type at a fixed timestamp, as telephone events need
    /// (RFC 4733 §2.5.1.2); only the sequence advances.
    pub fn with_payload_type(
        &mut self,
        payload_type: u8,
        timestamp: u32,
        payload: &[u8],
        marker: Marker,
        out: &mut Vec<u8>,
    ) {
        let packet = Packet {
            payload_type,
            marker: marker == Marker::Set,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload,
        };
        packet.write(out);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// The timestamp of the next packet.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The stream that the packets belong to.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0x03, 0xe8, 1, 2, 3, 4, 0xaa, 0xbb];

    #[test]
    fn a_packet_is_read_field_by_field() {
        let packet = Packet::parse(&PLAIN).unwrap();
        assert_eq!(
            packet,
            Packet {
                payload_type: 8,
                marker: true,
                sequence: 0x1234,
                timestamp: 1_000,
                ssrc: 0x0102_0304,
                payload: &[0xaa, 0xbb],
            }
        );
    }

    #[test]
    fn sources_extension_and_padding_are_no_payload() {
        let mut datagram = vec![0x80 | 0x20 | 0x10 | 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        datagram.extend([0; 8]);
        datagram.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        datagram.extend([7, 7, 7, 0, 0, 3]);
        assert_eq!(Packet::parse(&datagram).unwrap().payload, [7, 7, 7]);
    }

    #[test]
    fn what_is_no_rtp_says_why() {
        let change = |at: usize, to: u8| {
            let mut bytes = PLAIN;
            bytes[at] = to;
            bytes
        };
        for (datagram, error) in [
            (&PLAIN[..11], RtpError::Truncated),
            (&[], RtpError::Truncated),
            (&change(0, 0x40), RtpError::Version(1)),
            (&change(1, 200), RtpError::Rtcp),
            (&change(0, 0x8f), RtpError::Truncated),
            (&change(0, 0x90), RtpError::Truncated),
            (&change(0, 0xa0), RtpError::Padding),
        ] {
            assert_eq!(Packet::parse(datagram), Err(error), "{datagram:?}");
        }
    }

    #[test]
    fn the_packetizer_numbers_packets_and_lets_silence_pass() {
        let mut packetizer = Packetizer::new(7, u16::MAX, u32::MAX - 79, 0);
        let mut out = vec![99];
        packetizer.packet(&[1], 160, Marker::Set, &mut out);
        let first = Packet::parse(&out).unwrap();
        assert_eq!(
            (first.sequence, first.timestamp, first.marker),
            (u16::MAX, u32::MAX - 79, true)
        );
        packetizer.skip(160);
        packetizer.packet(&[2], 160, Marker::Clear, &mut out);
        let second = Packet::parse(&out).unwrap();
        assert_eq!((second.sequence, second.timestamp, second.marker), (0, 240, false));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn no_header_bits_make_the_parser_panic(first in 0x80..=0xbf_u8, rest in proptest::collection::vec(any::<u8>(), 11..80)) {
            let mut bytes = vec![first];
            bytes.extend(rest);
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() <= bytes.len() - HEADER_BYTES);
            }
        }
    }
}
