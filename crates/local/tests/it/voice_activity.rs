//! Speech is heard; noise, silence and the tones of the telephone network are not.

use std::f32::consts::TAU;

use local::voice_activity_factory;

use crate::support::{caller, engines};

/// Share of frames more likely speech than not.
fn speech_share(samples: &[i16]) -> f32 {
    let mut detector = voice_activity_factory()();
    let (frames, _) = samples.as_chunks::<256>();
    let hits = frames
        .iter()
        .filter(|frame| detector.speech_probability(frame) > 0.5)
        .count();
    hits as f32 / frames.len() as f32
}

fn tones(tones: &[f32], seconds: usize) -> Vec<i16> {
    let at = |index: usize| {
        tones
            .iter()
            .map(|hz| (TAU * hz * index as f32 / 16_000.0).sin() * 5000.0)
            .sum::<f32>()
    };
    (0..seconds * 16_000).map(|index| at(index) as i16).collect()
}

#[tokio::test]
async fn a_caller_is_heard() {
    let samples = caller(
        &engines(),
        "Hello, I would like to make an appointment for next Tuesday afternoon.",
    )
    .await;
    let share = speech_share(&samples);
    assert!(share > 0.7, "{share}");
}

#[test]
fn tones_of_the_network_are_not_speech() {
    for pair in [
        &[440.0][..],
        &[440.0, 480.0],
        &[350.0, 440.0],
        &[480.0, 620.0],
        &[770.0, 1336.0],
        &[425.0],
        &[1000.0],
    ] {
        let share = speech_share(&tones(pair, 2));
        assert!(share < 0.08, "{pair:?}: {share}");
    }
}

#[test]
fn silence_and_noise_are_not_speech() {
    assert!(speech_share(&[0; 1000].repeat(32)) < 0.05);
    let mut state = 7_u32;
    let noise: Vec<i16> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as i16) / 16
    })
    .take(32_000)
    .collect();
    assert!(speech_share(&noise) < 0.15, "{}", speech_share(&noise));
}
