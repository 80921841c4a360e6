//! Every operation that the server has, and a walk through them against the real one.

use std::collections::BTreeSet;

use callwright_client::{
    AgentListQuery, CallListQuery, Client, OPERATIONS, Reason, VoiceListQuery, WatchEvent,
    contract::{AgentUpdate, CallEvent, CallStatus},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::TestApp;

fn client(app: &TestApp) -> Client {
    Client::new(&format!("http://{}", app.address), &app.key).unwrap()
}

fn body<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

#[test]
fn every_operation_of_the_server_is_a_method() {
    let document = testkit::openapi();
    let paths = document["paths"].as_object().unwrap().iter();
    let theirs: BTreeSet<_> = paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                (id, method.to_ascii_uppercase(), path.clone())
            })
        })
        .collect();
    let owned = |(id, method, path): &(&str, &str, &str)| ((*id).to_owned(), (*method).to_owned(), (*path).to_owned());
    let ours: BTreeSet<_> = OPERATIONS.iter().map(owned).collect();
    assert_eq!(ours, theirs, "run `cargo xtask gen`");
}

#[test]
fn every_operation_that_takes_a_key_is_sent_with_one() {
    let document = testkit::openapi();
    let takes_key = |method: &str, path: &str| {
        let parameters = &document["paths"][path][method.to_ascii_lowercase()]["parameters"];
        let mut parameters = parameters.as_array().into_iter().flatten();
        method == "POST" && parameters.any(|parameter| parameter["name"] == "Idempotency-Key")
    };
    let wanted: BTreeSet<_> = OPERATIONS
        .iter()
        .filter(|(_, method, path)| takes_key(method, path))
        .map(|(id, ..)| *id)
        .collect();
    let written = include_str!("../../src/operations.rs").split("Spec::new(").skip(1);
    let with_key: BTreeSet<_> = written
        .filter(|spec| {
            let repeat = spec.split("Repeat::").nth(1);
            repeat.is_some_and(|repeat| repeat.starts_with("WithKey"))
        })
        .filter_map(|spec| spec.split('"').nth(1))
        .collect();
    assert!(wanted.len() > 10, "{wanted:?}");
    assert_eq!(with_key, wanted);
}

#[tokio::test]
async fn an_agent_is_made_changed_found_and_deleted() {
    let app = TestApp::start().await;
    let client = client(&app);
    let voices: Vec<_> = client
        .voice_list(&VoiceListQuery::default())
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(client.voice_fetch(voices[0].id).await.unwrap().name, "Fake");
    let made = client.agent_create(&body(app.agent_body(&json!({})))).await.unwrap();
    assert!(
        made.location.as_deref().unwrap().ends_with(&made.id.to_string()),
        "{:?}",
        made.location
    );
    let change = AgentUpdate {
        name: Some("Grace".to_owned()),
        ..AgentUpdate::default()
    };
    let changed = client.agent_update(made.id, &change).await.unwrap();
    assert_eq!(changed.settings.name, "Grace");
    let all = client.agent_list(&AgentListQuery::default()).await.unwrap();
    assert_eq!((all.len(), all[0].id), (1, made.id));
    client.agent_delete(made.id).await.unwrap();
    let gone = client.agent_fetch(made.id).await.unwrap_err();
    assert_eq!(gone.reason(), Some(&Reason::ResourceNotFound));
    let missing = gone.api().unwrap().missing().unwrap();
    assert_eq!(missing.id, Some(made.id.to_string()));
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_with_its_pointer() {
    let app = TestApp::start().await;
    let create = body(app.agent_body(&json!({ "name": "", "temperature": 7.0 })));
    let error = client(&app).agent_create(&create).await.unwrap_err();
    let faults = error.api().unwrap().fields();
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/name", "/temperature"]);
    assert!(error.to_string().contains("/temperature: out_of_range"), "{error}");
}

#[tokio::test]
async fn a_call_is_placed_watched_and_ended() {
    let app = TestApp::start().await;
    let client = client(&app);
    let agent = app.agent_that_calls().await;
    let create = body(json!({ "agent_id": agent, "phone_number": "+14155550123" }));
    let call = client.call_create(&create).await.unwrap();
    let mut events = client.call_events(call.id).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    assert!(
        matches!(first, WatchEvent::Known(CallEvent::Status { .. })),
        "{first:?}"
    );
    drop(events);
    client.call_end(call.id).await.unwrap();
    let query = CallListQuery {
        agent_id: Some(agent),
        ..CallListQuery::default()
    };
    let calls = client.call_list(&query).await.unwrap();
    assert_eq!(calls[0].id, call.id);
    assert!(!matches!(calls[0].status, CallStatus::Queued));
    assert_eq!(client.call_transcript(call.id).await.unwrap().call_id, call.id);
    let refused = client.call_recording(call.id).await.unwrap_err();
    assert_eq!(
        refused.api().unwrap().missing().unwrap().resource.as_deref(),
        Some("recording")
    );
}

#[tokio::test]
async fn a_key_that_may_only_look_is_told_what_it_lacks() {
    let app = TestApp::start().await;
    let create = body(json!({ "name": "Reader", "scopes": ["read"] }));
    let reader = client(&app).key_create(&create).await.unwrap();
    let reader = Client::new(&format!("http://{}", app.address), &reader.key).unwrap();
    let error = reader.agent_delete("x").await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InsufficientScope));
    assert_eq!(error.api().unwrap().required_scope(), Some("write"));
}
