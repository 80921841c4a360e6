//! Live events of calls.

use std::time::Duration;

use contract::{CallEvent, KeyScope, LaterFailure, Reason, Speaker};
use domain::Change;
use reqwest::{Method, Response};
use serde_json::{Map, Value, json};
use testkit::TestApp;

/// Reads a stream event by event.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn of(app: &TestApp, call: &str) -> Self {
        let request = app.client().request(Method::GET, &format!("/calls/{call}/events"));
        let response = request.header("last-event-id", "17").send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self {
            response,
            text: String::new(),
        }
    }

    /// Name and data of the next block; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let (name, data) = (field("event:"), field("data:"));
                let comment = block.starts_with(':').then(|| "comment".to_owned());
                rest.to_owned().clone_into(&mut self.text);
                return Some((comment.unwrap_or(name), serde_json::from_str(&data).unwrap_or_default()));
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_the_present_state_then_what_happens_then_the_end() {
    let app = TestApp::start().await;
    let call = app.call().await;
    let mut events = Events::of(&app, &call).await;
    let (name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data["status"]), ("status", &json!("in_progress")));
    let at = app.calls.now();
    let partial = CallEvent::TranscriptPartial {
        speaker: Speaker::User,
        text: "hel".to_owned(),
        at,
    };
    app.carrier.publish(call.parse().unwrap(), partial);
    let (name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data["text"]), ("transcript_partial", &json!("hel")));
    assert_eq!(data["type"], name);
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let (name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data["status"]), ("status", &json!("completed")));
    assert_eq!(events.next().await, None);
    let mut after = Events::of(&app, &call).await;
    assert_eq!(after.next().await.unwrap().1["status"], "completed");
    assert_eq!(after.next().await, None);
}

#[tokio::test]
async fn what_breaks_in_a_call_reaches_its_watchers_as_the_whole_envelope() {
    let app = TestApp::start().await;
    let call = app.call().await;
    let mut events = Events::of(&app, &call).await;
    events.next().await.unwrap();
    let details = Map::from_iter([("provider".to_owned(), json!("acme"))]);
    let error = LaterFailure::new(Reason::ProviderTimeout, "Too slow.", details, app.calls.now());
    app.carrier.publish(call.parse().unwrap(), CallEvent::Error { error });
    let (name, data) = events.next().await.unwrap();
    let id = events.response.headers()["x-request-id"].to_str().unwrap();
    let expected = json!({
        "error": {
            "code": "provider_error", "message": "Too slow.", "details": { "reason": "timeout", "provider": "acme" },
        },
        "meta": { "request_id": id, "ts": app.calls.now() },
    });
    assert_eq!((name.as_str(), data), ("error", expected));
}

#[tokio::test]
async fn a_key_that_is_revoked_sees_no_more_of_a_call() {
    let app = TestApp::start().await;
    let (call, key) = (app.call().await, app.key_with(&[KeyScope::Read], None).await);
    let request = app
        .client_with(Some(&key.key))
        .request(Method::GET, &format!("/calls/{call}/events"));
    let mut events = Events {
        response: request.send().await.unwrap(),
        text: String::new(),
    };
    events.next().await.unwrap();
    let say = |text: &str| {
        let (speaker, at) = (Speaker::User, app.calls.now());
        let text = text.to_owned();
        let partial = CallEvent::TranscriptPartial { speaker, text, at };
        app.carrier.publish(call.parse().unwrap(), partial);
    };
    say("hel");
    assert_eq!(events.next().await.unwrap().0, "transcript_partial");
    let change = Change::by_system(app.scope);
    app.keys.key_revoke(&change, &key.record.id.to_string()).await.unwrap();
    say("hello");
    let (name, data) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &data["error"]["details"]["reason"]),
        ("error", &json!("revoked_api_key"))
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn an_organisation_watches_only_so_many_calls_at_once() {
    let app = TestApp::builder()
        .config(|config| config.event_streams_max = 1)
        .start()
        .await;
    let call = app.call().await;
    let mut first = Events::of(&app, &call).await;
    first.next().await.unwrap();
    let (client, path) = (app.client(), format!("/calls/{call}/events"));
    let refused = client.get(&path).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "overload", "policy": "event_streams", "limit": 1, "remaining": 0, "retry_after": 5 })
    );
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    assert_eq!(app.client_with(Some(&key)).get(&path).await.status, 404);
    drop(first);
    let freed = async {
        while client.request(Method::GET, &path).send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed)
        .await
        .expect("the place is free again");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let app = TestApp::builder()
        .config(|config| config.keep_alive_ms = 20)
        .start()
        .await;
    let call = app.call().await;
    let mut events = Events::of(&app, &call).await;
    events.next().await.unwrap();
    assert_eq!(events.next().await.unwrap().0, "comment");
}

#[tokio::test]
async fn a_stream_that_a_shutdown_cuts_ends_with_the_whole_envelope() {
    let mut app = TestApp::start().await;
    let call = app.call().await;
    let mut events = Events::of(&app, &call).await;
    events.next().await.unwrap();
    app.shutdown.cancel();
    let (name, data) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &data["error"]["details"]["reason"]),
        ("error", &json!("overload"))
    );
    assert!(data["meta"]["request_id"].is_string());
    assert_eq!(events.next().await, None);
    app.stop().await;
}

#[tokio::test]
async fn a_call_of_somebody_else_cannot_be_watched() {
    let app = TestApp::start().await;
    let call = app.call().await;
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let answer = app.client_with(Some(&key)).get(&format!("/calls/{call}/events")).await;
    assert_eq!(answer.pair(), "not_found.resource_not_found");
}
