#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use contract::{AgentCreate, Timestamp};
use serde_json::{Value, json};

use super::*;

/// Likeness by shared words: enough for the course of a dialogue; meaning itself is tested with the real model.
/// Counts how often it is asked, and knows the most texts it was asked for at once.
#[derive(Default)]
struct WordBag(AtomicUsize, AtomicUsize);

const DIMENSIONS: usize = 512;

#[async_trait]
impl SentenceEmbedder for WordBag {
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderFailure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.fetch_max(texts.len(), Ordering::Relaxed);
        Ok(texts.iter().map(|text| bag(text)).collect())
    }
}

fn bag(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSIONS];
    for word in text.split(' ') {
        let hash = word.bytes().fold(7_usize, |hash, byte| {
            hash.wrapping_mul(131).wrapping_add(usize::from(byte))
        });
        vector[hash % DIMENSIONS] += 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

fn shop() -> Value {
    json!({
        "answers": [
            { "examples": ["What are your opening hours?", "When are you open?"], "answer": "We are open from nine to five.", "title": "Opening hours" },
            { "examples": ["Where is your shop?", "What is your address?"], "answer": "We are at 1 {{street}}.", "title": "Our address" },
            { "examples": ["Where is my order?", "order status"], "answer": "Order {{order_number}} is on its way.", "slots": ["order_number"] },
            { "examples": ["I want to book a table"], "answer": "Booked for {{name}} on {{day}}.", "slots": ["name", "day"] },
            { "examples": ["red wine list"], "answer": "Merlot.", "title": "Red wine" },
            { "examples": ["white wine list"], "answer": "Riesling.", "title": "White wine" }
        ],
        "slots": [
            { "name": "order_number", "type": "number", "prompt": "What is your order number?",
              "reprompt": "Please say the number digit by digit.", "confirmation": "{{order_number}}, right?" },
            { "name": "name", "type": "name", "prompt": "What is your name?" },
            { "name": "day", "type": "date", "prompt": "For which day?" }
        ],
        "actions": [{ "examples": ["I want to speak to nobody"], "action": "end_call", "say": "As you like." }],
        "fallback": { "message": "I don't know that.", "attempts": 2, "then": "end_call", "goodbye": "I can't help." }
    })
}

fn setup(script: Value) -> BrainSetup {
    let agent = json!({ "name": "Ada", "voice_id": "v", "system_prompt": "p", "script": script });
    BrainSetup {
        agent: serde_json::from_value::<AgentCreate>(agent).unwrap(),
        variables: [("street".to_owned(), "Main Street".to_owned())].into(),
        now: Timestamp::from_millis(1_770_206_400_120), // Wednesday, 4 February 2026
    }
}

async fn collect(stream: BrainStream) -> String {
    let events: Vec<BrainEvent> = stream.map(Result::unwrap).collect().await;
    let told = events.into_iter().map(|event| match event {
        BrainEvent::Text(text) => text,
        BrainEvent::EndCall => "[end]".to_owned(),
    });
    told.collect::<Vec<_>>().join(" ")
}

/// Holds a conversation: what the caller says, and what the guide must answer.
async fn talk(script: Value, turns: &[(&str, &str)]) {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(script)).await.unwrap();
    for (said, expected) in turns {
        let answer = collect(guide.answer(said).await.unwrap()).await;
        assert_eq!(answer, *expected, "to: {said}");
        guide.heard(&answer, false);
    }
}

#[tokio::test]
async fn questions_are_answered_through_politeness_and_with_variables() {
    talk(
        shop(),
        &[
            (
                "Hi there, what are your opening hours please?",
                "We are open from nine to five.",
            ),
            (
                "Um, I have a question. What is your address?",
                "We are at 1 Main Street.",
            ),
            (
                "When are you open? And what is your address?",
                "We are open from nine to five. We are at 1 Main Street.",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn close_questions_are_asked_back_and_resolved() {
    for (reply, answer) in [
        ("The first one.", "Merlot."),
        ("The second.", "Riesling."),
        ("White, please.", "Riesling."),
        ("red wine list", "Merlot."),
        ("Yes.", "Do you mean: Red wine, or: White wine?"),
        (
            "No.",
            "All right. Please tell me in other words what you would like to know.",
        ),
    ] {
        talk(
            shop(),
            &[
                ("The wine list?", "Do you mean: Red wine, or: White wine?"),
                (reply, answer),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn one_plausible_question_is_confirmed_first() {
    talk(
        shop(),
        &[
            ("opening times hours friend", "Do you mean: Opening hours?"),
            ("Yes, please.", "We are open from nine to five."),
        ],
    )
    .await;
}

#[tokio::test]
async fn unknown_words_get_the_fallback_and_then_what_the_owner_set() {
    talk(
        shop(),
        &[
            ("Quux.", "I don't know that."),
            ("When are you open?", "We are open from nine to five."),
            ("Quux.", "I don't know that."),
            ("Quux again.", "I don't know that."),
            ("Still quux.", "I can't help. [end]"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_slot_is_asked_for_confirmed_and_corrected() {
    talk(
        shop(),
        &[
            ("Where is my order?", "What is your order number?"),
            ("Well, I lost the letter.", "Please say the number digit by digit."),
            ("Four five six.", "4 5 6, right?"),
            ("No, it's four five seven.", "4 5 7, right?"),
            ("Yes.", "Order 4 5 7 is on its way."),
            ("Sorry, it's 4 5 8.", "4 5 8, right?"),
            ("That's right.", "Order 4 5 8 is on its way."),
            ("Where is my order?", "What is your order number?"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_value_given_in_passing_is_not_asked_for_again() {
    talk(
        shop(),
        &[
            ("Where is my order 4 5 6?", "4 5 6, right?"),
            ("No.", "Please say the number digit by digit."),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_question_in_the_middle_of_a_slot_is_answered_and_the_slot_asked_again() {
    talk(
        shop(),
        &[
            ("I want to book a table.", "What is your name?"),
            (
                "When are you open?",
                "We are open from nine to five. What is your name?",
            ),
            ("My name is Ada Lovelace.", "For which day?"),
            ("Could you repeat that?", "For which day?"),
            ("Tomorrow.", "Booked for Ada Lovelace on Thursday, February fifth."),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_slot_can_be_left_and_is_given_up_after_three_tries() {
    talk(
        shop(),
        &[
            ("Where is my order?", "What is your order number?"),
            ("Never mind.", "All right. What else can I do for you?"),
            ("Where is my order?", "What is your order number?"),
            ("Dunno.", "Please say the number digit by digit."),
            ("Dunno.", "Please say the number digit by digit."),
            ("Dunno.", "I don't know that."),
            ("When are you open?", "We are open from nine to five."),
        ],
    )
    .await;
}

#[tokio::test]
async fn small_talk_works_without_a_script() {
    talk(
        Value::Null,
        &[
            ("Hello?", "Hello. How can I help you?"),
            ("Pardon?", "Hello. How can I help you?"),
            (
                "Thank you.",
                "You're welcome. Is there anything else I can help you with?",
            ),
            ("No.", "Thank you for calling. Goodbye. [end]"),
        ],
    )
    .await;
    talk(
        Value::Null,
        &[("No, that's all, thanks. Bye!", "Thank you for calling. Goodbye. [end]")],
    )
    .await;
}

#[tokio::test]
async fn the_owners_answers_win_over_small_talk() {
    let script = json!({ "answers": [{ "examples": ["goodbye"], "answer": "So long." }] });
    talk(
        script,
        &[
            ("Goodbye!", "So long."),
            ("Bye.", "Thank you for calling. Goodbye. [end]"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_end_call_action_says_its_words_and_ends() {
    talk(shop(), &[("I want to speak to nobody", "As you like. [end]")]).await;
}

#[tokio::test]
async fn repeating_says_all_of_an_interrupted_answer_and_what_others_said_for_us() {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(shop())).await.unwrap();
    guide.said("Welcome to the shop.");
    assert_eq!(
        collect(guide.answer("What did you say?").await.unwrap()).await,
        "Welcome to the shop."
    );
    drop(guide.answer("When are you open?").await.unwrap());
    guide.heard("We are", true);
    assert_eq!(
        collect(guide.answer("Can you repeat that?").await.unwrap()).await,
        "We are open from nine to five."
    );
}

/// Words whose answer nobody hears, as the caller goes on talking.
async fn unheard(guide: &mut Guide, words: &str) {
    drop(guide.answer(words).await.unwrap());
    guide.heard("", true);
}

/// Words whose answer is heard to its end.
async fn heard(guide: &mut Guide, words: &str) -> String {
    let answer = collect(guide.answer(words).await.unwrap()).await;
    guide.heard(&answer, false);
    answer
}

#[tokio::test]
async fn an_unheard_answer_leaves_the_choice_that_was_offered() {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(shop())).await.unwrap();
    assert_eq!(
        heard(&mut guide, "The wine list?").await,
        "Do you mean: Red wine, or: White wine?"
    );
    unheard(&mut guide, "The").await;
    assert_eq!(heard(&mut guide, "The second one.").await, "Riesling.");
}

#[tokio::test]
async fn an_unheard_answer_leaves_the_slot_and_what_was_said_before() {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(shop())).await.unwrap();
    heard(&mut guide, "Where is my order?").await;
    unheard(&mut guide, "Four five").await;
    // Cancelled before the guide was asked: nothing more to undo.
    guide.heard("", true);
    assert_eq!(
        heard(&mut guide, "What did you say?").await,
        "What is your order number?"
    );
    assert_eq!(heard(&mut guide, "Four five six.").await, "4 5 6, right?");
    guide.heard("", true);
    assert_eq!(heard(&mut guide, "Yes.").await, "Order 4 5 6 is on its way.");
}

#[tokio::test]
async fn an_unheard_answer_is_no_miss() {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(shop())).await.unwrap();
    for _ in 0..3 {
        unheard(&mut guide, "Um, I wondered").await;
    }
    assert_eq!(heard(&mut guide, "Um, I wondered quux.").await, "I don't know that.");
    assert_eq!(heard(&mut guide, "Quux.").await, "I don't know that.");
    assert_eq!(heard(&mut guide, "Quux.").await, "I can't help. [end]");
}

#[tokio::test]
async fn what_was_said_without_the_guide_is_repeated_and_its_question_can_be_answered() {
    let mut guide = Guide::open(Arc::new(WordBag::default()), setup(shop())).await.unwrap();
    heard(&mut guide, "When are you open?").await;
    guide.said("Are you still there?");
    assert_eq!(heard(&mut guide, "Pardon?").await, "Are you still there?");
    guide.said("Are you still there?");
    assert_eq!(heard(&mut guide, "Yes.").await, "Please go ahead.");
    assert_eq!(heard(&mut guide, "Yes.").await, "I don't know that.");
}

#[tokio::test]
async fn a_script_is_embedded_ahead_in_small_batches() {
    let examples: Vec<String> = (0..40).map(|number| format!("example {number}")).collect();
    let script = json!({ "answers": [{ "examples": examples, "answer": "Yes." }] });
    let setup = setup(script);
    let bag = Arc::new(WordBag::default());
    let embedder: Arc<dyn SentenceEmbedder> = bag.clone();
    warm(&embedder, setup.agent.script.as_ref().unwrap()).await.unwrap();
    assert_eq!((bag.0.load(Ordering::Relaxed), bag.1.load(Ordering::Relaxed)), (3, 16));
    let mut guide = Guide::open(embedder, setup).await.unwrap();
    assert_eq!(bag.0.load(Ordering::Relaxed), 3, "embedded again");
    assert_eq!(heard(&mut guide, "Well, example 39?").await, "Yes.");
}

#[tokio::test]
async fn scripts_are_embedded_in_the_background_as_long_as_few_wait() {
    let script = |number: usize| {
        setup(json!({ "answers": [{ "examples": [format!("example {number}")], "answer": "Yes." }] }))
            .agent
            .script
            .unwrap()
    };
    let bag = Arc::new(WordBag::default());
    let embedder: Arc<dyn SentenceEmbedder> = bag.clone();
    let warmer = Warmer::new(embedder.clone());
    for number in 0..20 {
        warmer.start(script(number));
    }
    while !warmer.is_idle() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bag.0.load(Ordering::Relaxed), 8);
    warm(&embedder, &script(7)).await.unwrap();
    assert_eq!(bag.0.load(Ordering::Relaxed), 8, "embedded again");
    warmer.start(script(8));
    while !warmer.is_idle() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bag.0.load(Ordering::Relaxed), 9);
}

#[tokio::test]
async fn a_script_is_embedded_once_for_all_calls() {
    let embedder = Arc::new(WordBag::default());
    for _ in 0..3 {
        Guide::open(embedder.clone(), setup(shop())).await.unwrap();
    }
    assert_eq!(embedder.0.load(Ordering::Relaxed), 1);
    let mut other = shop();
    other["answers"][0]["examples"][0] = "When do you close?".into();
    Guide::open(embedder.clone(), setup(other)).await.unwrap();
    assert_eq!(embedder.0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_failing_embedder_is_a_failure_of_the_turn() {
    struct Broken;
    #[async_trait]
    impl SentenceEmbedder for Broken {
        async fn embed(&self, _: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderFailure> {
            let fault = crate::ProviderFault::Timeout;
            Err(ProviderFailure::new(
                "local",
                contract::ProviderKind::Embedding,
                "embed",
                fault,
            ))
        }
    }
    assert_eq!(
        Guide::open(Arc::new(Broken), setup(shop()))
            .await
            .map(drop)
            .unwrap_err()
            .provider,
        "local"
    );
}
