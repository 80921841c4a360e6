//! Who is not Stripe, at the door that is Stripe's: costs little, and keeps nobody out.

use std::sync::Arc;

use serde_json::json;
use testkit::TestApp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::stripe::{SECRET, WEBHOOK, deliver, event, now, signature, stripe, with_stripe};

#[tokio::test]
async fn a_flood_of_bad_signatures_is_told_to_wait() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.authentication_failures_per_minute = 2;
        })
        .billing_events(Arc::new(stripe()))
        .start()
        .await;
    for pair in [
        "unauthorized.malformed_credentials",
        "unauthorized.invalid_token",
        "rate_limit_exceeded.authentication_attempts",
        "rate_limit_exceeded.authentication_attempts",
    ] {
        let header = if pair.ends_with("malformed_credentials") {
            "?"
        } else {
            "t=1,v1=00"
        };
        assert_eq!(deliver(&app, Some(header), "{}").await.pair(), pair);
    }
    assert_eq!(
        deliver(&app, None, "{}").await.pair(),
        "unauthorized.missing_credentials"
    );
}

#[tokio::test]
async fn a_body_is_read_only_where_it_may_be_signed() {
    let large = "x".repeat(2 * 1024 * 1024);
    let closed = TestApp::start().await;
    let refused = deliver(&closed, Some("t=1,v1=00"), &large).await;
    assert_eq!(refused.pair(), "not_found.route_not_found");
    let app = with_stripe().await;
    assert_eq!(
        deliver(&app, None, &large).await.pair(),
        "unauthorized.missing_credentials"
    );
    assert_eq!(
        deliver(&app, Some("t=1,v1=00"), &large).await.pair(),
        "bad_request.body_too_large"
    );
}

#[tokio::test]
async fn forged_events_are_told_to_wait_and_real_ones_still_come_in() {
    let app = TestApp::builder().billing(|_| {}).billing_events(Arc::new(stripe()));
    let app = app.config(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.rate_limit.enabled = true;
        config.rate_limit.authentication_failures_per_minute = 2;
    });
    let app = app.start().await;
    let body = event("evt_9", "customer.created", now(&app), &json!({ "id": "cus_9" })).to_string();
    let good = signature(SECRET, now(&app), &body);
    let from = async |address: &str, header: Option<&str>| {
        let client = app.client_with(None);
        let request = client.request("POST".parse().unwrap(), WEBHOOK).body(body.clone());
        let request = request.header("x-forwarded-for", address);
        let request = header
            .iter()
            .fold(request, |request, value| request.header("stripe-signature", *value));
        client.send(request).await
    };
    let told_to_wait = "rate_limit_exceeded.authentication_attempts";
    for pair in [
        "unauthorized.malformed_credentials",
        "unauthorized.malformed_credentials",
        told_to_wait,
    ] {
        assert_eq!(from("203.0.113.1", Some("nonsense")).await.pair(), pair);
    }
    assert_eq!(from("203.0.113.1", Some("t=1,v1=00")).await.pair(), told_to_wait);
    assert_eq!(
        from("203.0.113.2", Some("t=1,v1=00")).await.pair(),
        "unauthorized.invalid_token"
    );
    from("203.0.113.1", Some(&good)).await.ok();
}

#[tokio::test]
async fn unsigned_bodies_that_never_come_take_no_seat() {
    let app = TestApp::builder().billing(|_| {}).billing_events(Arc::new(stripe()));
    let app = app.config(|config| config.requests_max = 20).start().await;
    let mut held = Vec::new();
    for signature in ["", "Stripe-Signature: t=1,v1=00\r\n"] {
        for _ in 0..30 {
            let mut stream = TcpStream::connect(app.address).await.unwrap();
            let head = format!("POST {WEBHOOK} HTTP/1.1\r\nHost: a\r\n{signature}Content-Length: 100\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            held.push(stream);
        }
    }
    // The last of them was answered, so all before were looked at.
    held.last_mut().unwrap().read_u8().await.unwrap();
    app.client().get("/agents").await.ok();
}
