//! Sans-IO media: what a call does with sound, without sockets, clocks or tasks.
//!
//! Times come in as [`Duration`] since the start of the call; input is handed in, output is drained.
//! Everything here works on 8 kHz mono linear samples unless it says otherwise, reuses the buffers it is
//! given, and bounds what it keeps. Encryption, sockets and speech models live elsewhere.

use std::time::Duration;

mod codec;
pub mod dtmf;
pub mod energy;
pub mod jitter;
pub mod lossy;
pub mod playout;
pub mod recording;
pub mod resample;
pub mod rtp;
pub mod sdp;
pub mod turn;
pub mod wav;
mod words;

pub use codec::Codec;
pub use words::words_heard;

/// Samples per second on the telephone side of everything.
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Samples in one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// How much time one frame covers.
pub const FRAME: Duration = Duration::from_millis(20);

/// The time that a number of 8 kHz samples takes.
pub const fn duration_of(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 125)
}
