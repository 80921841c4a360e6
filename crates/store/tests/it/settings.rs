//! Agents and voices: what may be set, and all that is wrong told at once.

use std::time::Duration;

use contract::{AgentStatus, AgentUpdate, FieldReason, VoiceId};
use domain::{Change, agents::variables_needed, voices::SystemVoice};
use serde_json::{Value, json};

use crate::support::{ALL, Engine, World, by_another, faults, missing, settings};

crate::on_both_engines![
    an_agent_is_made_listed_changed_and_deleted,
    every_fault_of_an_agent_is_told_at_once,
    models_are_the_guide_or_any_of_a_configured_provider,
    a_script_is_bounded_as_a_whole,
    an_unknown_voice_is_not_found_where_the_body_named_it,
    an_update_keeps_the_rules_of_the_whole,
    system_voices_keep_their_ids_over_restarts
];

/// Settings that are fine, with some replaced.
fn changed(voice: VoiceId, changes: &Value) -> contract::AgentCreate {
    let mut base = json!({ "name": "Ada", "voice_id": voice, "system_prompt": "Be kind." });
    for (name, value) in changes.as_object().unwrap() {
        base[name] = value.clone();
    }
    settings(base)
}

fn update(json: Value) -> AgentUpdate {
    serde_json::from_value(json).unwrap()
}

async fn an_agent_is_made_listed_changed_and_deleted(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    let made = world
        .agents
        .agent_create(
            &Change::by_system(scope),
            changed(voice, &json!({ "description": "d" })),
        )
        .await
        .unwrap();
    let id = made.id.to_string();
    assert_eq!(world.agents.agent_fetch(scope, &id).await.unwrap().record(), &made);
    assert_eq!(
        world.agents.agent_list(scope, ALL).await.unwrap().items,
        std::slice::from_ref(&made)
    );
    world.clock.advance(Duration::from_secs(1));
    let change = update(json!({ "name": "Bea", "description": null, "status": "draft", "max_duration": "60s" }));
    let after = world
        .agents
        .agent_update(&Change::by_system(scope), &id, change)
        .await
        .unwrap();
    assert_eq!(
        (after.settings.name.as_str(), after.settings.description.as_deref()),
        ("Bea", None)
    );
    assert_eq!(
        (after.settings.status, after.settings.max_duration),
        (AgentStatus::Draft, contract::Span::seconds(60))
    );
    assert_eq!(
        (after.settings.system_prompt.as_str(), after.created_at),
        ("Be kind.", made.created_at)
    );
    assert!(after.updated_at > made.updated_at);
    assert_eq!(world.agents.agent_fetch(scope, &id).await.unwrap().record(), &after);
    world.agents.agent_delete(&Change::by_system(scope), &id).await.unwrap();
    assert_eq!(
        missing(world.agents.agent_delete(&by_another(scope), &id).await),
        ("agent", None)
    );
    let again = world.agents.agent_delete(&Change::by_system(scope), &id).await;
    assert!(again.is_ok(), "who deleted it may do so again");
    assert_eq!(missing(world.agents.agent_fetch(scope, &id).await), ("agent", None));
}

async fn every_fault_of_an_agent_is_told_at_once(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    let create = changed(
        voice,
        &json!({
            "status": "failed", "model": "nobody/gpt", "transcription_model": "local/unknown", "language_hint": "en_US",
            "max_duration": "25h", "join_timeout": "500ms", "interruption": { "min_speech": "6s" },
            "greeting": { "text": "Hi {{", "prompt": "Greet" }, "system_prompt": "{{1}}",
            "inactivity_messages": [{ "after": "0s", "message": "{{x" }],
            "script": {
                "slots": [
                    { "name": "day", "type": "date", "prompt": "Which {{day" }, { "name": "day", "type": "date", "prompt": "?" },
                ],
                "answers": [{ "examples": [], "answer": "{{}}", "slots": ["night", "day", "day"] }],
                "actions": [{ "examples": [" ", "x".repeat(501)], "action": "end_call", "slots": ["night"] }],
            },
        }),
    );
    let mut expected = [
        ("/status", FieldReason::NotAllowedValue),
        ("/model", FieldReason::NotAllowedValue),
        ("/transcription_model", FieldReason::NotAllowedValue),
        ("/language_hint", FieldReason::InvalidFormat),
        ("/max_duration", FieldReason::OutOfRange),
        ("/join_timeout", FieldReason::OutOfRange),
        ("/interruption/min_speech", FieldReason::OutOfRange),
        ("/greeting/prompt", FieldReason::ConflictsWith),
        ("/greeting/text", FieldReason::InvalidFormat),
        ("/system_prompt", FieldReason::InvalidFormat),
        ("/inactivity_messages/0/after", FieldReason::OutOfRange),
        ("/inactivity_messages/0/message", FieldReason::InvalidFormat),
        ("/script/slots/0/prompt", FieldReason::InvalidFormat),
        ("/script/slots/1/name", FieldReason::Duplicate),
        ("/script/answers/0/examples", FieldReason::TooShort),
        ("/script/answers/0/answer", FieldReason::InvalidFormat),
        ("/script/answers/0/slots/0", FieldReason::NotAllowedValue),
        ("/script/answers/0/slots/2", FieldReason::Duplicate),
        ("/script/actions/0/examples/0", FieldReason::TooShort),
        ("/script/actions/0/examples/1", FieldReason::TooLong),
        ("/script/actions/0/slots/0", FieldReason::NotAllowedValue),
    ]
    .map(|(pointer, reason)| (pointer.to_owned(), reason));
    let mut told = faults(world.agents.agent_create(&Change::by_system(scope), create).await);
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

async fn models_are_the_guide_or_any_of_a_configured_provider(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    for (model, fine) in [
        ("builtin/guide", true),
        ("openai/gpt-x", true),
        ("openai/meta/llama", true),
        ("openai/", false),
        ("openai", false),
        ("builtin/other", false),
    ] {
        let outcome = world
            .agents
            .agent_create(&Change::by_system(scope), changed(voice, &json!({ "model": model })))
            .await;
        assert_eq!(outcome.is_ok(), fine, "{model}");
    }
    let create = changed(voice, &json!({ "model": "x/y" }));
    let domain::Error::Invalid(faults) = world
        .agents
        .agent_create(&Change::by_system(scope), create)
        .await
        .unwrap_err()
    else {
        panic!()
    };
    assert_eq!(faults[0].params["allowed"], json!(["builtin/guide", "openai/<model>"]));
}

async fn a_script_is_bounded_as_a_whole(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    let answer = json!({ "examples": vec!["How?"; 50], "answer": "So." });
    for (answers, fine) in [(40, true), (41, false)] {
        let create = changed(
            voice,
            &json!({ "script": { "answers": vec![answer.clone(); answers] } }),
        );
        assert_eq!(
            world
                .agents
                .agent_create(&Change::by_system(scope), create)
                .await
                .is_ok(),
            fine,
            "{answers}"
        );
    }
}

async fn an_unknown_voice_is_not_found_where_the_body_named_it(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    for unknown in ["nonsense".to_owned(), VoiceId::new().to_string()] {
        let create = changed(voice, &json!({ "voice_id": unknown }));
        assert_eq!(
            missing(world.agents.agent_create(&Change::by_system(scope), create).await),
            ("voice", Some("/voice_id"))
        );
    }
    let made = world
        .agents
        .agent_create(&Change::by_system(scope), changed(voice, &json!({})))
        .await
        .unwrap();
    let change = update(json!({ "voice_id": VoiceId::new() }));
    let outcome = world
        .agents
        .agent_update(&Change::by_system(scope), &made.id.to_string(), change)
        .await;
    assert_eq!(missing(outcome), ("voice", Some("/voice_id")));
}

async fn an_update_keeps_the_rules_of_the_whole(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, voice) = (world.tenant().await, world.voice().await.id);
    let made = world
        .agents
        .agent_create(
            &Change::by_system(scope),
            changed(voice, &json!({ "language_hint": "en" })),
        )
        .await
        .unwrap();
    let id = made.id.to_string();
    let outcome = world
        .agents
        .agent_update(&Change::by_system(scope), &id, update(json!({ "language_hint": "e" })))
        .await;
    assert_eq!(
        faults(outcome),
        [("/language_hint".to_owned(), FieldReason::InvalidFormat)]
    );
    assert_eq!(world.agents.agent_fetch(scope, &id).await.unwrap().record(), &made);
    let outcome = world
        .agents
        .agent_update(&Change::by_system(scope), "nonsense", AgentUpdate::default())
        .await;
    assert_eq!(missing(outcome), ("agent", None));
}

#[test]
fn variables_needed_are_those_that_no_slot_fills() {
    let create = changed(
        VoiceId::new(),
        &json!({
            "system_prompt": "{{a}}", "greeting": { "text": "{{b}} {{a}}" },
            "script": {
                "slots": [{ "name": "day", "type": "date", "prompt": "{{c}}?" }],
                "answers": [{ "examples": ["?"], "answer": "{{day}} {{d}}" }],
            },
        }),
    );
    assert_eq!(
        variables_needed(&create).into_iter().collect::<Vec<_>>(),
        ["a", "b", "c", "d"]
    );
}

async fn system_voices_keep_their_ids_over_restarts(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let amy = |name: &str| SystemVoice {
        name: name.to_owned(),
        provider: "local".to_owned(),
        provider_voice_id: "amy".to_owned(),
        language: "en-US".to_owned(),
    };
    let first = world.voices.register_system(vec![amy("Amy")]).await.unwrap();
    let second = world.voices.register_system(vec![amy("Amy 2")]).await.unwrap();
    assert_eq!(first[0].id, second[0].id);
    assert_eq!(
        world
            .voices
            .voice_fetch(scope, &first[0].id.to_string())
            .await
            .unwrap()
            .name,
        "Amy 2"
    );
    assert_eq!(world.voices.voice_list(scope, ALL).await.unwrap().total, 1);
    assert_eq!(
        missing(world.voices.voice_fetch(scope, "nonsense").await),
        ("voice", None)
    );
}
