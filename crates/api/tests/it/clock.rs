//! A clock that is set while the server runs, forward and back, by an hour and by a month: whoever is held up by it is so
//! for no longer than that takes, and nothing that was promised is lost.

use std::time::Duration;

use contract::{Credits, Timestamp};
use domain::ports::Clock as _;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Issuer, Signer, TestApp};

const HOUR: i64 = 3_600_000;
const MONTH: i64 = 30 * 24 * HOUR;
const JUMPS: [i64; 4] = [HOUR, -HOUR, MONTH, -MONTH];

fn jump(app: &TestApp, by: i64) {
    app.clock.jump(Timestamp::from_millis(app.clock.now().millis() + by));
}

async fn keyed(app: &TestApp, key: &str, body: &Value) -> Answer {
    let client = app.client();
    let request = client.request(Method::POST, "/agents").header("idempotency-key", key);
    client.send(request.json(body)).await
}

#[tokio::test]
async fn windows_begin_anew_where_the_clock_lands() {
    for by in JUMPS {
        let app = TestApp::builder()
            .config(|config| {
                config.rate_limit.enabled = true;
                (config.rate_limit.minute, config.rate_limit.hour, config.rate_limit.day) = (2, 0, 0);
            })
            .start()
            .await;
        for _ in 0..2 {
            app.client().get("/agents").await.ok();
        }
        assert_eq!(app.client().get("/agents").await.pair(), "rate_limit_exceeded.requests");
        jump(&app, by);
        app.client().get("/agents").await.ok();
        app.client().get("/agents").await.ok();
        let refused = app.client().get("/agents").await;
        let wait = refused.details()["retry_after"].as_i64().unwrap();
        assert!((1..=60).contains(&wait), "{by}: {refused}");
    }
}

#[tokio::test]
async fn an_answered_key_is_replayed_within_its_day_and_never_has_two_effects_in_it() {
    for (by, replayed) in [(HOUR, true), (-HOUR, true), (-MONTH, true), (MONTH, false)] {
        let app = TestApp::start().await;
        let body = app.agent_body(&json!({}));
        let first = keyed(&app, "order", &body).await;
        jump(&app, by);
        let second = keyed(&app, "order", &body).await;
        assert_eq!(second.header("idempotent-replayed") == "true", replayed, "{by}");
        let total = if replayed { 1 } else { 2 };
        assert_eq!(first.body == second.body, replayed, "{by}");
        assert_eq!(app.client().get("/agents").await.json()["pagination"]["total"], total);
    }
}

#[tokio::test]
async fn a_claim_of_a_process_whose_clock_was_ahead_is_given_up_with_it() {
    for by in JUMPS {
        let app = TestApp::start().await;
        let body = app.agent_body(&json!({}));
        keyed(&app, "order", &body).await.created();
        // As if it had died before it answered.
        let cut_off = "UPDATE idempotency_keys SET answer_status = NULL, answer_location = NULL, answer_sealed = NULL,
                           answer_key = NULL, resource_id = NULL";
        app.database.outsider().await.run(cut_off).await;
        jump(&app, by);
        keyed(&app, "order", &body).await.created();
    }
}

#[tokio::test]
async fn a_trial_ends_when_the_clock_says_so_and_is_given_once() {
    for (by, standing) in [
        (HOUR, "trialing"),
        (-HOUR, "trialing"),
        (MONTH, "trial_expired"),
        (-MONTH, "trialing"),
    ] {
        let app = TestApp::builder()
            .billing(|rules| rules.trial_credits = Credits::whole(2))
            .start()
            .await;
        app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
        jump(&app, by);
        let billing = app.client().get("/api/v1/billing").await.data();
        assert_eq!(
            (&billing["standing"], &billing["balance"]),
            (&json!(standing), &json!(2)),
            "{by}"
        );
        let again = app.client().post("/api/v1/billing/trial", &json!({})).await;
        assert_eq!(again.pair(), "validation_error.invalid_state", "{by}");
        jump(&app, -by);
        let billing = app.client().get("/api/v1/billing").await.data();
        assert_eq!(billing["standing"], "trialing", "{by}, and back");
    }
}

#[tokio::test]
async fn tokens_go_by_the_clock_and_new_ones_are_good_wherever_it_stands() {
    let signer = Signer::rs256("key");
    let issuer = Issuer::publishing(&[&signer]).await;
    for by in JUMPS {
        let app = TestApp::builder().tokens_of(&issuer, |_| {}).start().await;
        app.member("ada", contract::MemberRole::Member).await;
        let old = app.person(&signer, "ada");
        old.get("/agents").await.ok();
        jump(&app, by);
        let answer = old.get("/agents").await;
        if by > 0 {
            assert_eq!(answer.pair(), "unauthorized.expired_token", "{by}");
        } else {
            answer.ok();
        }
        app.person(&signer, "ada").get("/agents").await.ok();
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted_again_after_the_clock_was_ahead() {
    for by in JUMPS {
        let app = TestApp::start().await;
        let noted = async |at: Timestamp| {
            for _ in 0..200 {
                let keys = app.client().get("/api/v1/api-keys").await.json();
                if keys["data"][0]["last_used_at"] == json!(at) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
            panic!("{by}: the use at {at} was not noted");
        };
        noted(app.clock.now()).await;
        jump(&app, by);
        noted(app.clock.now()).await;
        jump(&app, -by);
        app.clock.advance(Duration::from_mins(2));
        noted(app.clock.now()).await;
    }
}
