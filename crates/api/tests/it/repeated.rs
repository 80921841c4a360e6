//! What must not be done twice, whatever became of the first attempt: credits, standing, calls.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, Engine, Outcome, TestApp};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// As if every process had died after the effects were stored and before the answers were.
const DEATH: &str = "UPDATE idempotency_keys SET answer_status = NULL, answer_location = NULL, answer_sealed = NULL,
                     answer_key = NULL, lease_until = created_at";

async fn keyed(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    let request = client.request(Method::POST, path).header("idempotency-key", key);
    client.send(request.json(body)).await
}

async fn die(app: &TestApp) {
    app.database.outsider().await.run(DEATH).await;
    app.clock.advance(Duration::from_mins(1));
}

fn of(app: &TestApp, rest: &str) -> String {
    format!("/api/operator/v1/organizations/{}/{rest}", app.scope.organization)
}

async fn times(app: &TestApp, action: &str) -> Value {
    let log = app.client().get(&format!("/api/v1/audit-log?action={action}")).await;
    log.json()["pagination"]["total"].clone()
}

#[tokio::test]
async fn what_an_operator_did_is_not_done_again_after_the_answer_was_lost() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = TestApp::builder().engine(engine).billing(|_| {}).start().await;
        let operator = app.operator().await;
        for (path, body, action) in [
            ("trial/start", json!({ "days": 5 }), "trial.started"),
            ("trial/stop", json!({}), "trial.stopped"),
            ("subscription/start", json!({ "plan": "pro" }), "subscription.started"),
            ("subscription/past-due", json!({}), "subscription.past_due"),
            ("subscription/stop", json!({}), "subscription.stopped"),
            (
                "credits/grant",
                json!({ "credits": 7.5, "note": "Thanks" }),
                "credits.granted",
            ),
        ] {
            let path = of(&app, path);
            let first = keyed(&operator, "k", &path, &body).await;
            first.ok();
            die(&app).await;
            let again = keyed(&operator, "k", &path, &body).await;
            assert_eq!((again.status.as_u16(), again.data()), (200, first.data()), "{action}");
            let last = keyed(&operator, "k", &path, &body).await;
            assert_eq!((&last.body, last.header("idempotent-replayed")), (&again.body, "true"));
            assert_eq!(times(&app, action).await, 1, "{action}");
        }
        let granted = app.client().get("/api/v1/billing/ledger").await.json();
        assert_eq!(granted["data"][0]["balance"], 107.5, "{granted}");
    }
}

#[tokio::test]
async fn fifty_equal_grants_at_once_give_once() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = TestApp::builder().engine(engine).start().await;
        let (operator, path) = (app.operator().await, of(&app, "credits/grant"));
        let grants = (0..50).map(|_| {
            let (operator, path) = (operator.clone(), path.clone());
            tokio::spawn(async move { keyed(&operator, "k", &path, &json!({ "credits": 3 })).await })
        });
        let mut answers = Vec::new();
        for grant in grants.collect::<Vec<_>>() {
            answers.push(grant.await.unwrap());
        }
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &answers[0].body));
        }
        assert_eq!(app.client().get("/api/v1/billing").await.data()["balance"], 3);
    }
}

#[tokio::test]
async fn fifty_equal_calls_at_once_are_one_even_where_there_is_room_for_no_other() {
    let app = TestApp::builder().concurrent_calls(1).start().await;
    let call = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    let calls = (0..50).map(|_| {
        let (client, call) = (app.client(), call.clone());
        tokio::spawn(async move { keyed(&client, "k", "/calls", &call).await })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body));
    }
    assert_eq!(app.client().get("/calls").await.json()["pagination"]["total"], 1);
}

#[tokio::test]
async fn a_full_organisation_is_told_so_first_under_a_key_too() {
    let app = TestApp::builder().concurrent_calls(1).start().await;
    let client = app.client();
    let call = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    let first = keyed(&client, "k", "/calls", &call).await;
    first.created();
    for (key, body) in [
        ("other", &call),
        ("other", &json!({})),
        ("k", &json!({})),
        ("two words", &call),
    ] {
        let refused = keyed(&client, key, "/calls", body).await;
        assert_eq!(refused.pair(), "rate_limit_exceeded.concurrent_calls", "{key} {body}");
    }
    let reader = app.key_with(&[contract::KeyScope::Read], None).await.key;
    let refused = keyed(&app.client_with(Some(&reader)), "k", "/calls", &call).await;
    assert_eq!(refused.pair(), "rate_limit_exceeded.concurrent_calls");
    let again = keyed(&client, "k", "/calls", &call).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
}

#[tokio::test]
async fn an_end_of_a_call_is_told_again_after_the_answer_was_lost() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/calls/{}/end", app.call().await);
    let first = keyed(&client, "k", &path, &json!({})).await;
    assert_eq!(first.data()["status"], "completed");
    die(&app).await;
    let again = keyed(&client, "k", &path, &json!({})).await;
    assert_eq!((again.status.as_u16(), again.data()), (200, first.data()), "{again}");
    assert_eq!(times(&app, "call.ended").await, 1);
}

#[tokio::test]
async fn a_call_whose_client_went_away_is_told_of_and_not_placed_again() {
    let app = TestApp::start().await;
    let client = app.client();
    let call = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Hangs);
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let text = call.to_string();
    let request = format!(
        "POST /api/public/v1/calls HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        app.key,
        text.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while client.get("/calls").await.json()["pagination"]["total"] == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    app.carrier.set(Outcome::Answered);
    let told = keyed(&client, "k", "/calls", &call).await;
    assert_eq!(told.status, 201, "{told}");
    assert_eq!(client.get("/calls").await.json()["pagination"]["total"], 1);
}

#[tokio::test]
async fn a_key_that_means_another_request_changes_nothing_whatever_the_body() {
    let app = TestApp::builder().billing(|_| {}).start().await;
    let operator = app.operator().await;
    let other = json!({ "name": "Acme" });
    let other = operator.post("/api/operator/v1/organizations", &other).await.created();
    let other = |rest: &str| format!("/api/operator/v1/organizations/{other}/{rest}");
    for path in [of(&app, "subscription/start"), other("subscription/start")] {
        operator.post(&path, &json!({})).await.ok();
    }
    let stop = "subscription/stop";
    keyed(&operator, "k", &of(&app, stop), &json!({})).await.ok();
    let bare = operator
        .request(Method::POST, &other(stop))
        .header("idempotency-key", "k");
    for answer in [
        keyed(&operator, "k", &other(stop), &json!({})).await,
        operator.send(bare).await,
    ] {
        assert_eq!(answer.pair(), "validation_error.idempotency_key_reused");
    }
    let nowhere = "/api/operator/v1/organizations/none/subscription/stop";
    let nowhere = keyed(&operator, "k", nowhere, &json!({})).await;
    assert_eq!(nowhere.pair(), "not_found.resource_not_found");
    let standing = operator.get(&other("billing")).await.data()["standing"].clone();
    assert_eq!(standing, "active");
    // A body that must be there and is not can't be read, whatever the key means.
    let client = app.client();
    let bare = |path: &str| client.request(Method::POST, path).header("idempotency-key", "t");
    let agent = client.send(bare("/agents").json(&app.agent_body(&json!({})))).await;
    agent.created();
    let empty = client.send(bare("/agents")).await;
    assert_eq!(empty.pair(), "bad_request.unsupported_media_type");
}

#[tokio::test]
async fn a_refusal_that_another_state_lifts_is_not_kept() {
    let app = TestApp::start().await;
    let client = app.client();
    let agent = app.agent_that_calls().await;
    let prompt = |text: &str| json!({ "system_prompt": text });
    client
        .patch(&format!("/agents/{agent}"), &prompt("Greet {{name}}."))
        .await
        .ok();
    let call = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    let refused = keyed(&client, "k", "/calls", &call).await;
    assert_eq!(
        refused.faults(),
        [("/variables/name".to_owned(), "required".to_owned())]
    );
    client.patch(&format!("/agents/{agent}"), &prompt("Greet.")).await.ok();
    keyed(&client, "k", "/calls", &call).await.created();
    let member = json!({ "subject": "ada", "role": "member" });
    let first = client.post("/api/v1/members", &member).await.created();
    let refused = keyed(&client, "m", "/api/v1/members", &member).await;
    assert_eq!(refused.faults(), [("/subject".to_owned(), "duplicate".to_owned())]);
    client.delete(&format!("/api/v1/members/{first}")).await.ok();
    keyed(&client, "m", "/api/v1/members", &member).await.created();
    let key = json!({ "name": "k", "expires_at": "2020-01-01T00:00:00Z" });
    for _ in 0..2 {
        let refused = keyed(&client, "e", "/api/v1/api-keys", &key).await;
        assert_eq!(
            (refused.pair().as_str(), refused.header("idempotent-replayed")),
            ("validation_error.invalid_fields", ""),
            "another hour might lift it"
        );
    }
}
