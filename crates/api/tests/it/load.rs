//! What the server takes on at once.

use testkit::{Answer, TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request whose body never comes. Being told to go on, it has passed the gate.
async fn hold(app: &TestApp, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "POST /api/public/v1/agents HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; CONTINUE.len()];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(told, CONTINUE);
    stream
}

fn refused(answer: &Answer, policy: &str, limit: usize) {
    assert_eq!(answer.pair(), "rate_limit_exceeded.overload");
    assert_eq!(
        (&answer.details()["policy"], &answer.details()["limit"]),
        (&policy.into(), &limit.into())
    );
}

#[tokio::test]
async fn one_organisation_cannot_take_every_place() {
    let app = TestApp::builder()
        .config(|config| config.requests_per_organization_max = 1)
        .start()
        .await;
    let (_, other) = app.keys.organization_create("Other").await.unwrap();
    let mut held = hold(&app, &app.key).await;
    let answer = app.client().get("/agents").await;
    refused(&answer, "requests_at_once_per_organization", 1);
    app.client_with(Some(&other)).get("/agents").await.ok();
    // The place is free again once the held request is answered.
    held.write_all(b"{}        ").await.unwrap();
    held.read_u8().await.unwrap();
    app.client().get("/agents").await.ok();
}

#[tokio::test]
async fn past_the_cap_requests_are_turned_away_and_whoever_watches_gets_through() {
    let app = TestApp::builder()
        .config(|config| config.requests_max = 1)
        .start()
        .await;
    let held = hold(&app, &app.key).await;
    // Before credentials are looked at.
    for path in ["/agents", "/docs"] {
        refused(&app.client_with(None).get(path).await, "requests_at_once", 1);
    }
    for path in ["/health/live", "/health/ready", "/metrics"] {
        app.client().get(path).await.ok();
    }
    drop(held);
}

#[tokio::test]
async fn an_answer_that_goes_on_holds_no_place() {
    let app = TestApp::builder()
        .config(|config| config.requests_max = 1)
        .start()
        .await;
    let events = format!("/calls/{}/events", app.call().await);
    let client = app.client();
    let stream = client.request(reqwest::Method::GET, &events).send().await.unwrap();
    assert_eq!(stream.status().as_u16(), 200);
    client.get("/agents").await.ok();
    drop(stream);
}
