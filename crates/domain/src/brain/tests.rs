#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use contract::Timestamp;
use futures_util::{StreamExt, stream};

use super::*;

/// Keeps what it was asked and answers nothing.
#[derive(Default)]
struct Recorder(Mutex<Vec<ChatRequest>>);

#[async_trait]
impl LanguageModel for Recorder {
    async fn chat(&self, request: ChatRequest) -> Result<BrainStream, ProviderFailure> {
        self.0.lock().unwrap().push(request);
        Ok(stream::empty().boxed())
    }
}

impl Recorder {
    /// The last conversation sent, without the system prompt, as `u: …` and `a: …`.
    fn conversation(&self) -> Vec<String> {
        let requests = self.0.lock().unwrap();
        let messages = &requests.last().unwrap().messages;
        assert_eq!(messages[0].role, ChatRole::System);
        messages[1..]
            .iter()
            .map(|m| format!("{}: {}", if m.role == ChatRole::User { "u" } else { "a" }, m.text))
            .collect()
    }
}

fn setup(model: &str) -> BrainSetup {
    let agent = serde_json::json!({
        "name": "Ada", "voice_id": "v", "model": model, "system_prompt": "You work for {{ company }}{{nothing}}.",
        "language_hint": "en-GB",
    });
    BrainSetup {
        agent: serde_json::from_value(agent).unwrap(),
        variables: [("company".to_owned(), "Acme".to_owned())].into(),
        now: Timestamp::from_millis(1_770_206_400_120),
    }
}

fn brain() -> (Arc<Recorder>, LanguageModelBrain) {
    let recorder = Arc::new(Recorder::default());
    let brain = LanguageModelBrain::new(recorder.clone(), "small", &setup("x/small"));
    (recorder, brain)
}

#[tokio::test]
async fn the_system_prompt_has_its_variables_and_says_that_it_is_a_phone_call() {
    let (recorder, mut brain) = brain();
    drop(brain.answer("Hello").await.unwrap());
    let requests = recorder.0.lock().unwrap();
    let system = &requests[0].messages[0].text;
    assert!(
        system.starts_with("You work for Acme.\n\nThis is a phone call"),
        "{system}"
    );
    assert!(
        system.contains("Wednesday, 4 February 2026 at 12:00 UTC") && system.contains("en-GB"),
        "{system}"
    );
    assert!(requests[0].may_end_call);
    assert_eq!(requests[0].model, "small");
}

#[tokio::test]
async fn only_what_was_heard_is_remembered() {
    let (recorder, mut brain) = brain();
    brain.said("Hello, Acme.");
    drop(brain.answer("When are you open?").await.unwrap());
    brain.heard("We are open from nine to", false);
    brain.heard("We are open from", true);
    drop(brain.answer("And Sunday?").await.unwrap());
    assert_eq!(
        recorder.conversation(),
        [
            "a: Hello, Acme.",
            "u: When are you open?",
            "a: We are open from (interrupted)",
            "u: And Sunday?"
        ]
    );
}

#[tokio::test]
async fn words_after_an_unheard_answer_join_the_words_before_it() {
    let (recorder, mut brain) = brain();
    drop(brain.answer("I would like").await.unwrap());
    brain.heard("", true);
    drop(brain.answer("to book a table").await.unwrap());
    assert_eq!(recorder.conversation(), ["u: I would like to book a table"]);
}

#[tokio::test]
async fn an_answer_that_was_never_asked_for_leaves_the_one_before_in_the_conversation() {
    let (recorder, mut brain) = brain();
    drop(brain.answer("When are you open?").await.unwrap());
    brain.heard("From nine to five.", false);
    // Cancelled while it waited.
    brain.heard("", true);
    drop(brain.answer("And on Sunday?").await.unwrap());
    brain.heard("", true);
    brain.heard("", true);
    drop(brain.answer("And on Sundays, too?").await.unwrap());
    assert_eq!(
        recorder.conversation(),
        [
            "u: When are you open?",
            "a: From nine to five.",
            "u: And on Sunday? And on Sundays, too?"
        ]
    );
}

#[tokio::test]
async fn what_was_said_without_the_model_is_part_of_the_conversation() {
    let (recorder, mut brain) = brain();
    brain.said("Hello, Acme.");
    drop(brain.answer("I would like").await.unwrap());
    brain.heard("", true);
    brain.said("Are you still there?");
    brain.said(" ");
    drop(brain.answer("I would like a table.").await.unwrap());
    brain.heard("Of course.", false);
    brain.said("For which day?");
    drop(brain.answer("Friday.").await.unwrap());
    assert_eq!(
        recorder.conversation(),
        [
            "a: Hello, Acme.",
            "u: I would like",
            "a: Are you still there?",
            "u: I would like a table.",
            "a: Of course. For which day?",
            "u: Friday."
        ]
    );
}

#[tokio::test]
async fn the_conversation_sent_is_bounded_and_loses_its_oldest_turns_first() {
    let (recorder, mut brain) = brain();
    for turn in 0..200 {
        drop(brain.answer(&format!("{turn} {}", "x".repeat(500))).await.unwrap());
        brain.heard(&format!("answer {turn}"), false);
    }
    drop(brain.answer(&"y".repeat(100_000)).await.unwrap());
    let sent = recorder.conversation();
    let characters: usize = sent.iter().map(|message| message.len() - 3).sum();
    assert!(
        sent.len() <= MESSAGES_MAX && characters <= CHARACTERS_MAX,
        "{} messages, {characters} characters",
        sent.len()
    );
    assert!(sent[0].starts_with("u: "), "{}", &sent[0][..10]);
    assert!(sent.iter().any(|message| message == "a: answer 199"));
}

#[tokio::test]
async fn a_greeting_prompt_is_no_part_of_the_conversation() {
    let (recorder, mut brain) = brain();
    drop(brain.greet("Mention the weather.").await.unwrap());
    assert!(recorder.conversation()[0].contains("Mention the weather."));
    assert!(!recorder.0.lock().unwrap()[0].may_end_call);
    brain.heard("Hello on this sunny day.", false);
    drop(brain.answer("Hi").await.unwrap());
    assert_eq!(recorder.conversation(), ["a: Hello on this sunny day.", "u: Hi"]);
}

fn services(model: Option<Arc<dyn LanguageModel>>) -> Services {
    Services {
        voice_activity: Arc::new(|| unreachable!("no call is held")),
        end_of_turn: None,
        embedder: None,
        speech_to_text: std::collections::HashMap::default(),
        default_speech_to_text: String::new(),
        text_to_speech: std::collections::HashMap::default(),
        understudy: None,
        language_models: model.map(|model| ("vllm".to_owned(), model)).into_iter().collect(),
    }
}

#[tokio::test]
async fn the_agents_model_picks_the_provider_and_the_rest_is_the_models_name() {
    let recorder = Arc::new(Recorder::default());
    let services = services(Some(recorder.clone()));
    let mut brain = open_brain(&services, setup("vllm/org/tiny")).await.unwrap();
    drop(brain.answer("Hello").await.unwrap());
    assert_eq!(recorder.0.lock().unwrap()[0].model, "org/tiny");
}

#[tokio::test]
async fn a_model_that_is_not_configured_is_a_provider_failure_that_names_it() {
    for (model, provider) in [("gone/model", "gone"), ("plain", "plain"), (GUIDE, "builtin")] {
        let failure = open_brain(&services(None), setup(model)).await.map(drop).unwrap_err();
        let Error::Provider(failure) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(
            (failure.provider.as_str(), failure.fault, failure.retryable),
            (provider, ProviderFault::Unreachable, false)
        );
    }
}
