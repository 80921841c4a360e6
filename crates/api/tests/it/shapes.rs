//! Nothing leaves in another shape.

use reqwest::{Method, header::HeaderValue, redirect::Policy};
use serde_json::json;
use testkit::TestApp;

#[tokio::test]
async fn what_the_router_refuses_is_not_found() {
    let app = TestApp::start().await;
    let client = app.client();
    for path in [
        "/nope",
        "/agents/x/y/z",
        "/api",
        "/api/v2/agents",
        "/docs/errors/none",
        "/docs/errors/not_found/none",
        // What can't be decoded names nothing.
        "/docs/errors/%FF",
        "/docs/errors/not_found/%FF",
        "/docs/operations/%FF",
        "/docs/schemas/%FF",
    ] {
        assert_eq!(client.get(path).await.pair(), "not_found.route_not_found", "{path}");
    }
    let answer = client.send(client.request(Method::PUT, "/agents")).await;
    assert_eq!(answer.pair(), "not_found.method_not_allowed");
    assert_eq!(answer.header("allow"), "POST,GET,HEAD");
    assert_eq!(answer.details()["allowed"], json!(["POST", "GET", "HEAD"]));
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_found_whatever_it_looks_like() {
    let app = TestApp::start().await;
    let client = app.client();
    for id in [
        "x",
        "00000000-0000-0000-0000-000000000000",
        "%FF",
        "%00",
        "..%2F..",
        "1%27%20OR%201",
    ] {
        for path in ["agents", "voices", "telephony/trunks", "calls"] {
            let answer = client.get(&format!("/{path}/{id}")).await;
            assert_eq!(answer.pair(), "not_found.resource_not_found", "{path} {id}");
        }
    }
}

#[tokio::test]
async fn somebody_elses_agent_looks_like_none() {
    let app = TestApp::start().await;
    let theirs = app.agent().await;
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let other = app.client_with(Some(&key));
    let (seen, unseen) = (
        other.get(&format!("/agents/{theirs}")).await,
        other.get("/agents/none").await,
    );
    assert_eq!(
        seen.details(),
        json!({ "reason": "resource_not_found", "resource": "agent", "id": theirs })
    );
    assert_eq!(unseen.json()["error"]["message"], seen.json()["error"]["message"]);
}

#[tokio::test]
async fn head_and_options_behave() {
    let app = TestApp::start().await;
    let client = app.client();
    let head = client.send(client.request(Method::HEAD, "/agents")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let got = client.get("/agents").await;
    assert_eq!(head.header("content-length"), got.body.len().to_string());
    let missing = client.send(client.request(Method::HEAD, "/agents/none")).await;
    assert_eq!((missing.status.as_u16(), missing.body.len()), (404, 0));
    let options = client.send(client.request(Method::OPTIONS, "/agents")).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "POST,GET,HEAD")
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_says_why() {
    let app = TestApp::builder()
        .config(|config| config.body_bytes_max = 1000)
        .start()
        .await;
    let client = app.client();
    for (content_type, body, pair) in [
        ("application/json", "{\n\"a\":", "bad_request.malformed_json"),
        ("application/json", "", "bad_request.malformed_json"),
        ("text/plain", "{}", "bad_request.unsupported_media_type"),
        (
            "application/json; charset=latin1",
            "{}",
            "bad_request.unsupported_media_type",
        ),
        (
            "application/json; charset=UTF-8",
            "{}",
            "validation_error.invalid_fields",
        ),
        ("application/json", &"[".repeat(900), "bad_request.malformed_json"),
        ("application/json", &" ".repeat(1001), "bad_request.body_too_large"),
    ] {
        let answer = client.post_text("/agents", content_type, body.to_owned()).await;
        assert_eq!(answer.pair(), pair, "{content_type} {body:.20}");
    }
    let answer = client.post_text("/agents", "application/json", "{\n\"a\": x}").await;
    assert_eq!(
        (&answer.details()["line"], &answer.details()["column"]),
        (&json!(2), &json!(6))
    );
    let answer = client
        .post_text("/agents", "application/json", " ".repeat(5_000_000))
        .await;
    assert_eq!(
        answer.details(),
        json!({ "reason": "body_too_large", "max_bytes": 1000 })
    );
    let request = client
        .request(Method::POST, "/agents")
        .header("content-encoding", "gzip")
        .json(&json!({}));
    assert_eq!(client.send(request).await.details()["expected"], "identity");
}

#[tokio::test]
async fn pages_and_catalogues_are_served_to_anybody() {
    let app = TestApp::start().await;
    let client = app.client_with(None);
    for (path, needle) in [
        ("/docs", "/api/public/v1/calls"),
        ("/docs/search?q=place+call", "/docs/operations/call_create"),
        ("/docs/operations/call_create", "curl -X POST"),
        ("/docs/schemas/CallCreate", "agent_id"),
        ("/docs/assets/docs.css", "--text"),
        ("/docs/assets/docs.js", "use strict"),
        ("/docs/errors", "insufficient_credits"),
        ("/docs/errors/not_found", "resource_not_found"),
        ("/docs/errors/bad_request/malformed_json", "What to do"),
        ("/errors.json", "\"malformed_json\""),
        ("/api/public/v1/openapi.json", "\"3.1.0\""),
        ("/health/live", "live"),
        ("/health/ready", "ready"),
        ("/metrics", "# no metrics"),
    ] {
        let answer = client.get(path).await;
        answer.ok();
        assert!(String::from_utf8_lossy(&answer.body).contains(needle), "{path}");
    }
}

#[tokio::test]
async fn who_only_knows_the_host_is_sent_to_the_reference() {
    let app = TestApp::start().await;
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
    let http = http.build().unwrap();
    for (path, status) in [("/", 302), ("/docs/", 308)] {
        let url = format!("http://{}{path}", app.address);
        let answer = http.get(&url).send().await.unwrap();
        let headers = answer.headers();
        assert_eq!(
            (answer.status().as_u16(), &headers["location"]),
            (status, &HeaderValue::from_static("/docs"))
        );
        assert!(headers.contains_key("x-request-id"), "{path}");
        let refused = app.client().send(http.post(&url)).await;
        assert_eq!(
            (refused.pair().as_str(), &refused.headers["allow"]),
            ("not_found.method_not_allowed", &HeaderValue::from_static("GET,HEAD"))
        );
    }
}

#[tokio::test]
async fn the_request_id_is_ours_and_the_clients_own_is_only_logged() {
    let logs = testkit::Logs::listen();
    let app = TestApp::start().await;
    let client = app.client();
    let request = client
        .request(Method::GET, "/agents/none")
        .header("x-request-id", "order-42");
    let answer = client.send(request).await;
    let id = answer.header("x-request-id");
    assert_ne!(id, "order-42");
    let lines = logs.lines_with(id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("client_request_id=\"order-42\""), "{lines:?}");
    let request = client
        .request(Method::GET, "/agents/none")
        .header("x-request-id", "a b{}");
    let answer = client.send(request).await;
    assert!(!logs.lines_with(answer.header("x-request-id"))[0].contains("client_request_id"));
}

#[tokio::test]
async fn no_secret_and_no_number_is_logged() {
    let logs = testkit::Logs::listen();
    let app = TestApp::start().await;
    app.call().await;
    let client = app.client_with(Some("cw_notarealkeybutasecretallthesame"));
    client.get("/calls?phone=+14155550123").await;
    let text = logs.text();
    for secret in [&app.key[..], "notarealkey", "4155550100", "4155550123"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
