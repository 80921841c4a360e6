//! Keys pressed on the telephone, as RTP events (RFC 4733).

use std::time::Duration;

use crate::rtp::{Marker, Packet, Packetizer};

/// Keys by event code (RFC 4733 §3.2).
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

/// A packet this much older than the newest event is a restarted stream, not a straggler (5 s).
const STRAGGLER_SAMPLES: i32 = 40_000;

#[derive(Clone, Copy, Debug)]
struct Event {
    ssrc: u32,
    timestamp: u32,
    code: u8,
    duration: u16,
    ended: bool,
}

/// Turns the packets of telephone events into one key per press.
///
/// A key is reported with the first packet that arrives of its event, so lost first or last packets do
/// not matter; all packets of an event share its timestamp.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    last: Option<Event>,
}

impl Receiver {
    /// A receiver that has heard nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet whose payload type is the negotiated telephone-event; `None` if it is no new key.
    pub fn handle(&mut self, packet: &Packet<'_>) -> Option<char> {
        let &[code, flags, high, low, ..] = packet.payload else {
            return None;
        };
        let key = *KEYS.get(usize::from(code))?;
        let event = Event {
            ssrc: packet.ssrc,
            timestamp: packet.timestamp,
            code,
            duration: u16::from_be_bytes([high, low]),
            ended: flags & 0x80 != 0,
        };
        let Some(last) = &mut self.last else {
            self.last = Some(event);
            return Some(key);
        };
        if last.ssrc == event.ssrc {
            let age = event.timestamp.wrapping_sub(last.timestamp) as i32;
            if age == 0 {
                last.duration = last.duration.max(event.duration);
                last.ended |= event.ended;
                return None;
            }
            if (-STRAGGLER_SAMPLES..0).contains(&age) {
                return None;
            }
        }
        let continues = is_next_segment(last, &event);
        *last = event;
        (!continues).then_some(key)
    }
}

/// A press of more than 8 s goes on in a new event right behind the old (RFC 4733 §2.5.1.3).
fn is_next_segment(last: &Event, event: &Event) -> bool {
    last.ssrc == event.ssrc
        && last.code == event.code
        && !last.ended
        && last.timestamp.wrapping_add(u32::from(u16::MAX)) == event.timestamp
}

/// How often a pressed key is reported (RFC 4733 §2.5.1.2 recommends 50 ms).
pub const UPDATE: Duration = Duration::from_millis(50);

/// The shortest press that receivers reliably notice.
pub const PRESS_MIN: Duration = Duration::from_millis(50);
/// The longest press that fits one event.
pub const PRESS_MAX: Duration = Duration::from_secs(8);

/// The final report is sent this often, since the event's end hangs on it (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// −10 dBm0, as telephones send.
const VOLUME: u8 = 10;
const UPDATE_SAMPLES: u32 = 400;

/// Makes the datagrams of one key press.
///
/// Call [`Sender::send`] until it gives `None`, waiting as long as it says in between; send no audio
/// meanwhile. The stream's timestamp has then passed the whole press.
#[derive(Clone, Debug)]
pub struct Sender {
    code: u8,
    payload_type: u8,
    press_samples: u32,
    sent_samples: u32,
    start: Option<u32>,
    ends_left: u8,
}

impl Sender {
    /// `None` if `key` is none of `0`–`9 * # A`–`D`. The press is clamped to what one event can carry.
    pub fn new(key: char, press: Duration, payload_type: u8) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        let code = KEYS.iter().position(|&known| known == key)? as u8;
        let press = press.clamp(PRESS_MIN, PRESS_MAX);
        Some(Self {
            code,
            payload_type,
            press_samples: press.as_millis() as u32 * 8,
            sent_samples: 0,
            start: None,
            ends_left: END_PACKETS,
        })
    }

    /// Writes the next datagram into `out` (cleared first) and says how long to wait before the next call;
    /// `None` when the press is over and nothing was written.
    pub fn send(&mut self, packetizer: &mut Packetizer, out: &mut Vec<u8>) -> Option<Duration> {
        if self.ends_left == 0 {
            return None;
        }
        let marker = if self.start.is_none() {
            Marker::Set
        } else {
            Marker::Clear
        };
        let start = *self.start.get_or_insert(packetizer.timestamp());
        self.sent_samples = (self.sent_samples + UPDATE_SAMPLES).min(self.press_samples);
        let ended = self.sent_samples == self.press_samples;
        let [high, low] = (self.sent_samples as u16).to_be_bytes();
        let flags = VOLUME | if ended { 0x80 } else { 0 };
        let payload = [self.code, flags, high, low];
        packetizer.with_payload_type(self.payload_type, start, &payload, marker, out);
        packetizer.skip(UPDATE_SAMPLES);
        if ended {
            self.ends_left -= 1;
        }
        Some(UPDATE)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn press(key: char, millis: u64, packetizer: &mut Packetizer) -> Vec<Vec<u8>> {
        let mut sender = Sender::new(key, Duration::from_millis(millis), 101).unwrap();
        let (mut datagrams, mut out) = (Vec::new(), Vec::new());
        while sender.send(packetizer, &mut out).is_some() {
            datagrams.push(out.clone());
        }
        datagrams
    }

    fn keys<'a>(datagrams: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
        let mut receiver = Receiver::new();
        datagrams
            .into_iter()
            .filter_map(|datagram| receiver.handle(&Packet::parse(datagram).unwrap()))
            .collect()
    }

    #[test]
    fn a_press_is_updates_and_three_ends_with_the_marker_first() {
        let mut packetizer = Packetizer::new(1, 0, 8_000, 0);
        let datagrams = press('#', 160, &mut packetizer);
        let seen: Vec<_> = datagrams
            .iter()
            .map(|datagram| {
                let packet = Packet::parse(datagram).unwrap();
                let duration = u16::from_be_bytes([packet.payload[2], packet.payload[3]]);
                assert_eq!(
                    (packet.timestamp, packet.payload_type, packet.payload[0]),
                    (8_000, 101, 11)
                );
                (packet.sequence, packet.marker, packet.payload[1] & 0x80 != 0, duration)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (0, true, false, 400),
                (1, false, false, 800),
                (2, false, false, 1_200),
                (3, false, true, 1_280),
                (4, false, true, 1_280),
                (5, false, true, 1_280),
            ]
        );
        assert_eq!(packetizer.timestamp(), 8_000 + 6 * 400);
    }

    #[test]
    fn each_press_gives_one_key_even_twice_the_same() {
        let mut packetizer = Packetizer::new(1, u16::MAX - 2, u32::MAX - 500, 0);
        let datagrams: Vec<_> = "112*D0"
            .chars()
            .flat_map(|key| press(key, 100, &mut packetizer))
            .collect();
        assert_eq!(keys(&datagrams), "112*D0");
    }

    #[test]
    fn lost_first_or_last_packets_change_nothing() {
        let mut packetizer = Packetizer::new(1, 0, 0, 0);
        let presses: Vec<_> = "55#".chars().map(|key| press(key, 200, &mut packetizer)).collect();
        let without_ends: Vec<_> = presses.iter().flat_map(|all| &all[..2]).collect();
        let only_the_last: Vec<_> = presses.iter().flat_map(|all| &all[all.len() - 1..]).collect();
        assert_eq!(keys(without_ends), "55#");
        assert_eq!(keys(only_the_last), "55#");
    }

    #[test]
    fn a_straggler_of_the_previous_key_is_no_new_key() {
        let mut packetizer = Packetizer::new(1, 0, 0, 0);
        let (one, two) = (press('1', 100, &mut packetizer), press('2', 100, &mut packetizer));
        assert_eq!(keys([&one[0], &two[0], &one[1], &two[1]]), "12");
    }

    #[test]
    fn a_press_longer_than_one_event_is_still_one_key() {
        let mut receiver = Receiver::new();
        let mut feed = |timestamp, marker, payload: [u8; 4]| {
            receiver.handle(&Packet {
                payload_type: 101,
                marker,
                sequence: 0,
                timestamp,
                ssrc: 1,
                payload: &payload,
            })
        };
        assert_eq!(feed(100, true, [3, 10, 0xff, 0xff]), Some('3'));
        assert_eq!(feed(100 + 0xffff, false, [3, 10, 1, 0x90]), None);
        assert_eq!(feed(100 + 0xffff, false, [3, 0x8a, 2, 0]), None);
        assert_eq!(feed(100 + 2 * 0xffff, true, [3, 10, 2, 0]), Some('3'));
    }

    #[test]
    fn flash_and_unknown_keys_are_no_keys() {
        let packet = Packet {
            payload_type: 101,
            marker: true,
            sequence: 0,
            timestamp: 0,
            ssrc: 1,
            payload: &[16, 0, 0, 0],
        };
        assert_eq!(Receiver::new().handle(&packet), None);
        assert!(Sender::new('x', UPDATE, 101).is_none());
    }

    proptest! {
        #[test]
        fn no_payload_makes_the_receiver_panic(
            packets in proptest::collection::vec((any::<u32>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..6)), 0..50)
        ) {
            let mut receiver = Receiver::new();
            for (ssrc, timestamp, payload) in &packets {
                receiver.handle(&Packet { payload_type: 101, marker: false, sequence: 0, timestamp: *timestamp, ssrc: ssrc % 2, payload });
            }
        }
    }
}
