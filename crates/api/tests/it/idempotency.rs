//! The same request sent again: one effect, one answer.

use std::time::Duration;

use domain::ProviderFault;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, Engine, Outcome, TestApp};

async fn keyed(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, path).header("idempotency-key", key);
    client.send(request.json(body)).await
}

async fn total(client: &Client, path: &str) -> Value {
    client.get(path).await.json()["pagination"]["total"].clone()
}

/// Sends the same request many times at once, in turns to each of the clients.
async fn flood(clients: &[Client], body: &Value) -> Vec<Answer> {
    let requests = (0..50).map(|index| {
        let (client, body) = (clients[index % clients.len()].clone(), body.clone());
        tokio::spawn(async move { keyed(&client, "order-42", "/agents", &body).await })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await.unwrap());
    }
    answers
}

fn assert_one(answers: &[Answer]) {
    let first = &answers[0];
    for answer in answers {
        assert_eq!(answer.status, 201, "{answer}");
        assert_eq!(answer.body, first.body);
        for header in ["x-request-id", "location", "etag", "content-type"] {
            assert_eq!(answer.header(header), first.header(header), "{header}");
        }
    }
    let originals = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_empty());
    assert_eq!(originals.count(), 1);
}

#[tokio::test]
async fn fifty_equal_requests_at_once_have_one_effect_and_one_answer() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = TestApp::builder().engine(engine).start().await;
        let answers = flood(&[app.client()], &app.agent_body(&json!({}))).await;
        assert_one(&answers);
        assert_eq!(total(&app.client(), "/agents").await, 1);
    }
}

#[tokio::test]
async fn so_they_have_across_processes() {
    let app = TestApp::builder().engine(Engine::Postgres).start().await;
    let other = TestApp::builder().beside(&app).start().await;
    let answers = flood(&[app.client(), other.client()], &app.agent_body(&json!({}))).await;
    assert_one(&answers);
    assert_eq!(total(&other.client(), "/agents").await, 1);
}

#[tokio::test]
async fn every_post_that_makes_something_is_answered_again_byte_for_byte() {
    let app = TestApp::start().await;
    let client = app.client();
    let (agent, trunk) = (app.agent_that_calls().await, app.trunk().await);
    let key = json!({ "name": "Another" });
    for (path, body) in [
        ("/agents", app.agent_body(&json!({}))),
        ("/telephony/trunks", json!({ "name": "Trunk", "host": "192.0.2.4" })),
        (
            "/telephony/numbers/import",
            json!({ "phone_number": "+14155550199", "trunk_id": trunk }),
        ),
        ("/calls", json!({ "agent_id": agent, "phone_number": "+14155550123" })),
        ("/api/v1/api-keys", key),
    ] {
        let first = keyed(&client, "k", path, &body).await;
        assert_eq!(first.status, 201, "{first}");
        app.clock.advance(Duration::from_mins(1));
        let again = keyed(&client, "k", path, &body).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    assert_eq!(total(&client, "/calls").await, 1);
}

#[tokio::test]
async fn another_request_with_the_key_is_refused_after_it_was_found_well_formed() {
    let app = TestApp::start().await;
    let client = app.client();
    keyed(&client, "k", "/agents", &app.agent_body(&json!({}))).await.ok();
    let other = keyed(&client, "k", "/agents", &app.agent_body(&json!({ "name": "Eve" }))).await;
    assert_eq!(other.pair(), "validation_error.idempotency_key_reused");
    assert_eq!(other.details()["idempotency_key"], "k");
    let unread = client.request(Method::POST, "/agents").header("idempotency-key", "k");
    let unread = client
        .send(unread.header("content-type", "application/json").body("{"))
        .await;
    assert_eq!(unread.pair(), "bad_request.malformed_json");
    let invalid = keyed(&client, "k", "/agents", &json!({ "name": 5 })).await;
    assert_eq!(invalid.pair(), "validation_error.invalid_fields");
    // The same key elsewhere, or of somebody else, is another key.
    let trunk = json!({ "name": "Trunk", "host": "192.0.2.4" });
    keyed(&client, "k", "/telephony/trunks", &trunk).await.ok();
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let theirs = app.client_with(Some(&key));
    keyed(&theirs, "k", "/agents", &app.agent_body(&json!({ "name": "Eve" })))
        .await
        .ok();
}

#[tokio::test]
async fn an_answer_that_can_change_is_not_kept_and_one_that_cannot_is() {
    let app = TestApp::start().await;
    let client = app.client();
    let invalid = json!({ "name": "" });
    let first = keyed(&client, "a", "/agents", &invalid).await;
    let again = keyed(&client, "a", "/agents", &invalid).await;
    assert_eq!(first.pair(), "validation_error.invalid_fields");
    assert_eq!(
        (&again.body, again.header("idempotent-replayed")),
        (&first.body, "true")
    );
    let agent = app.agent_that_calls().await;
    let call = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Fails(ProviderFault::Rejected));
    let refused = keyed(&client, "b", "/calls", &call).await;
    assert_eq!(refused.pair(), "provider_error.rejected");
    app.carrier.set(Outcome::Answered);
    let placed = keyed(&client, "b", "/calls", &call).await;
    assert_eq!(
        (placed.status.as_u16(), placed.header("idempotent-replayed")),
        (201, "")
    );
    assert_eq!(total(&client, "/calls").await, 2);
}

#[tokio::test]
async fn a_call_whose_request_died_is_told_of_and_never_placed_again() {
    let app = TestApp::start().await;
    let client = app.client();
    let call = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Panics);
    assert_eq!(keyed(&client, "k", "/calls", &call).await.status, 500);
    app.carrier.set(Outcome::Answered);
    let told = keyed(&client, "k", "/calls", &call).await;
    assert_eq!(told.status, 201, "{told}");
    assert_eq!(told.data()["status"], "failed");
    assert_eq!(total(&client, "/calls").await, 1);
    let again = keyed(&client, "k", "/calls", &call).await;
    assert_eq!((&again.body, again.header("idempotent-replayed")), (&told.body, "true"));
}

#[tokio::test]
async fn a_twin_of_a_running_request_waits_and_is_then_told_to_come_again() {
    let app = TestApp::builder()
        .config(|config| config.request_timeout_ms = 2_000)
        .start()
        .await;
    let client = app.client();
    let call = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Hangs);
    let first = tokio::spawn({
        let (client, call) = (client.clone(), call.clone());
        async move { keyed(&client, "k", "/calls", &call).await }
    });
    while total(&client, "/calls").await == 0 {
        tokio::task::yield_now().await;
    }
    let twin = keyed(&client, "k", "/calls", &call).await;
    assert_eq!(twin.pair(), "rate_limit_exceeded.idempotency_in_progress");
    assert_eq!(twin.details()["idempotency_key"], "k");
    assert_eq!(first.await.unwrap().pair(), "internal_error.timeout");
    // The first one was cut off at its deadline; what it made is what the next one is told.
    let told = keyed(&client, "k", "/calls", &call).await;
    assert_eq!(told.status, 201, "{told}");
    assert_eq!(total(&client, "/calls").await, 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = app.agent_body(&json!({}));
    let first = keyed(&client, "k", "/agents", &body).await.created();
    assert_eq!(app.idempotency.purge().await.unwrap(), 0);
    app.clock.advance(Duration::from_hours(24));
    assert_ne!(keyed(&client, "k", "/agents", &body).await.created(), first);
    app.clock.advance(Duration::from_hours(25));
    assert_eq!(app.idempotency.purge().await.unwrap(), 1);
}

#[tokio::test]
async fn keys_have_two_names_and_one_form() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = app.agent_body(&json!({}));
    let named = |pairs: &[(&str, &str)]| {
        let request = client.request(Method::POST, "/agents").json(&body);
        pairs
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let (long, longer) = ("k".repeat(255), "k".repeat(256));
    let other = "x-idempotency-key";
    let first = client.send(named(&[("idempotency-key", &long)])).await.created();
    assert_eq!(client.send(named(&[(other, &long)])).await.created(), first);
    let both = named(&[("idempotency-key", &long), (other, &long)]);
    assert_eq!(client.send(both).await.created(), first);
    for pairs in [
        &[("idempotency-key", "a"), (other, "b")][..],
        &[("idempotency-key", "a"), ("idempotency-key", "b")],
        &[("idempotency-key", "")],
        &[(other, &longer)],
        &[("idempotency-key", "two words")],
        &[("idempotency-key", "é")],
    ] {
        assert_eq!(client.send(named(pairs)).await.pair(), "bad_request.malformed_header");
    }
}
