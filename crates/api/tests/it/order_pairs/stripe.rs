//! The order where a signature stands in place of credentials.

use std::{collections::HashMap, sync::Arc};

use domain::ports::Clock as _;
use reqwest::Method;
use ring::hmac;
use testkit::{Answer, Secret, Stripe, StripeConfig, TestApp};

const WEBHOOK: &str = "/api/billing/stripe/webhook";
const SECRET: &str = "whsec_test";

/// What stands in `Stripe-Signature`.
#[derive(Clone, Copy, Debug)]
enum Signed {
    Well,
    Not,
    Unreadably,
    ByAnother,
    LongAgo,
}

async fn start() -> TestApp {
    let stripe = Stripe::new(StripeConfig {
        webhook_secret: Secret::new(SECRET),
        prices: HashMap::new(),
    });
    let builder = TestApp::builder().config(|config| config.body_bytes_max = 10_000);
    builder.billing_events(Arc::new(stripe)).start().await
}

fn signature(app: &TestApp, signed: Signed, body: &str) -> Option<String> {
    let now = app.clock.now().millis() / 1000;
    let sign = |secret: &str, seconds: i64| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
        let digits = |byte: &u8| format!("{byte:02x}");
        let hex: String = tag.as_ref().iter().map(digits).collect();
        format!("t={seconds},v1={hex}")
    };
    match signed {
        Signed::Well => Some(sign(SECRET, now)),
        Signed::Not => None,
        Signed::Unreadably => Some("nonsense".to_owned()),
        Signed::ByAnother => Some(sign("whsec_other", now)),
        Signed::LongAgo => Some(sign(SECRET, now - 3600)),
    }
}

async fn sent(app: &TestApp, method: Method, signed: Signed, body: &str) -> Answer {
    let client = app.client_with(None);
    let request = client.request(method, WEBHOOK).body(body.to_owned());
    let request = signature(app, signed, body)
        .iter()
        .fold(request, |request, value| request.header("stripe-signature", value));
    client.send(request).await
}

async fn answered(app: &TestApp, method: Method, signed: Signed, body: &str) -> String {
    sent(app, method, signed, body).await.pair()
}

const ALL: [Signed; 5] = [
    Signed::Well,
    Signed::Not,
    Signed::Unreadably,
    Signed::ByAnother,
    Signed::LongAgo,
];

#[tokio::test]
async fn an_event_is_judged_by_its_route_then_its_signature_then_its_text() {
    let app = start().await;
    for signed in ALL {
        for body in ["{", "{}"] {
            let answered = answered(&app, Method::PUT, signed, body).await;
            assert_eq!(answered, "not_found.method_not_allowed", "{signed:?} {body}");
        }
    }
    for (signed, pair) in [
        (Signed::Not, "unauthorized.missing_credentials"),
        (Signed::Unreadably, "unauthorized.malformed_credentials"),
        (Signed::ByAnother, "unauthorized.invalid_token"),
        (Signed::LongAgo, "unauthorized.expired_token"),
        (Signed::Well, "bad_request.malformed_json"),
    ] {
        assert_eq!(answered(&app, Method::POST, signed, "{").await, pair, "{signed:?}");
    }
    // A signature is one of the whole body, so what has none need not be read.
    let large = "x".repeat(20_000);
    let answered = answered(&app, Method::POST, Signed::Well, &large).await;
    assert_eq!(answered, "bad_request.body_too_large");
}

#[tokio::test]
async fn where_nobody_signs_there_is_no_route_whatever_is_sent() {
    let app = TestApp::start().await;
    for signed in ALL {
        let answered = answered(&app, Method::POST, signed, "{").await;
        assert_eq!(answered, "not_found.route_not_found", "{signed:?}");
    }
}

#[tokio::test]
async fn a_bad_signature_is_told_as_one_and_not_as_a_bad_key() {
    let app = start().await;
    for signed in [Signed::Not, Signed::Unreadably, Signed::ByAnother, Signed::LongAgo] {
        let answer = sent(&app, Method::POST, signed, "{}").await;
        let message = answer.json()["error"]["message"].to_string();
        assert!(
            message.contains("Stripe-Signature") && !message.contains("Bearer"),
            "{answer}"
        );
    }
}
