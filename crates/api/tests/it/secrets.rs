//! What our own crates never log, whatever the level.

use contract::{CallEvent, LaterFailure, Reason, Speaker, TranscriptTurn};
use domain::ProviderFault;
use reqwest::Method;
use serde_json::{Map, json};
use testkit::{Logs, Outcome, TestApp};

/// No words of ours, so that they can only come from what is said or sent here.
const SECRETS: [&str; 8] = [
    "hunter2hunter2",
    "4155550100",
    "4155550123",
    "xylophone",
    "quagmire",
    "marzipan",
    "alice@192.0.2.77",
    "cw_notarealkey",
];

/// A whole call with words, keys pressed and a failure, watched by somebody.
async fn talk(app: &TestApp) {
    let call = app.call().await;
    let (id, now) = (call.parse().unwrap(), app.calls.now());
    let client = app.client();
    let watching = client.request(Method::GET, &format!("/calls/{call}/events"));
    let mut watching = watching.send().await.unwrap();
    let turn = TranscriptTurn {
        speaker: Speaker::User,
        text: "A xylophone in a quagmire".to_owned(),
        started_at: now,
        ended_at: now,
        interrupted: false,
    };
    let text = turn.text.clone();
    let error = LaterFailure::new(Reason::ProviderTimeout, "Too slow.", Map::new(), now);
    app.calls.call_turn(app.scope, id, 0, &turn).await;
    app.calls.call_error(app.scope, id, &error).await;
    for event in [
        CallEvent::TranscriptPartial {
            speaker: Speaker::User,
            text,
            at: now,
        },
        CallEvent::TranscriptFinal { turn },
        CallEvent::Error { error },
    ] {
        app.carrier.publish(id, event);
    }
    client.post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let mut told = String::new();
    while let Some(chunk) = watching.chunk().await.unwrap() {
        told.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(told.contains("xylophone"), "{told}");
    client.get(&format!("/calls/{call}/transcript")).await.ok();
    client.delete(&format!("/calls/{call}")).await;
}

#[tokio::test]
async fn no_number_password_key_or_word_of_a_call_is_logged_at_any_level() {
    let logs = Logs::listen_closely();
    let app = TestApp::start().await;
    let client = app.client();
    talk(&app).await;
    let trunk = json!({ "name": "T", "host": "192.0.2.4", "username": "u", "password": "hunter2hunter2" });
    let trunk = client.post("/telephony/trunks", &trunk).await.created();
    let path = format!("/telephony/trunks/{trunk}");
    client
        .patch(&path, &json!({ "password": "hunter2hunter2", "port": 5080 }))
        .await
        .ok();
    client
        .patch(&path, &json!({ "password": "hunter2hunter2", "port": 0 }))
        .await;
    let key = json!({ "name": "CI", "scopes": ["read"] });
    let key = client.post("/api/v1/api-keys", &key).await.data()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    app.client_with(Some(&key)).get("/agents").await.ok();
    app.client_with(Some(&key)).post("/agents", &json!({})).await;
    app.client_with(Some("cw_notarealkeybutasecretallthesame"))
        .get("/agents")
        .await;
    client.get("/calls?phone=+14155550123").await;
    client.get("/calls/+14155550123").await;
    let agent = app
        .agent_with(&json!({ "system_prompt": "Speak of marzipan.", "greeting": { "text": "marzipan" } }))
        .await;
    for body in [
        json!({ "agent_id": agent, "phone_number": "+14155550123", "variables": { "name": "marzipan" } }),
        json!({ "agent_id": agent, "phone_number": "+14155550123", "from_number": "+14155550100", "name": "marzipan" }),
        json!({ "agent_id": agent, "sip_uri": "sip:alice@192.0.2.77" }),
    ] {
        client.post("/calls", &body).await;
    }
    app.carrier.set(Outcome::Fails(ProviderFault::Rejected));
    let calls = client.get("/agents").await.json()["data"].clone();
    let caller = calls.as_array().unwrap().last().unwrap()["id"].clone();
    let call = json!({ "agent_id": caller, "phone_number": "+14155550123" });
    assert_eq!(client.post("/calls", &call).await.status, 502);
    let text = logs.text();
    assert!(
        text.contains("request refused") && text.contains("request failed"),
        "{text}"
    );
    for secret in SECRETS.into_iter().chain([app.key.as_str(), key.as_str()]) {
        assert!(!text.contains(secret), "{secret}: {:?}", logs.lines_with(secret));
    }
}
