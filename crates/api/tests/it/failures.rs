//! What breaks on our side or a provider's, and that nobody learns more of it than they should.

use std::{sync::Arc, time::Duration};

use axum::{Router, response::IntoResponse as _, routing::get};
use domain::ProviderFault;
use hyper::StatusCode;
use serde_json::json;
use testkit::{BrokenRecordings, Logs, Outcome, TestApp};

#[tokio::test]
async fn a_broken_store_is_logged_whole_and_told_as_nothing() {
    let logs = Logs::listen();
    let app = TestApp::builder().recordings(Arc::new(BrokenRecordings)).start().await;
    let call = app.call().await;
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let answer = app.client().get(&format!("/calls/{call}/recording")).await;
    assert_eq!(answer.details(), json!({ "reason": "internal" }));
    assert!(!String::from_utf8_lossy(&answer.body).contains("MARKER"));
    let lines = logs.lines_with(answer.header("x-request-id"));
    assert!(
        lines.len() == 1 && lines[0].contains("find a recording: MARKER in the cause"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_database_that_is_gone_is_an_internal_error() {
    let app = TestApp::start().await;
    app.store.close().await;
    assert_eq!(app.client().get("/agents").await.pair(), "internal_error.internal");
}

#[tokio::test]
async fn each_failure_of_a_provider_has_its_reason_and_hides_its_cause() {
    let logs = Logs::listen();
    let app = TestApp::start().await;
    let body = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    for (fault, reason, retryable) in [
        (ProviderFault::Unreachable, "unreachable", true),
        (ProviderFault::Timeout, "timeout", true),
        (ProviderFault::Rejected, "rejected", false),
        (ProviderFault::RateLimited, "rate_limited", true),
        (ProviderFault::BadResponse, "bad_response", false),
        (ProviderFault::Credentials, "provider_credentials", false),
    ] {
        app.carrier.set(Outcome::Fails(fault));
        let answer = app.client().post("/calls", &body).await;
        let record = app.client().get("/calls?limit=1").await.json()["data"][0].clone();
        let expected = json!({
            "reason": reason, "provider": "sip", "kind": "telephony", "operation": "place_call", "retryable": retryable,
            "call_id": record["id"],
        });
        assert_eq!((answer.status.as_u16(), answer.details()), (502, expected));
        assert!(!String::from_utf8_lossy(&answer.body).contains("MARKER"));
        assert!(
            logs.lines_with(answer.header("x-request-id"))[0].contains("MARKER"),
            "{reason}"
        );
        assert_eq!(record["context"]["last_error"]["details"]["reason"], reason);
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_connection_lives_on() {
    let logs = Logs::listen();
    let app = TestApp::start().await;
    let body = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Panics);
    let answer = app.client().post("/calls", &body).await;
    assert_eq!(answer.details(), json!({ "reason": "internal" }));
    assert!(!String::from_utf8_lossy(&answer.body).contains("MARKER"));
    assert!(logs.lines_with(answer.header("x-request-id"))[0].contains("panic: MARKER in a panic"));
    app.client().get("/agents").await.ok();
}

#[tokio::test]
async fn any_status_that_any_layer_answers_bare_becomes_an_envelope() {
    let routes = [
        400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 414, 415, 416, 417, 418, 422, 425, 429, 431, 451, 500,
        501, 502, 503, 504, 507,
    ];
    let router = routes.iter().fold(Router::new(), |router, status| {
        let status = StatusCode::from_u16(*status).unwrap();
        router.route(
            &format!("/test/{}", status.as_u16()),
            get(move || async move { (status, "MARKER").into_response() }),
        )
    });
    let app = TestApp::builder().routes(router).start().await;
    for status in routes {
        let answer = app.client().get(&format!("/test/{status}")).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("MARKER"), "{status}");
    }
    for (status, pair) in [
        (401, "unauthorized.missing_credentials"),
        (405, "not_found.method_not_allowed"),
        (415, "bad_request.unsupported_media_type"),
        (409, "validation_error.invalid_state"),
        (503, "rate_limit_exceeded.overload"),
        (504, "internal_error.timeout"),
        (502, "internal_error.internal"),
    ] {
        assert_eq!(app.client().get(&format!("/test/{status}")).await.pair(), pair);
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_our_own_timeout() {
    let app = TestApp::builder()
        .config(|config| {
            config.request_timeout_ms = 100;
            config.body_timeout_ms = 60_000;
        })
        .start()
        .await;
    let body = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = app.client().post_text("/agents", "application/json", body).await;
    assert_eq!(answer.pair(), "internal_error.timeout");
}

#[tokio::test]
async fn a_stopping_server_says_so_and_lets_requests_finish() {
    let router = Router::new().route(
        "/test/slow",
        get(|| async { tokio::time::sleep(Duration::from_millis(300)).await }),
    );
    let mut app = TestApp::builder().routes(router).start().await;
    let client = app.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.get("/test/slow").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.shutdown.cancel();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let refused = app.client().get("/agents").await;
    assert_eq!(
        (refused.pair().as_str(), refused.header("connection")),
        ("rate_limit_exceeded.overload", "close")
    );
    assert_eq!(slow.await.unwrap().status, 200);
    app.stop().await;
}
