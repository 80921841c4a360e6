//! Whole sentences end a turn, broken off ones don't.

use crate::support::{caller, engines, utterance};

/// 200 ms.
const PAUSE: usize = 3200;
/// A sentence, and the share of it that was said. The model is not sure of every cut: after an abrupt end on a
/// telephone line many pass for whole, which is why the turn detector asks for 0.9 before it hurries.
const WHOLE: [(&str, usize); 3] = [
    ("Can you send the confirmation to my email address?", 100),
    ("I forgot my password and the reset link does not work.", 100),
    ("Yes, please send it to me.", 100),
];
const BROKEN_OFF: [(&str, usize); 3] = [
    ("I forgot my password and the reset link does not work.", 60),
    ("My order has not arrived yet and I am getting worried.", 80),
    ("Could you tell me, um,", 100),
];

#[tokio::test]
async fn whole_sentences_are_over_and_broken_off_ones_are_not() {
    let engines = engines();
    let model = engines.end_of_turn();
    let cases = WHOLE.map(|case| (case, true)).into_iter();
    for ((text, share), whole) in cases.chain(BROKEN_OFF.map(|case| (case, false))) {
        let samples = caller(&engines, text).await;
        let end = samples.iter().rposition(|sample| sample.unsigned_abs() > 200).unwrap();
        let mut heard = samples[..end * share / 100].to_vec();
        heard.resize(heard.len() + PAUSE, 0);
        let probability = model.turn_is_over(utterance(&heard)).await.unwrap();
        let expected = if whole { 0.9..=1.0 } else { 0.0..=0.5 };
        assert!(expected.contains(&probability), "{share} % of {text}: {probability}");
    }
}

#[tokio::test]
async fn silence_and_nothing_give_a_probability() {
    let model = engines().end_of_turn();
    for count in [0, 1, 16_000, 200_000] {
        let probability = model.turn_is_over(utterance(&vec![0; count])).await.unwrap();
        assert!((0.0..=1.0).contains(&probability), "{count} samples: {probability}");
    }
}
