//! How much a client may ask in a time.

use std::time::Duration;

use contract::{KeyScope, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, TestApp};

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
            "reason": "requests", "policy": "minute", "subject": "organization", "limit": 2, "remaining": 0, "window_seconds": 60,
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
    // One that was good before; of others see the tests of keys.
    app.client().get("/agents").await.ok();
    let client = app.client_with(Some("cw_wrong"));
    for _ in 0..3 {
        assert_eq!(client.get("/agents").await.status, 401);
    }
    let answer = client.get("/agents").await;
    assert_eq!(answer.pair(), "rate_limit_exceeded.authentication_attempts");
    app.client().get("/agents").await.ok();
    // One that nobody used yet gets in too, at some try.
    let fresh = app.key_with(&[KeyScope::Read], None).await.key;
    app.client_with(Some(&fresh)).get("/agents").await.ok();
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

#[tokio::test]
async fn an_organisation_that_is_full_is_told_so_before_anything_else() {
    let app = TestApp::builder().concurrent_calls(1).start().await;
    app.call().await;
    let reader = app.key_with(&[KeyScope::Read], None).await.key;
    for client in [app.client(), app.client_with(Some(&reader))] {
        let answer = client.post_text("/calls", "text/plain", "{").await;
        assert_eq!(answer.pair(), "rate_limit_exceeded.concurrent_calls");
        assert_eq!(answer.details()["remaining"], 0);
    }
    // What places no call goes on.
    app.client().get("/calls").await.ok();
    // Under a key that nothing was asked with yet too.
    let request = app
        .client()
        .request(Method::POST, "/calls")
        .header("idempotency-key", "again");
    let answer = app
        .client()
        .send(request.header("content-type", "text/plain").body("{"))
        .await;
    assert_eq!(answer.pair(), "rate_limit_exceeded.concurrent_calls");
}

/// The operator's endpoint about the first organisation's limits.
fn limits_of(app: &TestApp) -> String {
    format!("/api/operator/v1/organizations/{}/limits", app.scope.organization)
}

async fn set(operator: &Client, path: &str, limits: &Value) -> Answer {
    operator.send(operator.request(Method::PUT, path).json(limits)).await
}

#[tokio::test]
async fn what_an_operator_grants_an_organisation_holds_for_it_alone() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 60;
        })
        .concurrent_calls(1)
        .start()
        .await;
    let (operator, path) = (app.operator().await, limits_of(&app));
    app.call().await;
    let nothing = json!({ "rate_limits": { "minute": null, "hour": null, "day": null }, "concurrent_calls": null });
    assert_eq!(operator.get(&path).await.data(), nothing);

    let granted = json!({ "rate_limits": { "minute": 100, "hour": 0, "day": null }, "concurrent_calls": 2 });
    assert_eq!(set(&operator, &path, &granted).await.data(), granted);
    assert_eq!(operator.get(&path).await.data(), granted);
    let policies = |answer: &Answer| answer.header("ratelimit-policy").to_owned();
    let answer = app.client().get("/agents").await;
    assert_eq!(policies(&answer), "\"minute\";q=100;w=60, \"day\";q=10000;w=86400");
    let (_, other) = app.keys.organization_create("Other").await.unwrap();
    let answer = app.client_with(Some(&other)).get("/agents").await;
    assert!(
        policies(&answer).starts_with("\"minute\";q=60;w=60, \"hour\";q=1000"),
        "{answer}"
    );
    let agent = app.client().get("/calls").await.json()["data"][0]["agent_id"].clone();
    let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    app.client().post("/calls", &body).await.created();
    let refused = app.client().post("/calls", &body).await;
    assert_eq!(
        (refused.pair(), &refused.details()["limit"]),
        ("rate_limit_exceeded.concurrent_calls".to_owned(), &json!(2))
    );

    assert_eq!(set(&operator, &path, &json!({})).await.data(), nothing);
    let answer = app.client().get("/agents").await;
    assert!(policies(&answer).starts_with("\"minute\";q=60"), "{answer}");
}

#[tokio::test]
async fn only_operators_grant_limits_and_only_to_who_is_there() {
    let app = TestApp::start().await;
    let (operator, path) = (app.operator().await, limits_of(&app));
    let refused = set(&app.client(), &path, &json!({})).await;
    assert_eq!(refused.pair(), "forbidden.insufficient_scope");
    let nobody = format!(
        "/api/operator/v1/organizations/{}/limits",
        contract::OrganizationId::new()
    );
    for answer in [operator.get(&nobody).await, set(&operator, &nobody, &json!({})).await] {
        assert_eq!(
            (answer.pair(), &answer.details()["resource"]),
            ("not_found.resource_not_found".to_owned(), &json!("organization"))
        );
    }
    let bad = json!({ "rate_limits": { "minute": -1, "second": 1 }, "concurrent_calls": 0 });
    let mut faults = set(&operator, &path, &bad).await.faults();
    faults.sort_unstable();
    let expected = [
        ("/concurrent_calls", "out_of_range"),
        ("/rate_limits/minute", "out_of_range"),
        ("/rate_limits/second", "unknown_field"),
    ];
    assert_eq!(
        faults,
        expected.map(|(pointer, reason)| (pointer.to_owned(), reason.to_owned()))
    );
}

#[tokio::test]
async fn what_another_node_granted_is_known_within_ten_seconds() {
    let app = TestApp::builder()
        .config(|config| config.rate_limit.enabled = true)
        .start()
        .await;
    let limit = async || app.client().get("/agents").await.header("x-ratelimit-limit").to_owned();
    assert_eq!(limit().await, "60");
    let limits = serde_json::from_value(json!({ "rate_limits": { "minute": 7 } })).unwrap();
    app.grant_elsewhere(&limits).await;
    assert_eq!(limit().await, "60");
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(limit().await, "7");
}

#[tokio::test]
async fn a_clock_that_jumps_locks_nobody_out() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            (config.rate_limit.minute, config.rate_limit.day) = (1, 0);
        })
        .start()
        .await;
    let client = app.client();
    let began = Timestamp::from_millis(1_770_206_400_000);
    for to in [
        began,
        Timestamp::from_millis(began.millis() - 400 * 86_400_000),
        began,
        Timestamp::from_millis(-1),
    ] {
        app.clock.jump(to);
        let answer = client.get("/agents").await;
        answer.ok();
        let refused = client.get("/agents").await;
        assert_eq!(refused.pair(), "rate_limit_exceeded.requests", "{to}");
        let wait = refused.details()["retry_after"].as_i64().unwrap();
        assert!((1..=60).contains(&wait), "{refused}");
        let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
        assert_eq!(reset, (to.millis().div_euclid(60_000) + 1) * 60, "{refused}");
    }
}
