//! What the softphone says and when: a state machine fed every 20 ms, without sockets or clocks.

use std::{collections::VecDeque, time::Duration};

use media::{FRAME, FRAME_SAMPLES, duration_of, energy::EnergyDetector};

use super::{HangUp, SoftphoneEvent, SoftphoneTurn};

/// A pause this long ends a stretch of the agent's speech.
const SPEECH_GAP: Duration = Duration::from_millis(240);
/// Voiced packets in a row that make speech; one alone may be a click.
const ONSET_FRAMES: u32 = 2;
/// Samples quieter than this don't count as the end of a clip.
const VOICED_SAMPLE: u16 = 300;
/// More events than this are not kept.
const EVENTS_MAX: usize = 10_000;

/// What to say and how to take turns.
#[derive(Clone, Debug)]
pub struct Script {
    /// 8 kHz mono clips.
    pub clips: Vec<Vec<i16>>,
    /// Wait for the other side to speak first.
    pub listen_first: bool,
    /// The other side has finished when it was quiet for so long.
    pub quiet_after: Duration,
    /// How long it may take to begin an answer.
    pub agent_timeout: Duration,
    /// Start the next clip so long after it began to speak.
    pub barge_in_after: Option<Duration>,
    /// When to hang up.
    pub hang_up: HangUp,
    /// Keys to press after the last clip.
    pub dtmf: String,
}

/// What to send in the next 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The frame written.
    Audio,
    /// Press these keys, then call again.
    Keys,
    /// Hang up.
    Done,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Listening { since: Duration },
    Speaking { clip: usize, position: usize },
    Finished,
}

/// The script as it is played.
pub(super) struct Player {
    script: Script,
    state: State,
    next_clip: usize,
    keys_pressed: bool,
    ear: Ear,
    pub(super) events: Vec<(Duration, SoftphoneEvent)>,
    pub(super) turns: Vec<SoftphoneTurn>,
}

impl Player {
    pub(super) fn new(script: Script) -> Self {
        let state = if script.listen_first || script.clips.is_empty() {
            State::Listening { since: Duration::ZERO }
        } else {
            State::Speaking { clip: 0, position: 0 }
        };
        Self {
            script,
            state,
            next_clip: 0,
            keys_pressed: false,
            ear: Ear::default(),
            events: vec![],
            turns: vec![],
        }
    }

    pub(super) fn note(&mut self, now: Duration, event: SoftphoneEvent) {
        if self.events.len() < EVENTS_MAX {
            self.events.push((now, event));
        }
    }

    /// Takes a decoded packet of the other side as it arrives.
    pub(super) fn hear(&mut self, now: Duration, frame: &[i16]) {
        let Some(started) = self.ear.hear(now, frame) else {
            return;
        };
        self.note(
            started,
            SoftphoneEvent::AgentSpeechStarted {
                at_sample: samples(started),
            },
        );
        if let Some(turn) = self.turns.last_mut()
            && turn.answer_started.is_none()
            && started >= turn.clip_ended
        {
            turn.answer_started = Some(started);
        }
    }

    /// Decides on the frame that begins `now`.
    pub(super) fn frame(&mut self, now: Duration, out: &mut [i16; FRAME_SAMPLES]) -> Turn {
        out.fill(0);
        self.close_speech(now);
        if let State::Listening { since } = self.state {
            self.listen(now, since);
        }
        match self.state {
            State::Speaking { clip, position } => self.speak(now, clip, position, out),
            State::Finished if !self.keys_pressed && !self.script.dtmf.is_empty() => {
                self.keys_pressed = true;
                self.state = State::Listening { since: now };
                self.note(now, SoftphoneEvent::KeysPressed);
                return Turn::Keys;
            }
            State::Finished if self.script.hang_up == HangUp::AfterLastAnswer => return Turn::Done,
            State::Finished | State::Listening { .. } => {}
        }
        Turn::Audio
    }

    /// The keys to press on [`Turn::Keys`].
    pub(super) fn keys(&self) -> VecDeque<char> {
        self.script.dtmf.chars().collect()
    }

    fn close_speech(&mut self, now: Duration) {
        if let Some((started, ended)) = self.ear.ended(now) {
            let event = SoftphoneEvent::AgentSpeechEnded {
                from_sample: samples(started),
                to_sample: samples(ended),
            };
            self.note(ended, event);
            self.close_answer(ended);
        }
    }

    fn close_answer(&mut self, ended: Duration) {
        if let Some(turn) = self.turns.last_mut()
            && turn.answer_started.is_some()
        {
            turn.answer_ended = Some(ended);
        }
    }

    fn listen(&mut self, now: Duration, since: Duration) {
        let heard = self.ear.last_voiced.filter(|last| *last >= since);
        let finished = heard.is_some_and(|last| now.saturating_sub(last) >= self.script.quiet_after);
        let unanswered = heard.is_none() && now.saturating_sub(since) >= self.script.agent_timeout;
        let interrupts = self.next_clip < self.script.clips.len()
            && self
                .script
                .barge_in_after
                .zip(self.ear.speaking_since())
                .is_some_and(|(after, started)| started >= since && now.saturating_sub(started) >= after);
        if finished || unanswered || interrupts {
            self.state = if self.next_clip < self.script.clips.len() {
                State::Speaking {
                    clip: self.next_clip,
                    position: 0,
                }
            } else {
                State::Finished
            };
        }
    }

    fn speak(&mut self, now: Duration, clip: usize, position: usize, out: &mut [i16; FRAME_SAMPLES]) {
        if position == 0 {
            self.next_clip = clip + 1;
            self.note(now, SoftphoneEvent::ClipStarted(clip));
        }
        let samples = self.script.clips.get(clip).map_or(&[][..], Vec::as_slice);
        let rest = samples.get(position..).unwrap_or_default();
        let length = rest.len().min(FRAME_SAMPLES);
        out[..length].copy_from_slice(&rest[..length]);
        if rest.len() > FRAME_SAMPLES {
            self.state = State::Speaking {
                clip,
                position: position + FRAME_SAMPLES,
            };
            return;
        }
        let after = now + FRAME;
        let trailing = samples
            .iter()
            .rev()
            .take_while(|sample| sample.unsigned_abs() < VOICED_SAMPLE)
            .count();
        let silence = duration_of(trailing + FRAME_SAMPLES - length);
        let clip_ended = after.saturating_sub(silence);
        self.turns.push(SoftphoneTurn {
            clip,
            clip_ended,
            answer_started: None,
            answer_ended: None,
        });
        self.note(after, SoftphoneEvent::ClipEnded(clip));
        self.state = State::Listening { since: clip_ended };
    }
}

/// Tells the other side's speech from silence.
#[derive(Default)]
struct Ear {
    detector: EnergyDetector,
    /// The first packet of a possible onset, and how many voiced ones there were in a row.
    onset: Option<(Duration, u32)>,
    speech: Option<Duration>,
    last_voiced: Option<Duration>,
}

impl Ear {
    /// The time speech began, once it is certain.
    fn hear(&mut self, now: Duration, frame: &[i16]) -> Option<Duration> {
        if self.detector.speech_probability(frame) < 0.5 {
            self.onset = None;
            return None;
        }
        if self.speech.is_some() {
            self.last_voiced = Some(now);
            return None;
        }
        let (started, count) = self.onset.map_or((now, 1), |(started, count)| (started, count + 1));
        self.onset = Some((started, count));
        if count < ONSET_FRAMES {
            return None;
        }
        self.onset = None;
        self.speech = Some(started);
        self.last_voiced = Some(now);
        Some(started)
    }

    fn speaking_since(&self) -> Option<Duration> {
        self.speech
    }

    /// The stretch of speech that the pause until `now` has ended.
    fn ended(&mut self, now: Duration) -> Option<(Duration, Duration)> {
        let (started, last) = self.speech.zip(self.last_voiced)?;
        if now.saturating_sub(last) < SPEECH_GAP {
            return None;
        }
        self.speech = None;
        Some((started, last))
    }
}

fn samples(time: Duration) -> usize {
    usize::try_from(time.as_micros() / 125).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "one stretch of speech is a list of one range"
)]
mod tests {
    use super::*;

    fn tone() -> [i16; FRAME_SAMPLES] {
        std::array::from_fn(|at| if at % 16 < 8 { 8000 } else { -8000 })
    }

    fn script(clips: usize) -> Script {
        Script {
            clips: vec![[tone(), tone()].concat(); clips],
            listen_first: false,
            quiet_after: Duration::from_millis(600),
            agent_timeout: Duration::from_secs(2),
            barge_in_after: None,
            hang_up: HangUp::AfterLastAnswer,
            dtmf: String::new(),
        }
    }

    /// Plays a script against an agent that speaks in the given ranges of milliseconds; until when it lasted.
    fn play(script: Script, speech: &[std::ops::Range<u64>]) -> (Player, u64) {
        let mut player = Player::new(script);
        let mut out = [0; FRAME_SAMPLES];
        for at in (0..20_000).step_by(20) {
            let now = Duration::from_millis(at);
            let voiced = speech.iter().any(|range| range.contains(&at));
            player.hear(now, &if voiced { tone() } else { [0; FRAME_SAMPLES] });
            if player.frame(now, &mut out) == Turn::Done {
                return (player, at);
            }
        }
        (player, 20_000)
    }

    #[test]
    fn a_turn_is_measured_from_last_sound_to_first_sound() {
        let (player, ended) = play(script(1), &[300..1000]);
        let [turn] = player.turns[..] else {
            panic!("{:?}", player.turns)
        };
        assert_eq!(turn.clip_ended, Duration::from_millis(40));
        assert_eq!(turn.answer_started, Some(Duration::from_millis(300)));
        assert_eq!(turn.answer_ended, Some(Duration::from_millis(980)));
        assert_eq!(ended, 980 + 600);
    }

    #[test]
    fn an_agent_that_says_nothing_does_not_hold_the_script() {
        let (player, ended) = play(script(2), &[]);
        assert_eq!(player.turns.len(), 2);
        assert!(player.turns.iter().all(|turn| turn.answer_started.is_none()));
        assert!((4_000..4_200).contains(&ended), "{ended}");
    }

    #[test]
    fn barging_in_starts_the_next_clip_while_the_agent_speaks() {
        let barging = Script {
            barge_in_after: Some(Duration::from_millis(500)),
            ..script(2)
        };
        let (player, _) = play(barging, &[300..1100, 1600..2000]);
        let started: Vec<_> = player
            .events
            .iter()
            .filter(|(_, event)| matches!(event, SoftphoneEvent::ClipStarted(1)))
            .collect();
        assert_eq!(started[0].0, Duration::from_millis(800));
        assert_eq!(player.turns[1].answer_started, Some(Duration::from_millis(1600)));
    }

    #[test]
    fn a_click_is_not_speech() {
        let (player, _) = play(script(1), &[300..320]);
        assert_eq!(player.turns[0].answer_started, None);
    }

    #[test]
    fn silence_at_the_end_of_a_clip_does_not_count() {
        let mut quiet_end = script(1);
        quiet_end.clips[0].extend([0; 800]);
        let (player, _) = play(quiet_end, &[300..1000]);
        assert_eq!(player.turns[0].clip_ended, Duration::from_millis(40));
    }
}
