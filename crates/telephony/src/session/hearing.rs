//! The caller's side of a session: packets in; frames for the recording, turns and utterances out.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::ports::{Utterance, VoiceActivityDetector};
use media::{
    Codec, FRAME_SAMPLES,
    jitter::JitterBuffer,
    resample::Resampler,
    rtp::Packet,
    turn::{Input, Output, TurnConfig, TurnDetector},
};

const LINE_HZ: u32 = 8000;
/// Samples of one voice-activity frame: 16 ms at 16 kHz.
const VOICE_FRAME: usize = 256;
/// Kept from before the first voiced frame, since words begin softly: 0.5 s.
const LEAD_IN: usize = Utterance::SAMPLE_RATE as usize / 2;
/// Longest utterance handed to a recogniser: 28 s, what whisper hears in one window. Of longer ones the last
/// 28 s count.
const UTTERANCE_MAX: usize = 28 * Utterance::SAMPLE_RATE as usize;
/// Longer utterances are trimmed in steps of 1 s, since each step moves all of it.
const TRIM_STEP: usize = Utterance::SAMPLE_RATE as usize;

/// Hears one caller.
pub(super) struct Hearing {
    jitter: JitterBuffer,
    to_wideband: Resampler,
    voice_activity: Box<dyn VoiceActivityDetector>,
    turns: TurnDetector,
    /// Wideband samples that do not fill a voice-activity frame yet.
    pending: Vec<i16>,
    lead_in: VecDeque<i16>,
    utterance: Vec<i16>,
    in_utterance: bool,
}

impl Hearing {
    pub(super) fn new(voice_activity: Box<dyn VoiceActivityDetector>, config: TurnConfig) -> Self {
        Self {
            jitter: JitterBuffer::new(),
            to_wideband: Resampler::new(LINE_HZ, Utterance::SAMPLE_RATE),
            voice_activity,
            turns: TurnDetector::new(config),
            pending: Vec::with_capacity(2 * VOICE_FRAME + 2 * FRAME_SAMPLES),
            lead_in: VecDeque::with_capacity(LEAD_IN + VOICE_FRAME),
            utterance: Vec::new(),
            in_utterance: false,
        }
    }

    /// A packet from the wire.
    pub(super) fn packet(&mut self, now: Duration, packet: &Packet<'_>, codec: Codec) {
        self.jitter.push(now, packet, codec);
    }

    /// A packet of the same stream that carries no audio, so that it does not count as lost.
    pub(super) fn not_audio(&mut self, packet: &Packet<'_>) {
        self.jitter.skip(packet);
    }

    /// The next 20 ms: into `frame` for the recording, and through the turn detector.
    pub(super) fn tick(&mut self, now: Duration, frame: &mut [i16; FRAME_SAMPLES]) {
        self.jitter.pull(now, frame);
        self.to_wideband.process(frame, &mut self.pending);
        let mut taken = 0;
        while let Some(voice_frame) = self.pending[taken..].first_chunk::<VOICE_FRAME>() {
            let probability = self.voice_activity.speech_probability(voice_frame);
            self.turns.handle(now, Input::Voice { probability });
            if self.in_utterance {
                self.utterance.extend_from_slice(voice_frame);
            }
            self.lead_in.extend(voice_frame);
            taken += VOICE_FRAME;
        }
        self.pending.copy_within(taken.., 0);
        self.pending.truncate(self.pending.len() - taken);
        let surplus = self.lead_in.len().saturating_sub(LEAD_IN);
        self.lead_in.drain(..surplus);
        if self.utterance.len() >= UTTERANCE_MAX + TRIM_STEP {
            let surplus = self.utterance.len() - UTTERANCE_MAX;
            self.utterance.drain(..surplus);
        }
    }

    /// What the turn detector decided, oldest first. Utterances begin and end with it.
    pub(super) fn poll(&mut self) -> Option<Output> {
        let output = self.turns.poll()?;
        if matches!(output, Output::SpeechStarted { .. }) && !self.in_utterance {
            self.in_utterance = true;
            self.utterance.clear();
            self.utterance.extend(&self.lead_in);
        }
        Some(output)
    }

    /// Tells the turn detector something.
    pub(super) fn tell(&mut self, now: Duration, input: Input) {
        self.turns.handle(now, input);
    }

    /// What the caller said since the turn began.
    pub(super) fn utterance(&self, language: Option<&str>) -> Utterance {
        let first = self.utterance.len().saturating_sub(UTTERANCE_MAX);
        Utterance {
            samples: Arc::from(&self.utterance[first..]),
            language: language.map(str::to_owned),
        }
    }

    /// Forgets the utterance: it was answered, or was none.
    pub(super) fn utterance_over(&mut self) {
        self.in_utterance = false;
        self.utterance.clear();
        // A long one should not hold its memory for the rest of the call.
        self.utterance.shrink_to(4 * LEAD_IN);
    }

    pub(super) fn is_caller_speaking(&self) -> bool {
        self.turns.is_user_speaking()
    }

    /// How long a frame waits in the jitter buffer between the wire and the turn detector.
    pub(super) fn wire_delay(&self) -> Duration {
        Duration::from_millis(u64::from(self.jitter.stats().target_delay_ms))
    }

    pub(super) fn jitter(&self) -> &JitterBuffer {
        &self.jitter
    }
}
