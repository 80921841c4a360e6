//! What clients see of a database in trouble.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use testkit::{Answer, Engine, Logs, TestApp};

#[tokio::test]
async fn a_locked_database_is_an_internal_error_until_it_is_let_go() {
    let logs = Logs::listen();
    let app = TestApp::builder().patience(Duration::from_millis(300)).start().await;
    let body = app.agent_body(&serde_json::json!({}));
    let mut outsider = app.database.outsider().await;
    outsider.lock_out_writers().await;
    let answer = app.client().post("/agents", &body).await;
    assert_eq!(answer.pair(), "internal_error.internal");
    let lines = logs.lines_with(answer.header("x-request-id"));
    // The note of the key's use, which comes beside the request, may fail by the same lock.
    let told = lines.iter().filter(|line| line.contains("agent_create")).count();
    assert_eq!(told, 1, "the whole cause, once: {lines:?}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("lock"));
    assert_eq!(
        app.client().get("/agents").await.json()["pagination"]["total"],
        0,
        "reading goes on"
    );
    outsider.let_go().await;
    app.client().post("/agents", &body).await.created();
    assert_eq!(app.client().get("/agents").await.json()["pagination"]["total"], 1);
}

/// Far below what a client waits, far above what a busy machine takes for an answer that is due within a second.
const IN_TIME: Duration = Duration::from_secs(10);
/// By then a claim of a request that was cut off is nobody's.
const LEASE_IS_OVER: Duration = Duration::from_mins(5);

async fn keyed(app: &TestApp, key: &str) -> Answer {
    let client = app.client();
    let request = client.request(Method::POST, "/agents").header("idempotency-key", key);
    client
        .send(request.json(&app.agent_body(&json!({ "name": key }))))
        .await
}

/// A refusal in its time, of which the client learns nothing.
async fn assert_refused(app: &TestApp, key: &str) {
    let since = Instant::now();
    let answer = keyed(app, key).await;
    assert_eq!(answer.pair(), "internal_error.internal");
    assert!(since.elapsed() < IN_TIME, "{:?}", since.elapsed());
}

async fn until_ready(app: &TestApp) {
    let since = Instant::now();
    while !app.is_ready().await {
        assert!(since.elapsed() < IN_TIME, "it never became ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends the key until it is answered, as a client of ours does; the agent it made.
async fn insist(app: &TestApp, key: &str) -> String {
    let since = Instant::now();
    loop {
        let answer = keyed(app, key).await;
        if answer.status == 201 {
            return answer.created();
        }
        let pair = answer.pair();
        assert!(
            ["internal_error.internal", "rate_limit_exceeded.idempotency_in_progress"].contains(&pair.as_str()),
            "{answer}"
        );
        assert!(since.elapsed() < IN_TIME * 2, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Each key has made one agent, and there are no others.
async fn assert_one_each(app: &TestApp, made: &[(String, String)]) {
    let listed = app.client().get("/agents?limit=100").await.json();
    assert_eq!(listed["pagination"]["total"], made.len());
    let mut names: Vec<_> = (listed["data"].as_array().unwrap().iter())
        .map(|agent| (agent["name"].as_str().unwrap(), agent["id"].as_str().unwrap()))
        .collect();
    let mut expected: Vec<_> = made.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn on_a_full_disk_writes_are_internal_errors_reads_go_on_and_a_key_has_one_effect() {
    let app = TestApp::builder().engine(Engine::Sqlite).start().await;
    app.fill_disk(4).await;
    let mut made = Vec::new();
    let refused = loop {
        let key = format!("key-{}", made.len());
        let answer = keyed(&app, &key).await;
        if answer.status != 201 {
            assert_eq!(answer.pair(), "internal_error.internal");
            break key;
        }
        made.push((key, answer.created()));
        assert!(made.len() < 99, "the disk never got full");
    };
    assert_refused(&app, "another").await;
    assert_one_each(&app, &made).await;
    assert!(app.is_ready().await, "who can read is ready");
    app.fill_disk(1_000).await;
    app.clock.advance(LEASE_IS_OVER);
    for key in [refused, "another".to_owned()] {
        let id = insist(&app, &key).await;
        assert_eq!(insist(&app, &key).await, id, "the same again");
        made.push((key, id));
    }
    assert_one_each(&app, &made).await;
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_an_internal_error_in_time_and_found_again() {
    let app = TestApp::builder()
        .behind_proxy()
        .patience(Duration::from_millis(500))
        .start()
        .await;
    let mut made = vec![("before".to_owned(), insist(&app, "before").await)];
    for (key, silent) in [("cut", false), ("silent", true), ("cut-again", false)] {
        if silent {
            app.way().hold();
        } else {
            app.way().cut();
        }
        assert!(!app.is_ready().await, "{key}");
        assert_refused(&app, key).await;
        let since = Instant::now();
        assert_eq!(app.client().get("/agents").await.pair(), "internal_error.internal");
        assert!(since.elapsed() < IN_TIME, "{:?}", since.elapsed());
        app.way().mend();
        until_ready(&app).await;
        app.clock.advance(LEASE_IS_OVER);
        made.push((key.to_owned(), insist(&app, key).await));
        assert_one_each(&app, &made).await;
    }
}

#[tokio::test]
async fn whenever_the_server_goes_a_key_that_is_sent_again_has_one_effect() {
    let app = TestApp::builder()
        .behind_proxy()
        .patience(Duration::from_millis(500))
        .start()
        .await;
    let app = Arc::new(app);
    let mut made = Vec::new();
    for round in 0..12 {
        let key = format!("round-{round}");
        let (asking, asked) = (Arc::clone(&app), key.clone());
        let first = tokio::spawn(async move { keyed(&asking, &asked).await });
        // From before the request is read until after it is answered.
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        app.way().cut();
        let first = first.await.unwrap();
        app.way().mend();
        until_ready(&app).await;
        app.clock.advance(LEASE_IS_OVER);
        let id = insist(&app, &key).await;
        if first.status == 201 {
            assert_eq!(first.created(), id, "what was acknowledged is what is replayed");
        } else {
            assert_eq!(first.pair(), "internal_error.internal");
        }
        made.push((key, id));
    }
    assert_one_each(&app, &made).await;
}
