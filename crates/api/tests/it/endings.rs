//! Calls that end while the database takes nothing: their endings wait for it.

use std::time::Duration;

use contract::{CallEvent, CallId, Credits, Speaker, TranscriptTurn};
use serde_json::{Value, json};
use testkit::TestApp;

/// Longer than a few tries take.
const AWAY: Duration = Duration::from_secs(6);

/// An application in which calls cost credits and whose store waits for locks but a moment.
async fn impatient() -> TestApp {
    let app = TestApp::builder()
        .patience(Duration::from_millis(200))
        .billing(|rules| rules.trial_credits = Credits::whole(10))
        .start()
        .await;
    app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
    app
}

/// A call in which something was said, and which ends while nothing can be written.
async fn call_that_ended_unseen(app: &TestApp) -> CallId {
    let call: CallId = app.call().await.parse().unwrap();
    let now = app.calls.now();
    let turn = TranscriptTurn {
        speaker: Speaker::User,
        text: "Hello".to_owned(),
        started_at: now,
        ended_at: now,
        interrupted: false,
    };
    app.carrier.publish(call, CallEvent::TranscriptFinal { turn });
    app.clock.advance(Duration::from_secs(30));
    let mut outsider = app.database.outsider().await;
    outsider.lock_out_writers().await;
    app.carrier.hang_up(call).await;
    let shown = app.client().get(&format!("/calls/{call}")).await.data();
    assert_eq!(shown["status"], "in_progress");
    tokio::time::sleep(AWAY).await;
    outsider.let_go().await;
    call
}

/// The call, once it is over.
async fn over(app: &TestApp, call: CallId) -> Value {
    for _ in 0..200 {
        let shown = app.client().get(&format!("/calls/{call}")).await.data();
        if shown["status"] != "in_progress" {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the call is not over");
}

async fn assert_whole(app: &TestApp, call: CallId) {
    let shown = over(app, call).await;
    assert_eq!(
        (&shown["status"], &shown["end_reason"], &shown["cost_credits"]),
        (&json!("completed"), &json!("agent_hangup"), &json!(0.5))
    );
    let transcript = app.client().get(&format!("/calls/{call}/transcript")).await.data();
    assert_eq!(transcript["turns"][0]["text"], "Hello");
    let billing = app.client().get("/api/v1/billing").await.data();
    assert_eq!((&billing["balance"], &billing["reserved"]), (&json!(9.5), &json!(0)));
}

#[tokio::test]
async fn an_ending_is_written_once_the_database_is_back_and_needs_no_restart() {
    let app = impatient().await;
    let call = call_that_ended_unseen(&app).await;
    assert_whole(&app, call).await;
    assert_eq!(app.calls.endings_written(Duration::from_secs(1)).await, 0);
}

#[tokio::test]
async fn a_call_whose_ending_waits_is_not_ended_as_a_broken_one() {
    let app = impatient().await;
    let call = call_that_ended_unseen(&app).await;
    let ended = app.client().post(&format!("/calls/{call}/end"), &json!({})).await;
    // It may have been written a moment before.
    assert!(ended.status == 200 || ended.pair() == "validation_error.invalid_state");
    assert_whole(&app, call).await;
}
