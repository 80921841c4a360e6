//! Embeddings rank answers by meaning.

use crate::support::engines;

const ANSWERS: [&str; 4] = [
    "Our store is open from nine to five on weekdays and closed on Sunday.",
    "To reset your password, click the link on the sign-in page.",
    "The premium plan costs twenty dollars per month.",
    "You can cancel an appointment up to 24 hours in advance.",
];

#[tokio::test]
async fn each_question_is_nearest_to_its_answer() {
    let embedder = engines().embedder();
    let answers = embedder.embed(ANSWERS.map(str::to_owned).to_vec()).await.unwrap();
    let questions = [
        "What time do you close on Sunday?",
        "I forgot my login",
        "how much is it",
        "I can't make it to my appointment",
    ];
    let vectors = embedder.embed(questions.map(str::to_owned).to_vec()).await.unwrap();
    for (expected, question) in vectors.iter().enumerate() {
        let likeness = |answer: &Vec<f32>| -> f32 { answer.iter().zip(question).map(|(a, b)| a * b).sum() };
        let best = (0..4)
            .max_by(|a, b| likeness(&answers[*a]).total_cmp(&likeness(&answers[*b])))
            .unwrap();
        assert_eq!(best, expected, "{}", questions[expected]);
        assert!((likeness(question) - 1.0).abs() < 1e-3);
    }
}

#[tokio::test]
async fn empty_and_endless_texts_are_taken() {
    let embedder = engines().embedder();
    let vectors = embedder.embed(vec![String::new(), "word ".repeat(5000)]).await.unwrap();
    assert!(
        vectors
            .iter()
            .all(|vector| vector.len() == 384 && vector.iter().all(|value| value.is_finite()))
    );
    assert!(embedder.embed(Vec::new()).await.unwrap().is_empty());
}
