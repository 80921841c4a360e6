//! Several nodes on one database: each holds its own calls, and the others know.

use std::time::Duration;

use contract::{CallId, Credits};
use domain::calls::{LEASE, NodeKeeper};
use serde_json::{Value, json};
use testkit::TestApp;
use tokio::time::Instant;

const BEAT: Duration = Duration::from_secs(5);

/// Two nodes and a call that the first one holds.
async fn two_nodes() -> (TestApp, TestApp, CallId) {
    let first = TestApp::start().await;
    let second = TestApp::builder().beside(&first).start().await;
    let call = first.call().await.parse().unwrap();
    (first, second, call)
}

async fn shown(app: &TestApp, call: CallId) -> Value {
    app.client().get(&format!("/calls/{call}")).await.data()
}

async fn status(app: &TestApp, call: CallId) -> Value {
    shown(app, call).await["status"].clone()
}

/// Beats for so long, by a clock of the test's own.
async fn beats(keeper: &mut NodeKeeper, from: Instant, lasting: Duration) -> Instant {
    let mut now = from;
    while now < from + lasting {
        keeper.beat(now).await;
        now += BEAT;
    }
    now
}

#[tokio::test]
async fn a_node_that_starts_leaves_the_others_their_calls() {
    let (first, second, call) = two_nodes().await;
    assert_eq!(second.calls.recover().await.unwrap(), 0);
    assert_eq!(status(&second, call).await, "in_progress");
    assert_eq!(first.calls.recover().await.unwrap(), 1);
    assert_eq!(status(&second, call).await, "failed");
}

#[tokio::test]
async fn a_node_that_is_asked_to_end_anothers_call_has_it_ended_there() {
    let (first, second, call) = two_nodes().await;
    let keeper = NodeKeeper::new(first.calls.clone());
    let looking = async {
        while first.carrier.holds(call) {
            keeper.look().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let client = second.client();
    let path = format!("/calls/{call}/end");
    let body = json!({});
    let (ended, ()) = tokio::join!(client.post(&path, &body), looking);
    let ended = ended.data();
    assert_eq!(
        (&ended["status"], &ended["end_reason"]),
        (&json!("completed"), &json!("agent_hangup"))
    );
}

#[tokio::test]
async fn a_node_that_is_silent_for_its_lease_loses_its_calls_and_no_earlier() {
    let (first, second, call) = two_nodes().await;
    let (mut keeper, mut other) = (
        NodeKeeper::new(second.calls.clone()),
        NodeKeeper::new(first.calls.clone()),
    );
    let start = Instant::now();
    other.beat(start).await;
    let now = beats(&mut keeper, start, LEASE).await;
    other.beat(now).await;
    let now = beats(&mut keeper, now, LEASE).await;
    assert_eq!(status(&second, call).await, "in_progress");
    beats(&mut keeper, now, LEASE).await;
    let found = shown(&second, call).await;
    assert_eq!(found["status"], "failed");
    assert_eq!(found["context"]["last_error"]["code"], "internal_error");
    // It was not dead: it learns what became of its call.
    assert!(first.carrier.holds(call));
    beats(&mut other, now, BEAT * 2).await;
    assert!(!first.carrier.holds(call));
}

#[tokio::test]
async fn a_database_that_was_away_declares_nobody_dead() {
    let first = TestApp::start().await;
    let call = first.call().await.parse().unwrap();
    let second = TestApp::builder().beside(&first).start().await;
    let mut keeper = NodeKeeper::new(second.calls.clone());
    let start = Instant::now();
    let now = beats(&mut keeper, start, LEASE).await;
    // A node that slept, or whose database did, knows nothing of the others' last half minute.
    let now = now + LEASE;
    keeper.beat(now).await;
    assert_eq!(status(&second, call).await, "in_progress");
    beats(&mut keeper, now, LEASE + BEAT).await;
    assert_eq!(status(&second, call).await, "failed");
}

#[tokio::test]
async fn a_call_that_no_session_holds_any_more_is_closed_and_frees_its_place() {
    let app = TestApp::builder().concurrent_calls(1).start().await;
    app.calls.recover().await.unwrap();
    let call = app.call().await.parse().unwrap();
    let mut keeper = NodeKeeper::new(app.calls.clone());
    let start = Instant::now();
    let now = beats(&mut keeper, start, BEAT * 3).await;
    assert_eq!(status(&app, call).await, "in_progress");
    app.carrier.lose(call);
    keeper.beat(now).await;
    assert_eq!(status(&app, call).await, "in_progress", "it may be about to be written");
    keeper.beat(now + BEAT).await;
    assert_eq!(status(&app, call).await, "failed");
    assert_eq!(
        app.calls.room_check(app.scope).await.map_err(|error| error.to_string()),
        Ok(())
    );
}

#[tokio::test]
async fn a_call_lost_with_its_node_pays_until_the_node_was_last_heard_of() {
    let app = TestApp::builder()
        .billing(|rules| rules.trial_credits = Credits::whole(2))
        .start()
        .await;
    app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
    app.calls.recover().await.unwrap();
    let call = app.call().await.parse().unwrap();
    let mut keeper = NodeKeeper::new(app.calls.clone());
    app.clock.advance(Duration::from_secs(90));
    keeper.beat(Instant::now()).await;
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(app.calls.recover().await.unwrap(), 1);
    let found = shown(&app, call).await;
    // Ninety seconds, though but sixty were held.
    assert_eq!(found["duration_seconds"].as_f64(), Some(90.0));
    assert_eq!(found["cost_credits"], 1.5);
    let billing = app.client().get("/api/v1/billing").await.data();
    assert_eq!((&billing["balance"], &billing["reserved"]), (&json!(0.5), &json!(0)));
    assert_eq!(app.billing.ledger_verify().await.unwrap().faults, Vec::<String>::new());
}
