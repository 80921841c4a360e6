//! The guide on the real embedder: answers what it should, and never something else.

use std::{fs, sync::Arc};

use contract::{AgentCreate, Timestamp};
use domain::{
    guide::Guide,
    ports::{Brain as _, BrainEvent, BrainSetup, SentenceEmbedder},
};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use crate::support::engines;

const PHRASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/data/guide_phrases.json");

/// Phrases that no threshold was chosen on.
const HELD_OUT: [(&str, Option<&str>); 20] = [
    ("Until what time are you open on Saturdays?", Some("hours")),
    ("Are you closed on Sunday?", Some("hours")),
    ("What are your hours on Monday?", Some("hours")),
    ("What is the address of your store?", Some("address")),
    ("How can I get to your shop?", Some("address")),
    ("Do you have any parking spaces?", Some("parking")),
    ("Where do I leave my car?", Some("parking")),
    ("Has my order been shipped?", Some("order")),
    ("I am still waiting for my package.", Some("order")),
    ("What would a haircut cost me?", Some("prices")),
    ("I want to reserve an appointment for Monday.", Some("booking")),
    ("How can I return this?", Some("returns")),
    ("I would like my money back, please.", Some("returns")),
    ("Can I pay with a credit card?", Some("payment")),
    ("I want to talk to a real person.", Some("human")),
    ("I want to make a complaint about your service.", Some("complaint")),
    ("How tall is Mount Everest?", None),
    ("My cat is sleeping on the sofa.", None),
    ("Who painted the Mona Lisa?", None),
    ("Which team won the game last night?", None),
];

/// What the guide made of some words.
#[derive(Debug, PartialEq)]
enum Outcome {
    Answered(String),
    AskedBack,
    Fallback,
}

async fn outcome(embedder: &Arc<dyn SentenceEmbedder>, script: &Value, words: &str) -> Outcome {
    let agent = json!({ "name": "Ada", "voice_id": "heart", "system_prompt": "p", "script": script });
    let setup = BrainSetup {
        agent: serde_json::from_value::<AgentCreate>(agent).unwrap(),
        variables: [].into(),
        now: Timestamp::from_millis(1_770_206_400_120),
    };
    let mut guide = Guide::open(Arc::clone(embedder), setup).await.unwrap();
    let events: Vec<BrainEvent> = guide.answer(words).await.unwrap().try_collect().await.unwrap();
    let mut said = String::new();
    for event in events {
        if let BrainEvent::Text(text) = event {
            said.push_str(&text);
        }
    }
    match said.as_str() {
        "fallback" => Outcome::Fallback,
        asked if asked.starts_with("Do you mean") => Outcome::AskedBack,
        _ => Outcome::Answered(said),
    }
}

/// How many of the phrases with an intent were answered at once, of how many. Fails on any wrong answer.
async fn answered(
    embedder: &Arc<dyn SentenceEmbedder>,
    script: &Value,
    phrases: &[(String, Option<String>)],
) -> (usize, usize) {
    let (mut answered, mut wanted) = (0, 0);
    for (words, intent) in phrases {
        let outcome = outcome(embedder, script, words).await;
        wanted += usize::from(intent.is_some());
        if let Outcome::Answered(answer) = outcome {
            assert_eq!(Some(&answer), intent.as_ref(), "{words}");
            answered += 1;
        }
    }
    (answered, wanted)
}

fn file() -> (Value, Vec<(String, Option<String>)>) {
    let file: Value = serde_json::from_slice(&fs::read(PHRASES).unwrap()).unwrap();
    let answers: Vec<Value> = file["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| json!({ "examples": answer["examples"], "answer": answer["name"] }))
        .collect();
    let script = json!({ "answers": answers, "fallback": { "message": "fallback" } });
    (script, serde_json::from_value(file["cases"].clone()).unwrap())
}

#[tokio::test]
async fn known_questions_are_answered_and_none_wrongly() {
    let embedder = engines().embedder();
    let (script, phrases) = file();
    let (right, wanted) = answered(&embedder, &script, &phrases).await;
    // Three quarters; measured: 28 of 34, the others asked back.
    assert!(right * 4 >= wanted * 3, "{right} of {wanted} answered");
}

#[tokio::test]
async fn other_questions_are_answered_and_none_wrongly() {
    let embedder = engines().embedder();
    let (script, _) = file();
    let phrases = HELD_OUT.map(|(words, intent)| (words.to_owned(), intent.map(str::to_owned)));
    let (right, wanted) = answered(&embedder, &script, &phrases).await;
    // Measured: 14 of 16, the others asked back.
    assert!(right * 4 >= wanted * 3, "{right} of {wanted} answered");
}
