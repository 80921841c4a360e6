//! Live events of calls.

use contract::{CallEvent, Speaker};
use reqwest::{Method, Response};
use serde_json::{Value, json};
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
    assert_eq!((name.as_str(), &data["text"]), ("transcript.partial", &json!("hel")));
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let (name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data["status"]), ("status", &json!("completed")));
    assert_eq!(events.next().await, None);
    let mut after = Events::of(&app, &call).await;
    assert_eq!(after.next().await.unwrap().1["status"], "completed");
    assert_eq!(after.next().await, None);
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
