//! How much a client may ask in a time.

use std::time::Duration;

use serde_json::json;
use testkit::TestApp;

#[tokio::test]
async fn past_the_limit_requests_are_refused_until_the_window_ends() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 2;
            config.rate_limit.hour = 0;
        })
        .start()
        .await;
    app.clock.advance(Duration::from_millis(40_500));
    let client = app.client();
    let first = client.get("/agents").await;
    assert_eq!(
        first.header("ratelimit-policy"),
        "\"minute\";q=2;w=60, \"day\";q=10000;w=86400"
    );
    assert_eq!(first.header("ratelimit"), "\"minute\";r=1;t=20");
    assert_eq!(first.header("x-ratelimit-reset"), "1770206460");
    client.get("/nope").await;
    assert_eq!(client.get("/agents/none").await.header("x-ratelimit-remaining"), "0");
    let refused = client.get("/agents").await;
    assert_eq!(
        refused.details(),
        json!({
            "reason": "requests", "policy": "minute", "limit": 2, "remaining": 0, "window_seconds": 60,
            "reset_at": "2026-02-04T12:01:00.000Z", "retry_after": 20,
        })
    );
    assert_eq!(refused.header("retry-after"), "20");
    app.clock.advance(Duration::from_millis(19_500));
    client.get("/agents").await.ok();
}

#[tokio::test]
async fn without_limits_nothing_is_said_about_them() {
    let app = TestApp::start().await;
    let answer = app.client().get("/agents").await;
    assert!(answer.headers.keys().all(|name| !name.as_str().contains("ratelimit")));
}

#[tokio::test]
async fn a_flood_of_bad_keys_is_told_to_wait_and_good_ones_still_pass() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.authentication_failures_per_minute = 3;
        })
        .start()
        .await;
    let client = app.client_with(Some("cw_wrong"));
    for _ in 0..3 {
        assert_eq!(client.get("/agents").await.status, 401);
    }
    let answer = client.get("/agents").await;
    assert_eq!(answer.pair(), "rate_limit_exceeded.authentication_attempts");
    app.client().get("/agents").await.ok();
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(client.get("/agents").await.status, 401);
}

#[tokio::test]
async fn more_calls_at_once_than_allowed_are_refused() {
    let app = TestApp::builder().concurrent_calls(1).start().await;
    let agent = app.agent_that_calls().await;
    let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    app.client().post("/calls", &body).await.created();
    let refused = app.client().post("/calls", &body).await;
    assert_eq!(refused.pair(), "rate_limit_exceeded.concurrent_calls");
    assert_eq!(refused.details()["limit"], 1);
}
