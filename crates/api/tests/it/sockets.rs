//! What no HTTP library would send.

use std::time::Duration;

use testkit::{Answer, TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Sends bytes and reads until the server closes.
async fn exchange(app: &TestApp, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer))
        .await
        .expect("the server closes");
    answer
}

#[tokio::test]
async fn a_request_without_one_host_is_refused() {
    let app = TestApp::start().await;
    for host in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /health/live HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let answer = Answer::from_raw(&exchange(&app, request.as_bytes()).await);
        assert_eq!(
            (answer.pair().as_str(), &answer.details()["header"]),
            ("bad_request.malformed_header", &"Host".into())
        );
    }
    let old = exchange(&app, b"GET /health/live HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&old));
}

#[tokio::test]
async fn what_the_http_library_refuses_by_itself_is_an_envelope_too() {
    let app = TestApp::start().await;
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
    for request in [
        &huge[..],
        &many,
        &long,
        "NOT HTTP AT ALL\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\nHost: a\r\n\r\n",
    ] {
        let answer = exchange(&app, request.as_bytes()).await;
        assert_eq!(
            Answer::from_raw(&answer).pair(),
            "bad_request.malformed_header",
            "{request:.40}"
        );
    }
}

#[tokio::test]
async fn half_a_body_and_then_silence_is_a_timeout() {
    let app = TestApp::builder()
        .config(|config| config.body_timeout_ms = 200)
        .start()
        .await;
    let request = format!(
        "POST /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"name\":",
        app.key
    );
    let answer = Answer::from_raw(&exchange(&app, request.as_bytes()).await);
    assert_eq!(
        (answer.pair().as_str(), &answer.details()["timeout_seconds"]),
        ("bad_request.request_timeout", &0.2.into())
    );
}

#[tokio::test]
async fn half_a_head_and_then_silence_ends_the_connection() {
    let app = TestApp::builder()
        .config(|config| config.header_timeout_ms = 200)
        .start()
        .await;
    let answer = exchange(&app, b"GET / HTTP/1.1\r\nHo").await;
    assert!(answer.is_empty() || Answer::from_raw(&answer).pair() == "bad_request.request_timeout");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let app = TestApp::builder()
        .config(|config| config.header_timeout_ms = 200)
        .start()
        .await;
    assert!(exchange(&app, b"").await.is_empty());
}

#[tokio::test]
async fn http_2_is_not_spoken_and_gets_no_answer_outside_the_contract() {
    let app = TestApp::start().await;
    let answer = exchange(&app, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(answer.is_empty() || Answer::from_raw(&answer).pair() == "bad_request.malformed_header");
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let app = TestApp::builder()
        .config(|config| config.connections_per_address_max = 1)
        .start()
        .await;
    let mut first = TcpStream::connect(app.address).await.unwrap();
    first
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    first.read_u8().await.unwrap();
    let refused = Answer::from_raw(&exchange(&app, b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await);
    assert_eq!(
        refused.details(),
        serde_json::json!({
            "reason": "overload", "policy": "connections_per_address", "limit": 1, "remaining": 0, "retry_after": 5,
        })
    );
}

#[tokio::test]
async fn past_the_cap_a_connection_is_told_to_come_back() {
    let app = TestApp::builder()
        .config(|config| config.connections_max = 1)
        .start()
        .await;
    let mut first = TcpStream::connect(app.address).await.unwrap();
    first
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    first.read_u8().await.unwrap();
    let refused = exchange(&app, b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(Answer::from_raw(&refused).pair(), "rate_limit_exceeded.overload");
    drop(first);
    timeout(Duration::from_secs(10), async {
        while !exchange(&app, b"GET /health/live HTTP/1.0\r\n\r\n")
            .await
            .starts_with(b"HTTP/1.0 200")
        {}
    })
    .await
    .expect("the place is free again");
}

#[tokio::test]
async fn random_bytes_neither_hang_nor_kill() {
    let app = TestApp::builder()
        .config(|config| config.header_timeout_ms = 200)
        .start()
        .await;
    let mut state = 42_u64;
    for length in [1, 10, 100, 10_000] {
        let noise: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        exchange(&app, &noise).await;
    }
    app.client().get("/agents").await.ok();
}
