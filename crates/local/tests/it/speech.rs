//! Synthesis and recognition against each other.

use domain::{
    ProviderFault,
    ports::{SpeechRequest, Utterance},
};
use local::VOICES;

use crate::support::{caller, engines, speech, utterance};

const SENTENCES: [&str; 4] = [
    "I would like to make an appointment for next Tuesday afternoon.",
    "Could you tell me when your office opens on Saturday?",
    "Yes, that sounds good, let us do that.",
    "No thank you, that was everything I wanted to know.",
];

fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .chars()
        .filter(|char| char.is_alphanumeric() || char.is_whitespace())
        .collect();
    plain.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// Words to insert, delete or replace.
fn distance(expected: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (index, word) in expected.iter().enumerate() {
        let mut next = vec![index + 1];
        for (at, other) in heard.iter().enumerate() {
            next.push(
                (row[at] + usize::from(word != other))
                    .min(row[at + 1] + 1)
                    .min(next[at] + 1),
            );
        }
        row = next;
    }
    row[heard.len()]
}

#[tokio::test]
async fn what_is_said_through_a_telephone_is_understood() {
    let engines = engines();
    let (mut wrong, mut all) = (0, 0);
    for sentence in SENTENCES {
        let samples = caller(&engines, sentence).await;
        let heard = engines.speech_to_text().transcribe(utterance(&samples)).await.unwrap();
        let expected = words(sentence);
        let errors = distance(&expected, &words(&heard));
        wrong += errors;
        all += expected.len();
    }
    // Five in a hundred; measured: none.
    assert!(wrong * 20 <= all, "{wrong} of {all} words wrong");
}

#[tokio::test]
async fn numbers_prices_and_times_arrive_as_they_were_meant() {
    let engines = engines();
    for (text, accepted) in [
        (
            "That is $12.50 in total.",
            &["1250", "twelve dollars and fifty cents"][..],
        ),
        ("We open at 9:30 am.", &["930", "nine thirty"]),
        ("Your code is 48213.", &["48213", "four eight two one three"]),
    ] {
        let samples = caller(&engines, text).await;
        let heard = words(&engines.speech_to_text().transcribe(utterance(&samples)).await.unwrap()).join(" ");
        let digits: String = heard.chars().filter(char::is_ascii_digit).collect();
        let understood = accepted.iter().any(|form| *form == digits || heard.contains(form));
        assert!(understood, "{text} was heard as {heard}");
    }
}

#[tokio::test]
async fn silence_and_nothing_hold_no_words() {
    let engines = engines();
    let recogniser = engines.speech_to_text();
    for samples in [vec![], vec![0; 160], vec![0; 2 * Utterance::SAMPLE_RATE as usize]] {
        assert_eq!(
            recogniser.transcribe(utterance(&samples)).await.unwrap(),
            "",
            "{} samples",
            samples.len()
        );
    }
    let endless = vec![0; 121 * Utterance::SAMPLE_RATE as usize];
    assert_eq!(
        recogniser.transcribe(utterance(&endless)).await.unwrap_err().fault,
        ProviderFault::Rejected
    );
}

/// White noise through a falling filter, about as loud as the given amplitude.
fn noise(amplitude: f32) -> Vec<i16> {
    let (mut state, mut slow) = (7_u32, 0.0_f32);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let white = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        slow = 0.95 * slow + 0.3 * white;
        ((slow + 0.5 * white) * amplitude) as i16
    })
    .take(2 * Utterance::SAMPLE_RATE as usize)
    .collect()
}

#[tokio::test]
async fn noise_and_hiss_hold_no_words() {
    let recogniser = engines().speech_to_text();
    for amplitude in [60.0, 500.0, 4000.0] {
        let heard = recogniser.transcribe(utterance(&noise(amplitude))).await.unwrap();
        assert_eq!(heard, "", "noise of {amplitude}");
    }
}

#[tokio::test]
async fn a_dropped_recognition_does_not_hold_its_engine() {
    let engines = engines();
    let samples = caller(&engines, SENTENCES[0]).await;
    let recogniser = engines.speech_to_text();
    let began: Vec<_> = (0..4)
        .map(|_| {
            let (recogniser, utterance) = (recogniser.clone(), utterance(&samples.repeat(6)));
            tokio::spawn(async move { recogniser.transcribe(utterance).await })
        })
        .collect();
    tokio::task::yield_now().await;
    began.iter().for_each(tokio::task::JoinHandle::abort);
    let heard = recogniser.transcribe(utterance(&samples)).await.unwrap();
    assert!(heard.to_lowercase().contains("appointment"), "{heard}");
}

#[tokio::test]
async fn the_same_text_always_sounds_the_same() {
    let engines = engines();
    let text = "Hello, you have reached the front desk.";
    let first = speech(&engines, text).await;
    assert_eq!(first, speech(&engines, text).await);
    assert!((24_000..96_000).contains(&first.len()), "{} samples", first.len());
    let loudest = first.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((3000..32_768).contains(&loudest), "peak {loudest}");
}

#[tokio::test]
async fn what_the_voice_can_not_say_is_refused() {
    let engines = engines();
    let voice = VOICES[0].id.to_owned();
    for request in [
        SpeechRequest {
            text: "Hello.".to_owned(),
            voice: "nobody".to_owned(),
        },
        SpeechRequest {
            text: "a ".repeat(1001),
            voice: voice.clone(),
        },
    ] {
        let failure = engines.text_to_speech().speak(request).await.err().unwrap();
        assert_eq!(
            (failure.fault, failure.provider.as_str()),
            (ProviderFault::Rejected, "local")
        );
    }
    assert!(speech(&engines, " ... ").await.len() < 24_000);
    engines.warm_up().await.unwrap();
}
