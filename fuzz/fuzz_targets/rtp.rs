//! Datagrams on an audio port: packets through the jitter buffer and the key receiver, out as frames.
//!
//! The input is cut into datagrams of the length that its next byte says, each 20 ms after the last.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media::{Codec, FRAME_SAMPLES, dtmf, jitter::JitterBuffer, rtp::Packet};

fuzz_target!(|data: &[u8]| {
    let mut jitter = JitterBuffer::new();
    let mut keys = dtmf::Receiver::new();
    let mut frame = [0; FRAME_SAMPLES];
    let mut rest = data;
    let mut now = Duration::ZERO;
    while let Some((&length, after)) = rest.split_first() {
        let (datagram, next) = after.split_at(usize::from(length).min(after.len()));
        if let Ok(packet) = Packet::parse(datagram) {
            let _ = keys.handle(&packet);
            jitter.push(now, &packet, Codec::Pcmu);
        }
        let _ = jitter.pull(now, &mut frame);
        now += Duration::from_millis(20);
        rest = next;
    }
    let _ = media::wav::parse(data);
});
