//! Where a request comes from, behind proxies and without.

use reqwest::Method;
use testkit::{Answer, TestApp};

async fn trusting() -> TestApp {
    let app = TestApp::builder().config(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.rate_limit.enabled = true;
        config.rate_limit.authentication_failures_per_minute = 1;
    });
    app.start().await
}

async fn ask(app: &TestApp, key: &str, forwarded_for: &str) -> Answer {
    let client = app.client_with(Some(key));
    let request = client
        .request(Method::GET, "/agents")
        .header("x-forwarded-for", forwarded_for);
    client.send(request).await
}

#[tokio::test]
async fn refused_credentials_count_against_the_client_behind_the_proxy() {
    let app = trusting().await;
    let refused = "unauthorized.malformed_credentials";
    assert_eq!(ask(&app, "cw_wrong", "203.0.113.1").await.pair(), refused);
    assert_eq!(ask(&app, "cw_wrong", "203.0.113.2").await.pair(), refused);
    // What the client itself puts before its address changes nothing.
    assert_eq!(
        ask(&app, "cw_wrong", "198.51.100.7, 203.0.113.1").await.pair(),
        "rate_limit_exceeded.authentication_attempts"
    );
}

#[tokio::test]
async fn an_untrusted_peers_word_is_not_taken() {
    let app = TestApp::builder().config(|config| {
        config.rate_limit.enabled = true;
        config.rate_limit.authentication_failures_per_minute = 1;
    });
    let app = app.start().await;
    ask(&app, "cw_wrong", "203.0.113.1").await;
    assert_eq!(
        ask(&app, "cw_wrong", "203.0.113.2").await.pair(),
        "rate_limit_exceeded.authentication_attempts"
    );
}

#[tokio::test]
async fn a_hop_that_no_proxy_should_write_is_refused_after_the_credentials() {
    let app = trusting().await;
    let answer = ask(&app, &app.key, "unknown").await;
    assert_eq!(answer.pair(), "bad_request.malformed_header");
    assert_eq!(answer.details()["header"], "X-Forwarded-For");
    assert_eq!(ask(&app, "cw_wrong", "unknown").await.status, 401);
    ask(&app, &app.key, "unknown, 203.0.113.1").await.ok();
}
