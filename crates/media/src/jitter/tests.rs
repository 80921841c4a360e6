//! A sender, a bad network and the buffer, in virtual time.

use super::*;
use crate::lossy::{Conditions, Network, Random};
use crate::rtp::{Marker, Packet, Packetizer};
use proptest::prelude::*;

const CODEC: Codec = Codec::Pcmu;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Like speech: voiced syllables of varying pitch and length with short gaps and longer pauses, over faint
/// noise. No stretch repeats, so its place in time can be found again.
fn speech(seconds: usize) -> Vec<i16> {
    let mut random = Random(99);
    let mut samples = Vec::with_capacity(seconds * 8_000);
    while samples.len() < seconds * 8_000 {
        let voiced = 800 + random.bits() as usize % 1_600;
        let pitch = 90.0 + random.unit() * 120.0;
        for n in 0..voiced {
            let envelope = (std::f64::consts::PI * n as f64 / voiced as f64).sin();
            let phase = n as f64 * pitch / 8_000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..=8_u32).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
            samples.push((envelope * voice * 5_000.0) as i16);
        }
        let gap = if random.unit() < 0.25 { 4_000 } else { 480 };
        samples.extend((0..gap).map(|_| (random.unit() * 20.0 - 10.0) as i16));
    }
    samples.truncate(seconds * 8_000);
    samples
}

struct Run {
    out: Vec<i16>,
    pulled: Vec<Pulled>,
    stats: JitterStats,
    /// Packets' worth of sound waiting, at its highest.
    buffered_max: i64,
}

/// Sends `input` in packets of `ptime` through a network and pulls as long as it lasts, and a second more.
fn run(input: &[i16], ptime: usize, seed: u64, conditions: Conditions) -> Run {
    let mut network = Network::new(seed, conditions);
    let mut packetizer = Packetizer::new(7, 65_500, u32::MAX - 100_000, CODEC.payload_type());
    let mut buffer = JitterBuffer::new();
    let samples = ptime * 8;
    let mut packets = input.chunks(samples);
    let mut run = Run {
        out: Vec::new(),
        pulled: Vec::new(),
        stats: JitterStats::default(),
        buffered_max: 0,
    };
    for now in 0..(input.len() / 8 + 1_000) as u64 {
        if now % ptime as u64 == 0
            && let Some(chunk) = packets.next()
        {
            let (mut payload, mut datagram) = (Vec::new(), Vec::new());
            CODEC.encode(chunk, &mut payload);
            packetizer.packet(&payload, samples as u32, Marker::Clear, &mut datagram);
            network.send(ms(now), datagram);
        }
        while let Some(datagram) = network.receive(ms(now)) {
            buffer.push(ms(now), &Packet::parse(&datagram).expect("our own packet"), CODEC);
        }
        if now % 20 == 7 {
            let mut frame = [0; FRAME_SAMPLES];
            run.pulled.push(buffer.pull(ms(now), &mut frame));
            run.out.extend(frame);
        }
        if let Some(stream) = &buffer.stream {
            run.buffered_max = run.buffered_max.max(stream.end - stream.play);
        }
    }
    run.stats = buffer.stats();
    run
}

/// The delay in samples at which a second of output fits the input best, and how well (1 is perfectly).
fn alignment(input: &[i16], out: &[i16], second: usize) -> (usize, f64) {
    let at = second * 8_000;
    let reference = &input[at..at + 8_000];
    (0..4_000)
        .step_by(4)
        .map(|delay| {
            let played = &out[at + delay..at + delay + 8_000];
            let (mut product, mut a2, mut b2) = (0.0, 1.0, 1.0);
            for (&a, &b) in reference.iter().zip(played).step_by(2) {
                let (a, b) = (f64::from(a), f64::from(b));
                product += a * b;
                a2 += a * a;
                b2 += b * b;
            }
            (delay, product / (a2 * b2).sqrt())
        })
        .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best })
}

fn count(run: &Run, what: Pulled) -> usize {
    run.pulled.iter().filter(|&&pulled| pulled == what).count()
}

#[test]
fn a_good_network_is_played_whole_and_soon() {
    let input = speech(10);
    for ptime in [10, 20, 30, 40, 60] {
        let run = run(&input, ptime, 1, Conditions::default());
        let JitterStats {
            lost,
            late,
            duplicate,
            target_delay_ms,
            ..
        } = run.stats;
        assert_eq!((lost, late, duplicate), (0, 0, 0), "{ptime} ms");
        assert_eq!(target_delay_ms, 20, "{ptime} ms");
        // The end of the stream is bridged for 60 ms.
        assert!(run.stats.concealed <= 3, "{ptime} ms: {}", run.stats.concealed);
        let (delay, fit) = alignment(&input, &run.out, 8);
        assert!(fit > 0.99 && delay <= 480, "{ptime} ms: fit {fit} at {delay}");
    }
}

#[test]
fn speech_survives_loss_and_jitter_in_its_place() {
    let input = speech(30);
    let conditions = Conditions {
        delay: ms(40),
        jitter: ms(60),
        loss: 0.05,
        duplicate: 0.02,
        reorder: 0.0,
    };
    for seed in 1..=8 {
        let run = run(&input, 20, seed, conditions);
        let packets = 30 * 50;
        assert!(
            (packets / 40..packets / 12).contains(&run.stats.lost),
            "seed {seed}: {:?}",
            run.stats
        );
        assert!(run.stats.late <= packets / 100, "seed {seed}: {:?}", run.stats);
        assert!(run.stats.duplicate > 0);
        assert!(
            (60..=100).contains(&run.stats.target_delay_ms),
            "seed {seed}: {:?}",
            run.stats
        );
        let allowed = run.stats.lost + run.stats.late + 12;
        assert!(run.stats.concealed <= allowed, "seed {seed}: {:?}", run.stats);
        // 40 ms on the way, up to 60 of jitter, the buffer's own.
        assert!(run.buffered_max <= 8 * 180, "seed {seed}: {}", run.buffered_max);
        let places: Vec<_> = (3..29)
            .step_by(5)
            .map(|second| alignment(&input, &run.out, second))
            .collect();
        assert!(
            places
                .iter()
                .all(|(delay, _)| delay.abs_diff(places[0].0) <= FRAME_SAMPLES),
            "seed {seed}: {places:?}"
        );
        for (delay, fit) in &places {
            assert!((240..=1_440).contains(delay) && *fit > 0.93, "seed {seed}: {places:?}");
        }
    }
}

#[test]
fn the_delay_grows_with_the_network_and_late_packets_stop() {
    let input = speech(20);
    let conditions = Conditions {
        jitter: ms(150),
        ..Conditions::default()
    };
    for seed in 1..=4 {
        let run = run(&input, 20, seed, conditions);
        assert!(
            (140..=200).contains(&run.stats.target_delay_ms),
            "seed {seed}: {:?}",
            run.stats
        );
        assert!(run.stats.late <= 15, "seed {seed}: {:?}", run.stats);
        let (delay, fit) = alignment(&input, &run.out, 15);
        assert!(delay >= 960 && fit > 0.98, "seed {seed}: fit {fit} at {delay}");
    }
}

#[test]
fn reordered_packets_are_put_in_order() {
    let input = speech(20);
    let run = run(
        &input,
        20,
        5,
        Conditions {
            reorder: 0.1,
            ..Conditions::default()
        },
    );
    assert_eq!(run.stats.lost, 0);
    assert!(run.stats.late < 5, "{:?}", run.stats);
    let (_, fit) = alignment(&input, &run.out, 15);
    assert!(fit > 0.98, "{fit}");
}

#[test]
fn the_end_of_a_stream_is_bridged_and_then_silent() {
    let run = run(&[8_000; 8_000], 20, 1, Conditions::default());
    let last_audio = run
        .pulled
        .iter()
        .rposition(|&pulled| pulled == Pulled::Audio)
        .unwrap_or(0);
    assert_eq!(run.pulled[last_audio + 1..last_audio + 4], [Pulled::Concealed; 3]);
    assert!(
        run.pulled[last_audio + 4..]
            .iter()
            .all(|&pulled| pulled == Pulled::Silence)
    );
    assert!(run.out.ends_with(&[0; 1_600]));
    assert_eq!(count(&run, Pulled::Concealed) as u64, run.stats.concealed);
}

/// A buffer fed by hand, 20 ms a step.
struct Bench {
    buffer: JitterBuffer,
    now: u64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Bench {
    fn new() -> Self {
        Self {
            buffer: JitterBuffer::new(),
            now: 0,
            sequence: 100,
            timestamp: 5_000,
            ssrc: 1,
        }
    }

    fn push(&mut self, level: i16) {
        let mut payload = Vec::new();
        CODEC.encode(&[level; FRAME_SAMPLES], &mut payload);
        let packet = Packet {
            payload_type: 0,
            marker: false,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: &payload,
        };
        self.buffer.push(ms(self.now), &packet, CODEC);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
    }

    fn pull(&mut self) -> (Pulled, i16) {
        let mut out = [0; FRAME_SAMPLES];
        self.now += 20;
        let pulled = self.buffer.pull(ms(self.now), &mut out);
        (pulled, out[FRAME_SAMPLES - 1])
    }

    /// Sends and plays; true if the last frames of this stretch were all audio near this level.
    fn talk(&mut self, frames: u32, level: i16) -> bool {
        let mut good = 0;
        for _ in 0..frames {
            self.push(level);
            let (pulled, sample) = self.pull();
            good = if pulled == Pulled::Audio && (sample - level).abs() < 300 {
                good + 1
            } else {
                0
            };
        }
        good >= 10
    }

    /// Samples that wait to be played.
    fn waiting(&self) -> i64 {
        self.buffer.stream.as_ref().map_or(0, |stream| stream.end - stream.play)
    }

    fn pause(&mut self, frames: u32) -> Pulled {
        (0..frames).map(|_| self.pull().0).last().unwrap_or(Pulled::Silence)
    }
}

#[test]
fn nothing_received_is_silence() {
    assert_eq!(Bench::new().pull(), (Pulled::Silence, 0));
}

#[test]
fn a_new_source_takes_over() {
    let mut bench = Bench::new();
    assert!(bench.talk(100, 4_000));
    assert_eq!(bench.buffer.stats().target_delay_ms, 20);
    (bench.ssrc, bench.sequence, bench.timestamp) = (2, 9, 77);
    bench.push(-8_000);
    assert_eq!(bench.buffer.stats().target_delay_ms, 60, "its network is unknown");
    assert!(bench.talk(20, -8_000));
    assert_eq!(bench.buffer.stats().lost, 0);
}

#[test]
fn what_is_late_of_a_packet_never_comes_back() {
    let mut bench = Bench::new();
    assert!(bench.talk(50, 4_000));
    bench.pause(30);
    bench.timestamp = bench.timestamp.wrapping_add((-bench.waiting() - 80) as u32);
    bench.push(4_000);
    assert_eq!(bench.buffer.stats().late, 0);
    let pulled: Vec<_> = (0..100).map(|_| bench.pull().0).collect();
    assert_eq!(pulled[0], Pulled::Audio);
    assert_eq!(pulled[5..], [Pulled::Silence; 95]);
}

#[test]
fn jumps_of_the_timestamp_are_followed_either_way() {
    for jump in [
        1_000_000_u32,
        1_000_000_u32.wrapping_neg(),
        8_500,
        4_000_u32.wrapping_neg(),
    ] {
        let mut bench = Bench::new();
        assert!(bench.talk(50, 4_000));
        bench.timestamp = bench.timestamp.wrapping_add(jump);
        assert!(bench.talk(60, -8_000), "{jump}");
    }
}

#[test]
fn silence_that_is_not_sent_is_silence_of_the_same_length() {
    let mut bench = Bench::new();
    assert!(bench.talk(50, 4_000));
    for frames in [10, 40, 200, 3_000] {
        assert_eq!(bench.pause(frames), Pulled::Silence, "{frames}");
        bench.timestamp += 160 * frames;
        assert!(bench.talk(20, 4_000), "{frames}");
    }
    assert_eq!(bench.buffer.stats().late, 0);
}

#[test]
fn a_sender_whose_clock_stands_still_in_silence_is_followed() {
    let mut bench = Bench::new();
    assert!(bench.talk(50, 4_000));
    bench.pause(30);
    assert!(bench.talk(40, -8_000));
}

#[test]
fn a_path_that_becomes_slower_is_followed() {
    let mut bench = Bench::new();
    assert!(bench.talk(100, 4_000));
    bench.now += 400;
    for _ in 0..20 {
        bench.pull();
        bench.now -= 20;
    }
    assert!(bench.talk(100, -8_000));
}

#[test]
fn a_burst_after_a_stall_is_let_go_and_adds_no_delay() {
    let mut bench = Bench::new();
    assert!(bench.talk(100, 4_000));
    let before = bench.waiting();
    bench.pause(25);
    for _ in 0..25 {
        bench.push(4_000);
    }
    assert!(bench.talk(20, -8_000));
    assert_eq!(bench.waiting(), before);
}

#[test]
fn a_path_that_becomes_faster_loses_its_delay_even_without_quiet_moments() {
    let mut bench = Bench::new();
    assert!(bench.talk(100, 4_000));
    for _ in 0..20 {
        bench.push(4_000);
    }
    assert!(bench.waiting() >= 20 * FRAME);
    assert!(bench.talk(300, 4_000));
    assert!(bench.waiting() <= EXCESS_MAX + FRAME, "{}", bench.waiting());
}

#[test]
fn without_pulls_the_newest_sound_wins() {
    let mut bench = Bench::new();
    for _ in 0..500 {
        bench.push(4_000);
        bench.now += 20;
    }
    let stream = bench.buffer.stream.as_ref();
    assert!(stream.is_some_and(|stream| stream.end - stream.play <= HORIZON));
    assert!(bench.talk(200, -8_000));
}

#[test]
fn telephone_events_do_not_count_as_lost() {
    let mut bench = Bench::new();
    bench.talk(10, 4_000);
    for _ in 0..5 {
        let packet = Packet {
            payload_type: 101,
            marker: false,
            sequence: bench.sequence,
            timestamp: bench.timestamp,
            ssrc: 1,
            payload: &[1, 2, 3, 4],
        };
        bench.buffer.skip(&packet);
        bench.sequence += 1;
    }
    bench.talk(10, 4_000);
    assert_eq!(bench.buffer.stats().lost, 0);
    bench.sequence += 3;
    bench.talk(10, 4_000);
    assert_eq!(bench.buffer.stats().lost, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a peer sends, whenever: no panic, nothing kept beyond the horizon.
    #[test]
    fn hostile_packets_stay_bounded(
        steps in proptest::collection::vec((any::<u32>(), any::<u16>(), 0_u32..3, 0_usize..2_000, 0_u64..200, any::<bool>()), 0..150)
    ) {
        let mut buffer = JitterBuffer::new();
        let (mut now, mut timestamp, mut sequence) = (0, 0_u32, 0_u16);
        for (stamp, number, ssrc, length, wait, wild) in steps {
            now += wait;
            timestamp = if wild { stamp } else { timestamp.wrapping_add(stamp % 20_000) };
            sequence = if wild { number } else { sequence.wrapping_add(number % 3) };
            let payload = vec![0x31; length];
            let packet = Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc: ssrc / 2, payload: &payload };
            buffer.push(ms(now), &packet, CODEC);
            buffer.pull(ms(now), &mut [0; FRAME_SAMPLES]);
            if let Some(stream) = &buffer.stream {
                prop_assert!(stream.end - stream.play <= CAPACITY as i64);
            }
            prop_assert!(buffer.stats().target_delay_ms <= 500);
        }
    }
}
