//! Scenarios as scripts: what happens, for how long, and what the detector says when.

use super::*;
use proptest::prelude::*;

/// One step of a scenario; sound steps last a number of 16 ms frames.
#[derive(Clone, Copy)]
enum Step {
    Voice(u32),
    Silence(u32),
    Murmur(u32),
    Do(Input),
}
use Step::{Do, Murmur, Silence, Voice};

const FINISHED: Step = Do(Input::EndOfTurn { probability: 0.9 });
const UNDECIDED: Step = Do(Input::EndOfTurn { probability: 0.7 });
const UNFINISHED: Step = Do(Input::EndOfTurn { probability: 0.1 });
const STARTED: Step = Do(Input::AgentStarted);
const STOPPED: Step = Do(Input::AgentStopped);

fn run_with(config: TurnConfig, steps: &[Step]) -> String {
    let mut detector = TurnDetector::new(config);
    let (mut frame, mut said) = (0_u32, Vec::new());
    let name = |at: Duration| at.as_millis() / 16;
    for step in steps {
        let (count, input) = match *step {
            Voice(count) => (count, Input::Voice { probability: 0.9 }),
            Silence(count) => (count, Input::Voice { probability: 0.05 }),
            Murmur(count) => (count, Input::Voice { probability: 0.42 }),
            Do(input) => (0, input),
        };
        for index in 0..count.max(1) {
            detector.handle(VOICE_FRAME * (frame + index), input);
            while let Some(output) = detector.poll() {
                said.push(match output {
                    Output::SpeechStarted { at } => format!("started {}", name(at)),
                    Output::Paused { last_voice } => format!("paused {}", name(last_voice)),
                    Output::Resumed { at } => format!("resumed {}", name(at)),
                    Output::TurnEnded { started, last_voice } => {
                        format!("ended {}-{} by {}", name(started), name(last_voice), frame + index)
                    }
                    Output::Interrupted { started, at } => format!("interrupted {}-{}", name(started), name(at)),
                    Output::FalseStart { started, last_voice } => {
                        format!("false {}-{} by {}", name(started), name(last_voice), frame + index)
                    }
                });
            }
        }
        frame += count;
    }
    said.join(", ")
}

fn run(steps: &[Step]) -> String {
    run_with(TurnConfig::default(), steps)
}

#[test]
fn turns_end_by_silence_as_patient_as_the_model_says() {
    // Frames of 16 ms: a pause is 13 of them, the short silence 20, the default 44, the long 113.
    for (what, steps, said) in [
        ("nothing", &[Silence(200)][..], ""),
        ("a click", &[Silence(10), Voice(5), Silence(100)], ""),
        (
            "no model",
            &[Silence(10), Voice(20), Silence(60)],
            "started 10, paused 29, ended 10-29 by 73",
        ),
        (
            "finished",
            &[Voice(20), Silence(14), FINISHED, Silence(60)],
            "started 0, paused 19, ended 0-19 by 39",
        ),
        (
            "finished, told late",
            &[Voice(20), Silence(30), FINISHED],
            "started 0, paused 19, ended 0-19 by 50",
        ),
        (
            "undecided",
            &[Voice(20), Silence(14), UNDECIDED, Silence(60)],
            "started 0, paused 19, ended 0-19 by 63",
        ),
        (
            "unfinished",
            &[Voice(20), Silence(14), UNFINISHED, Silence(110)],
            "started 0, paused 19, ended 0-19 by 132",
        ),
        (
            "still unfinished",
            &[Voice(20), Silence(14), UNFINISHED, Silence(90)],
            "started 0, paused 19",
        ),
    ] {
        assert_eq!(run(steps), said, "{what}");
    }
}

#[test]
fn a_pause_is_taken_back_when_the_caller_goes_on() {
    for (what, steps, said) in [
        (
            "goes on",
            &[Voice(20), Silence(20), Voice(10), Silence(60)][..],
            "started 0, paused 19, resumed 40, paused 49, ended 0-49 by 93",
        ),
        (
            "short gap is no pause",
            &[Voice(20), Silence(11), Voice(10), Silence(60)],
            "started 0, paused 40, ended 0-40 by 84",
        ),
        (
            "a click in the pause",
            &[Voice(20), Silence(20), Voice(2), Silence(60)],
            "started 0, paused 19, ended 0-19 by 63",
        ),
        (
            "a click at the very end holds the turn a moment",
            &[Voice(20), Silence(43), Voice(2), Silence(60)],
            "started 0, paused 19, ended 0-19 by 69",
        ),
        (
            "the old answer does not count for the next pause",
            &[Voice(20), Silence(14), FINISHED, Voice(10), Silence(43)],
            "started 0, paused 19, resumed 34, paused 43",
        ),
        (
            "an answer after the pause",
            &[Voice(20), Silence(14), Voice(9), FINISHED, Silence(30)],
            "started 0, paused 19, resumed 34, paused 42",
        ),
    ] {
        assert_eq!(run(steps), said, "{what}");
    }
}

#[test]
fn between_the_thresholds_voice_stays_what_it_was() {
    for (what, steps, said) in [
        ("murmur alone is no voice", &[Murmur(100)][..], ""),
        (
            "murmur after voice is voice",
            &[Voice(6), Murmur(20), Silence(50)],
            "started 0, paused 25, ended 0-25 by 69",
        ),
        (
            "murmur after silence is none",
            &[Voice(10), Silence(1), Murmur(60)],
            "started 0, paused 9, ended 0-9 by 53",
        ),
        (
            "a dip in the first syllable",
            &[Voice(3), Silence(3), Voice(3), Silence(20)],
            "started 0, paused 8",
        ),
        (
            "two clicks far apart",
            &[Voice(3), Silence(6), Voice(3), Silence(20)],
            "",
        ),
    ] {
        assert_eq!(run(steps), said, "{what}");
    }
}

#[test]
fn the_agent_is_interrupted_by_speech_and_not_by_mm_hm() {
    // Interrupting needs 19 frames of voice.
    for (what, steps, said) in [
        (
            "mm-hm",
            &[STARTED, Silence(10), Voice(15), Silence(60)][..],
            "started 10, false 10-24 by 37",
        ),
        (
            "mm-hm twice",
            &[STARTED, Voice(10), Silence(20), Voice(10), Silence(20)],
            "started 0, false 0-9 by 22, started 30, false 30-39 by 52",
        ),
        (
            "barge-in",
            &[STARTED, Silence(10), Voice(30), STOPPED, Silence(60)],
            "started 10, interrupted 10-28, paused 39, ended 10-39 by 83",
        ),
        (
            "barge-in, agent slow to stop",
            &[STARTED, Voice(30), Silence(60), STOPPED],
            "started 0, interrupted 0-18, paused 29, ended 0-29 by 73",
        ),
        (
            "the agent stops meanwhile",
            &[STARTED, Voice(8), STOPPED, Voice(4), Silence(60)],
            "started 0, paused 11, ended 0-11 by 55",
        ),
        (
            "the agent stops before the pause",
            &[STARTED, Voice(12), Silence(5), STOPPED, Silence(60)],
            "started 0, paused 11, ended 0-11 by 55",
        ),
        (
            "the agent stops in the first syllable",
            &[STARTED, Voice(3), STOPPED, Voice(9), Silence(60)],
            "started 0, paused 11, ended 0-11 by 55",
        ),
        (
            "the caller came first",
            &[Voice(10), STARTED, Voice(5), Silence(60)],
            "started 0, paused 14, ended 0-14 by 58",
        ),
        (
            "the agent stops and starts anew",
            &[STARTED, Voice(8), STOPPED, STARTED, Voice(4), Silence(60)],
            "started 0, paused 11, ended 0-11 by 55",
        ),
        (
            "the agent starts anew in the first syllable",
            &[STARTED, Voice(3), STOPPED, STARTED, Voice(9), Silence(60)],
            "started 0, paused 11, ended 0-11 by 55",
        ),
        (
            "voice over other speech of the agent does not add up",
            &[STARTED, Voice(15), STOPPED, STARTED, Voice(10)],
            "started 0",
        ),
        (
            "the caller came first and goes on",
            &[Voice(30), STARTED, Voice(30)],
            "started 0, interrupted 0-48",
        ),
    ] {
        assert_eq!(run(steps), said, "{what}");
    }
}

#[test]
fn no_turn_lasts_longer_than_it_may() {
    let config = TurnConfig {
        turn_max: VOICE_FRAME * 100,
        ..TurnConfig::default()
    };
    // 700 ms are 44 frames.
    for (what, steps, said) in [
        (
            "a steady noise ends once and begins no other turn",
            &[Voice(400), STARTED, Voice(400)][..],
            "started 0, ended 0-100 by 100",
        ),
        (
            "short pauses do not begin another",
            &[Voice(120), Silence(40), Voice(30), Silence(40)],
            "started 0, ended 0-100 by 100",
        ),
        (
            "a silence does",
            &[Voice(120), Silence(46), Voice(10), Silence(60)],
            "started 0, ended 0-100 by 100, started 166, paused 175, ended 166-175 by 219",
        ),
        (
            "an interruption can be too long, too",
            &[STARTED, Voice(50), STOPPED, Voice(100)],
            "started 0, interrupted 0-18, ended 0-100 by 100",
        ),
    ] {
        assert_eq!(run_with(config, steps), said, "{what}");
    }
}

#[test]
fn an_agent_that_must_not_be_interrupted_is_not() {
    let config = TurnConfig {
        interruptible: false,
        ..TurnConfig::default()
    };
    let allow = Do(Input::Interruptible(true));
    for (what, steps, said) in [
        (
            "long speech is kept as a turn",
            &[STARTED, Voice(60), Silence(60)][..],
            "started 0, paused 59, ended 0-59 by 103",
        ),
        (
            "short speech is not",
            &[STARTED, Voice(10), Silence(60)],
            "started 0, false 0-9 by 22",
        ),
        (
            "allowed later",
            &[STARTED, Voice(30), allow, Voice(2)],
            "started 0, interrupted 0-30",
        ),
    ] {
        assert_eq!(run_with(config, steps), said, "{what}");
    }
}

#[test]
fn the_deadline_is_where_silence_changes_something() {
    let mut detector = TurnDetector::new(TurnConfig::default());
    assert_eq!(detector.deadline(), None);
    for frame in 0..10 {
        detector.handle(VOICE_FRAME * frame, Input::Voice { probability: 1.0 });
    }
    let last_voice = VOICE_FRAME * 9;
    assert!(detector.is_user_speaking());
    for (wait, probability) in [(200, None), (700, Some(0.9)), (320, None)] {
        let deadline = last_voice + Duration::from_millis(wait);
        assert_eq!(detector.deadline(), Some(deadline));
        if wait == 320 {
            detector.handle(deadline, Input::Voice { probability: 0.0 });
        } else if let Some(probability) = probability {
            detector.handle(
                last_voice + Duration::from_millis(210),
                Input::EndOfTurn { probability },
            );
        } else {
            detector.handle(deadline, Input::Voice { probability: 0.0 });
        }
        assert!(!detector.is_user_speaking());
    }
    assert_eq!(detector.deadline(), None);
    assert_eq!(std::iter::from_fn(|| detector.poll()).count(), 3);
}

proptest! {
    /// Whatever comes, every start is closed exactly once and nothing is closed that did not start.
    #[test]
    fn starts_and_ends_alternate(steps in proptest::collection::vec((0_u8..8, 0_u8..30), 0..60)) {
        let mut detector = TurnDetector::new(TurnConfig::default());
        let (mut now, mut open, mut paused) = (Duration::ZERO, false, false);
        for (kind, count) in steps {
            for _ in 0..=count {
                now += VOICE_FRAME;
                let input = match kind {
                    0 | 1 => Input::Voice { probability: 0.9 },
                    2 | 3 => Input::Voice { probability: 0.1 },
                    4 => Input::AgentStarted,
                    5 => Input::AgentStopped,
                    6 => Input::EndOfTurn { probability: f32::from(count) / 30.0 },
                    _ => Input::Voice { probability: f32::NAN },
                };
                detector.handle(now, input);
                while let Some(output) = detector.poll() {
                    match output {
                        Output::SpeechStarted { .. } => { prop_assert!(!open); open = true; }
                        Output::Paused { .. } => { prop_assert!(open && !paused); paused = true; }
                        Output::Resumed { .. } => { prop_assert!(open && paused); paused = false; }
                        Output::TurnEnded { started, .. } => {
                            prop_assert!(open && (paused || now >= started + TurnConfig::default().turn_max));
                            (open, paused) = (false, false);
                        }
                        Output::FalseStart { .. } => { prop_assert!(open && !paused); open = false; }
                        Output::Interrupted { .. } => prop_assert!(open),
                    }
                }
            }
        }
    }
}
