//! The jitter buffer: RTP packets in as they come, 20 ms frames out on time.
//!
//! It stores samples by RTP timestamp, not packets, so any packet time works. It plays behind the fastest
//! recent packet by a delay that follows the network, grows and shrinks that delay in quiet moments, and
//! bridges losses by repeating the last pitch period, faded out over 60 ms.

mod conceal;
mod delay;
mod sequence;

use std::time::Duration;

use crate::{Codec, FRAME_SAMPLES, SAMPLE_RATE_HZ, rtp};
use conceal::Concealer;
use delay::Delays;
use sequence::{Seen, Sequence};

/// What is kept ahead of playing: about 1 s. A packet beyond it moves playing there; the newest wins.
const CAPACITY: usize = 8_192;
const HORIZON: i64 = SAMPLE_RATE_HZ as i64;

/// Longer packets (200 ms) are no telephony and are dropped.
const PACKET_SAMPLES_MAX: usize = 1_600;

const FRAME: i64 = FRAME_SAMPLES as i64;

/// Packets that are all late for so long mean that the path has become slower or the sender's clock
/// jumped: playing moves to them. A burst after a stall is shorter and is let go.
const LATE_PACKETS_MAX: u32 = 5;
const LATE_SPAN: i64 = 640;

/// Frames between two changes of the delay, so that no word is chopped.
const ADAPT_EVERY: u32 = 5;
/// Too much delay by this is reduced in a quiet moment …
const EXCESS: i64 = 2 * FRAME;
/// … and by this at once.
const EXCESS_MAX: i64 = 10 * FRAME;

/// Mean amplitude of a frame that nobody misses or hears twice, about −50 dB.
const QUIET: u32 = 100;

/// What a pulled frame contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Received sound.
    Audio,
    /// Sound made up, at least partly, for what is missing.
    Concealed,
    /// Nothing received for a while, or nothing yet.
    Silence,
}

/// Counts since the start, and the present delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that arrived, without duplicates.
    pub received: u64,
    /// Packets that never arrived, by their sequence numbers (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Packets that arrived after their time.
    pub late: u64,
    /// Packets that arrived again.
    pub duplicate: u64,
    /// Frames that were made up.
    pub concealed: u64,
    /// The delay that the network needs at present.
    pub target_delay_ms: u32,
}

/// One SSRC's place in time. Positions are timestamps extended to 64 bits.
#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    sequence: Sequence,
    timestamp: u32,
    position: i64,
    /// The next sample to play.
    play: i64,
    /// Behind the last sample received.
    end: i64,
    late_packets: u32,
    late_since: i64,
}

/// Adaptive playout buffer for one direction of a call.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    samples: Vec<i16>,
    filled: Vec<bool>,
    decoded: Vec<i16>,
    stream: Option<Stream>,
    delays: Delays,
    concealer: Concealer,
    since_adapted: u32,
    stats: JitterStats,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            samples: vec![0; CAPACITY],
            filled: vec![false; CAPACITY],
            decoded: Vec::with_capacity(PACKET_SAMPLES_MAX),
            stream: None,
            delays: Delays::new(),
            concealer: Concealer::new(),
            since_adapted: 0,
            stats: JitterStats::default(),
        }
    }
}

impl JitterBuffer {
    /// An empty buffer; all its memory is taken now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an audio packet as it arrives. A new SSRC takes over at once.
    pub fn push(&mut self, now: Duration, packet: &rtp::Packet<'_>, codec: Codec) {
        if packet.payload.is_empty() || packet.payload.len() > PACKET_SAMPLES_MAX {
            return;
        }
        let now = in_samples(now);
        let Some(position) = self.locate(packet) else {
            return;
        };
        self.decoded.clear();
        codec.decode(packet.payload, &mut self.decoded);
        self.delays.add(now - position);
        if self.is_in_time(now, position) {
            self.store(position);
        }
    }

    /// Accounts for a packet of the same stream that is no audio (a telephone event), so that it does not
    /// count as lost.
    pub fn skip(&mut self, packet: &rtp::Packet<'_>) {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == packet.ssrc) {
            stream.sequence.note(packet.sequence);
        }
    }

    /// Fills the next frame; call it every 20 ms.
    pub fn pull(&mut self, now: Duration, out: &mut [i16; FRAME_SAMPLES]) -> Pulled {
        self.since_adapted = self.since_adapted.saturating_add(1);
        if self.stream.is_none() {
            out.fill(0);
            return Pulled::Silence;
        }
        let lag = self.lag(in_samples(now));
        self.shrink_if_due(lag);
        let present = self.present(0);
        let pulled = if present == FRAME_SAMPLES {
            self.read(out);
            self.concealer.resume(out);
            Pulled::Audio
        } else {
            self.bridge(out, present)
        };
        if !self.waits(lag, present, out) {
            self.advance();
        }
        self.stats.concealed += u64::from(pulled == Pulled::Concealed);
        pulled
    }

    /// What happened so far.
    pub fn stats(&self) -> JitterStats {
        let open = self.stream.as_ref().map_or(0, |stream| stream.sequence.lost());
        JitterStats {
            lost: self.stats.lost + open,
            target_delay_ms: (self.delays.target() / 8) as u32,
            ..self.stats
        }
    }

    /// Where the packet's first sample belongs; `None` for one that was there already or is ancient.
    fn locate(&mut self, packet: &rtp::Packet<'_>) -> Option<i64> {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == packet.ssrc) else {
            self.start(packet);
            self.stats.received += 1;
            return Some(0);
        };
        match stream.sequence.note(packet.sequence) {
            Seen::New => {}
            Seen::Duplicate => {
                self.stats.duplicate += 1;
                return None;
            }
            Seen::Ancient => {
                self.stats.late += 1;
                return None;
            }
            Seen::Restarted { lost } => self.stats.lost += lost,
        }
        self.stats.received += 1;
        let step = packet.timestamp.wrapping_sub(stream.timestamp) as i32;
        let position = stream.position + i64::from(step);
        stream.timestamp = packet.timestamp;
        stream.position = position;
        let ahead = position - stream.play;
        if !(-HORIZON..HORIZON - packet.payload.len() as i64).contains(&ahead) {
            self.jump(position);
        }
        Some(position)
    }

    fn start(&mut self, packet: &rtp::Packet<'_>) {
        if let Some(old) = self.stream.take() {
            self.stats.lost += old.sequence.lost();
        }
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            sequence: Sequence::new(packet.sequence),
            timestamp: packet.timestamp,
            position: 0,
            play: 0,
            end: 0,
            late_packets: 0,
            late_since: 0,
        });
        self.jump(0);
    }

    /// Plays on from here, after the delay that the network needed so far; drops what was buffered.
    fn jump(&mut self, position: i64) {
        self.filled.fill(false);
        self.delays.clear();
        if let Some(stream) = &mut self.stream {
            stream.play = position - self.delays.target();
            stream.end = position;
            stream.late_packets = 0;
        }
    }

    /// Whether a packet still has something to play; if none has for long, playing moves to it.
    fn is_in_time(&mut self, now: i64, position: i64) -> bool {
        let length = self.decoded.len() as i64;
        let Some(stream) = &mut self.stream else {
            return false;
        };
        if position + length > stream.play {
            stream.late_packets = 0;
            return true;
        }
        self.stats.late += 1;
        if stream.late_packets == 0 {
            stream.late_since = now;
        }
        stream.late_packets += 1;
        if stream.late_packets < LATE_PACKETS_MAX || now - stream.late_since < LATE_SPAN {
            return false;
        }
        self.jump(position);
        self.delays.add(now - position);
        true
    }

    fn store(&mut self, position: i64) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let first = stream.play.max(position);
        let missed = (first - position) as usize;
        for (at, &sample) in (first..).zip(&self.decoded[missed..]) {
            self.samples[slot(at)] = sample;
            self.filled[slot(at)] = true;
        }
        stream.end = stream.end.max(position + self.decoded.len() as i64);
    }

    /// How far playing is behind the fastest recent packet.
    fn lag(&self, now: i64) -> i64 {
        let play = self.stream.as_ref().map_or(0, |stream| stream.play);
        now - self.delays.fastest().unwrap_or(now - play) - play
    }

    /// Drops a frame that is missing or quiet, or any frame if it's far too late, when the one behind it is there.
    fn shrink_if_due(&mut self, lag: i64) {
        let excess = lag - self.delays.target();
        if excess < EXCESS || self.present(FRAME) < FRAME_SAMPLES {
            return;
        }
        let free = self.present(0) == 0 || (self.since_adapted >= ADAPT_EVERY && self.is_quiet());
        if free || excess >= EXCESS_MAX {
            self.advance();
            self.since_adapted = 0;
        }
    }

    /// Whether the frame just played is to be played again, since packets need more time than they have:
    /// in silence, or where something is missing that may still come.
    fn waits(&mut self, lag: i64, present: usize, out: &[i16; FRAME_SAMPLES]) -> bool {
        let short_by = self.delays.target() - lag;
        let waits = if present == 0 {
            short_by > 0
        } else {
            short_by >= FRAME && self.since_adapted >= ADAPT_EVERY && is_quiet(out.iter())
        };
        if waits {
            self.since_adapted = 0;
        }
        waits
    }

    /// Makes up a frame, with what there is of the real one laid over it.
    fn bridge(&mut self, out: &mut [i16; FRAME_SAMPLES], present: usize) -> Pulled {
        let made_up = self.concealer.conceal(out);
        if present == 0 {
            return if made_up { Pulled::Concealed } else { Pulled::Silence };
        }
        let play = self.play();
        for (at, sample) in (play..).zip(out.iter_mut()) {
            if self.filled[slot(at)] {
                *sample = self.samples[slot(at)];
            }
        }
        self.concealer.correct(out);
        if made_up { Pulled::Concealed } else { Pulled::Audio }
    }

    fn read(&self, out: &mut [i16; FRAME_SAMPLES]) {
        for (at, sample) in (self.play()..).zip(out.iter_mut()) {
            *sample = self.samples[slot(at)];
        }
    }

    fn is_quiet(&self) -> bool {
        let play = self.play();
        is_quiet((play..play + FRAME).map(|at| &self.samples[slot(at)]))
    }

    fn present(&self, ahead: i64) -> usize {
        let from = self.play() + ahead;
        (from..from + FRAME).filter(|&at| self.filled[slot(at)]).count()
    }

    fn play(&self) -> i64 {
        self.stream.as_ref().map_or(0, |stream| stream.play)
    }

    fn advance(&mut self) {
        if let Some(stream) = &mut self.stream {
            for at in stream.play..stream.play + FRAME {
                self.filled[slot(at)] = false;
            }
            stream.play += FRAME;
        }
    }
}

fn in_samples(time: Duration) -> i64 {
    (time.as_micros() / 125) as i64
}

fn slot(position: i64) -> usize {
    position.rem_euclid(CAPACITY as i64) as usize
}

fn is_quiet<'a>(frame: impl Iterator<Item = &'a i16>) -> bool {
    frame.map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() < QUIET * FRAME_SAMPLES as u32
}

#[cfg(test)]
mod tests;
