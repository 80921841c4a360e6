//! Failed requests, as they are kept for those who are asked about one.

use std::{sync::Arc, time::Duration};

use contract::{ApiKeyCreate, KeyScope};
use domain::{
    ProviderFault,
    records::Page,
    requests::{RequestBounds, RequestFilter, RequestStore as _},
};
use serde_json::{Value, json};
use testkit::{Answer, BrokenRecordings, Issuer, Logs, Outcome, Signer, TestApp};

const ALL: Page = Page {
    limit: 100,
    offset: 0,
    before: None,
};

/// What the operator sees of the request that was answered so.
async fn report(app: &TestApp, answer: &Answer) -> Value {
    assert!(app.failed_requests_write().await);
    let id = answer.header("x-request-id").parse().unwrap();
    let report = app.store.request_fetch_any(id).await.unwrap();
    serde_json::to_value(report.expect("the request is kept")).unwrap()
}

/// All that is kept, as text.
async fn everything(app: &TestApp) -> String {
    assert!(app.failed_requests_write().await);
    let all = app
        .store
        .request_list_any(None, &RequestFilter::default(), ALL)
        .await
        .unwrap();
    serde_json::to_string(&all.items).unwrap()
}

#[tokio::test]
async fn a_refused_request_is_found_by_the_id_of_its_answer() {
    let app = TestApp::start().await;
    let request = app
        .client()
        .request(reqwest::Method::GET, "/agents/nobody")
        .header("x-request-id", "mine-1");
    let answer = app.client().send(request).await;
    let kept = report(&app, &answer).await;
    let expected = json!({
        "id": answer.header("x-request-id"), "at": "2026-02-04T12:00:00.000Z", "method": "GET",
        "route": "/api/public/v1/agents/{id}", "status": 404, "code": "not_found", "reason": "resource_not_found",
        "duration_ms": kept["duration_ms"], "client_request_id": "mine-1", "address": "127.0.0.1",
        "organization_id": app.scope.organization, "cause": null, "lines": [], "lines_omitted": 0,
    });
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn a_key_from_elsewhere_is_refused_in_its_organisations_name() {
    let app = TestApp::builder().config(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let app = app.start().await;
    let create = ApiKeyCreate {
        ip_allowlist: vec!["203.0.113.0/24".to_owned()],
        ..ApiKeyCreate::named("Held", vec![KeyScope::Read])
    };
    let key = app.key_of(create).await;
    let client = app.client_with(Some(&key.key));
    for (forwarded_for, reason, address) in [
        ("198.51.100.7", "ip_not_allowed", "198.51.100.7"),
        ("unknown", "malformed_header", "127.0.0.1"),
    ] {
        let request = client.request(reqwest::Method::GET, "/agents");
        let answer = client.send(request.header("x-forwarded-for", forwarded_for)).await;
        assert_eq!(answer.details()["reason"], reason);
        let kept = report(&app, &answer).await;
        assert_eq!(kept["organization_id"], json!(app.scope.organization), "{reason}");
        assert_eq!(kept["address"], address, "{reason}");
    }
    let own = app
        .client()
        .request(reqwest::Method::GET, "/api/v1/requests?reason=ip_not_allowed");
    let own = app.client().send(own.header("x-forwarded-for", "203.0.113.1")).await;
    assert_eq!(own.json()["pagination"]["total"], 1);
    // It was not let in, so it was not used.
    let record = format!("/api/v1/api-keys/{}", key.record.id);
    assert_eq!(app.client().get(&record).await.data()["last_used_at"], Value::Null);
}

#[tokio::test]
async fn a_method_of_a_clients_own_making_is_not_kept() {
    let app = TestApp::start().await;
    let method = "HUNTER2".repeat(100);
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let client = app.client();
    let answer = client.send(client.request(method, "/agents")).await;
    assert_eq!(answer.pair(), "not_found.method_not_allowed");
    assert_eq!(report(&app, &answer).await["method"], "other");
}

#[tokio::test]
async fn the_operator_sees_why_a_token_was_refused_and_nobody_else_does() {
    let (signer, stranger) = (Signer::es256("key"), Signer::es256("key"));
    let issuer = Issuer::publishing(&[&signer]).await;
    let app = TestApp::builder().tokens_of(&issuer, |_| {}).start().await;
    let nobodys = "019a3b5e-7c00-7000-8000-000000000001";
    let ours = app.scope.organization;
    for (token, cause) in [
        (
            signer.token(&app.claims("ada", &json!({ "aud": "another" }))),
            "another audience".to_owned(),
        ),
        (
            signer.token(&app.claims("ada", &json!({ "iss": "another" }))),
            "another issuer".to_owned(),
        ),
        (
            stranger.token(&app.claims("ada", &json!({}))),
            "the signature does not fit".to_owned(),
        ),
        (
            signer.token(&app.claims("eve", &json!({}))),
            format!("its subject is no member of the organisation {ours}"),
        ),
        (
            signer.token(&app.claims("eve", &json!({ "organization_id": nobodys }))),
            format!("its subject is no member of the organisation {nobodys}"),
        ),
    ] {
        let answer = app.client_with(Some(&token)).get("/agents").await;
        assert_eq!(answer.pair(), "unauthorized.invalid_token");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&cause));
        assert_eq!(report(&app, &answer).await["cause"], cause);
    }
    let key = app.key_with(&[KeyScope::Read], None).await;
    let id = key.record.id.to_string();
    let change = domain::Change::by_system(app.scope);
    app.keys.key_revoke(&change, &id).await.unwrap();
    let answer = app.client_with(Some(&key.key)).get("/agents").await;
    let cause = report(&app, &answer).await["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains(&id) && cause.contains("revoked"), "{cause}");
}

#[tokio::test]
async fn the_operator_sees_the_cause_and_the_lines_of_a_failure_and_its_organisation_does_not() {
    let logs = Logs::listen();
    let app = TestApp::builder().recordings(Arc::new(BrokenRecordings)).start().await;
    let call = app.call().await;
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let answer = app.client().get(&format!("/calls/{call}/recording")).await;
    let kept = report(&app, &answer).await;
    assert_eq!(kept["cause"], "find a recording: MARKER in the cause");
    let id = answer.header("x-request-id");
    let shown = app.client().get(&format!("/api/v1/requests/{id}")).await;
    assert_eq!(
        (shown.data()["id"].as_str(), shown.data()["reason"].as_str()),
        (Some(id), Some("internal"))
    );
    assert!(!String::from_utf8_lossy(&shown.body).contains("MARKER"));
    let listed = app.client().get("/api/v1/requests").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains("MARKER"));
    assert!(logs.text().contains("MARKER"));
    let operator = app.operator().await;
    let inside = operator.get(&format!("/api/operator/v1/requests/{id}")).await.data();
    assert_eq!(inside, kept);
    let refused = app.client().get(&format!("/api/operator/v1/requests/{id}")).await;
    assert_eq!(refused.pair(), "forbidden.insufficient_scope");
}

#[tokio::test]
async fn the_operator_lists_failures_of_anybody_and_of_strangers() {
    let app = TestApp::start().await;
    let known = app.client().get("/agents/nobody").await;
    let stranger = app.client_with(None).get("/agents").await;
    let missing = app.client().get("/nowhere").await;
    assert!(app.failed_requests_write().await);
    let operator = app.operator().await;
    let [known, stranger, missing] = [known, stranger, missing].map(|answer| answer.header("x-request-id").to_owned());
    let organization = app.scope.organization;
    for (query, expected) in [
        (String::new(), vec![&missing, &stranger, &known]),
        ("?status=401".to_owned(), vec![&stranger]),
        ("?code=not_found&reason=route_not_found".to_owned(), vec![&missing]),
        (format!("?organization_id={organization}"), vec![&known]),
        ("?organization_id=nobody".to_owned(), vec![]),
    ] {
        let answer = operator.get(&format!("/api/operator/v1/requests{query}")).await;
        answer.ok();
        let data = answer.json()["data"].clone();
        let ids: Vec<_> = data
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    let unknown = operator.get("/api/operator/v1/requests/x").await;
    assert_eq!(unknown.pair(), "not_found.resource_not_found");
}

#[tokio::test]
async fn lines_logged_during_a_request_are_kept_with_its_failure() {
    let _logs = Logs::listen();
    let routes = axum::Router::new().route(
        "/test/breaks",
        axum::routing::get(|| async {
            tracing::warn!(attempt = 1, "trying once more");
            tokio::spawn(tracing::Instrument::in_current_span(async {
                tracing::error!("gave up");
            }))
            .await
            .unwrap();
            hyper::StatusCode::INTERNAL_SERVER_ERROR
        }),
    );
    let app = TestApp::builder().routes(routes).start().await;
    let answer = app.client().get("/test/breaks").await;
    let kept = report(&app, &answer).await;
    let texts: Vec<_> = kept["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].clone())
        .collect();
    assert_eq!(texts, ["trying once more attempt=1", "gave up"]);
}

#[tokio::test]
async fn every_line_of_a_requests_work_carries_its_id() {
    let logs = Logs::listen();
    let app = TestApp::start().await;
    let body = json!({ "agent_id": app.agent_that_calls().await, "phone_number": "+14155550123" });
    app.carrier.set(Outcome::Fails(ProviderFault::Rejected));
    let answer = app.client().post("/calls", &body).await;
    let id = answer.header("x-request-id");
    let of_work = logs.lines_with("request{request_id=");
    assert!(of_work.iter().all(|line| line.contains(id)), "{of_work:?}");
    assert!(logs.lines_with(id).iter().any(|line| line.contains("request failed")));
}

#[tokio::test]
async fn an_organisation_sees_its_own_failures_and_filters_them() {
    let app = TestApp::start().await;
    let client = app.client();
    let missing = client.get("/agents/nobody").await;
    let invalid = client.post("/agents", &json!({})).await;
    app.client_with(None).get("/agents").await;
    let (_, other) = app.keys.organization_create("Other").await.unwrap();
    app.client_with(Some(&other)).get("/calls/nobody").await;
    assert!(app.failed_requests_write().await);
    let ids = |answer: &Answer| -> Vec<String> {
        answer.ok();
        let data = answer.json()["data"].clone();
        data.as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let [missing, invalid] = [missing, invalid].map(|answer| answer.header("x-request-id").to_owned());
    for (query, expected) in [
        ("", vec![&invalid, &missing]),
        ("?status=404", vec![&missing]),
        ("?code=validation_error", vec![&invalid]),
        ("?reason=resource_not_found&code=not_found", vec![&missing]),
        ("?since=2026-02-04T12:00:00Z", vec![&invalid, &missing]),
        ("?since=2026-02-04T12:00:01Z", vec![]),
        ("?limit=1", vec![&invalid]),
    ] {
        let answer = client.get(&format!("/api/v1/requests{query}")).await;
        assert_eq!(ids(&answer).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(
        client.get(&format!("/api/v1/requests/{missing}")).await.data()["status"],
        404
    );
    let foreign = app
        .client_with(Some(&other))
        .get(&format!("/api/v1/requests/{missing}"))
        .await;
    assert_eq!(foreign.pair(), "not_found.resource_not_found");
    assert_eq!(
        client.get("/api/v1/requests/x").await.pair(),
        "not_found.resource_not_found"
    );
    for query in ["?status=200", "?code=nope", "?since=yesterday", "?cause=x"] {
        let answer = client.get(&format!("/api/v1/requests{query}")).await;
        assert_eq!(answer.pair(), "validation_error.invalid_fields", "{query}");
    }
    let reader = app.key_with(&[KeyScope::Read], None).await.key;
    let refused = app.client_with(Some(&reader)).get("/api/v1/requests").await;
    assert_eq!(refused.pair(), "forbidden.insufficient_scope");
}

#[tokio::test]
async fn what_no_router_ever_saw_is_kept_too() {
    let app = TestApp::builder()
        .config(|config| config.connections_max = 0)
        .start()
        .await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let mut raw = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut raw)
        .await
        .unwrap();
    let answer = Answer::from_raw(&raw);
    let kept = report(&app, &answer).await;
    assert_eq!(
        (&kept["reason"], &kept["method"], &kept["route"]),
        (&json!("overload"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&kept["address"], &kept["organization_id"]),
        (&json!("127.0.0.1"), &Value::Null)
    );
}

#[tokio::test]
async fn failures_wait_while_the_store_can_not_take_them() {
    let logs = Logs::listen();
    let app = TestApp::start().await;
    app.client().get("/agents/nobody").await;
    app.store.close().await;
    assert!(!app.failed_requests_write().await);
    app.client().get("/agents/nobody").await;
    assert!(!app.failed_requests_write().await);
    assert_eq!(logs.lines_with("failed requests can't be kept for now").len(), 1);
}

#[tokio::test]
async fn nothing_is_kept_where_that_is_switched_off() {
    let bounds = RequestBounds {
        keep: Duration::ZERO,
        ..RequestBounds::default()
    };
    let app = TestApp::builder().bounds(bounds).start().await;
    app.client().get("/agents/nobody").await;
    assert_eq!(everything(&app).await, "[]");
}

#[tokio::test]
async fn the_end_of_a_server_loses_no_failure() {
    let mut app = TestApp::start().await;
    let answer = app.client().get("/agents/nobody").await;
    app.stop().await;
    let id = answer.header("x-request-id").parse().unwrap();
    assert!(app.store.request_fetch_any(id).await.unwrap().is_some());
}

#[tokio::test]
async fn the_end_of_a_server_says_how_many_failures_are_lost_also_where_it_is_known_that_none_can_be_kept() {
    let logs = Logs::listen();
    let mut app = TestApp::start().await;
    for _ in 0..3 {
        app.client().get("/agents/nobody").await;
    }
    app.store.close().await;
    assert!(!app.failed_requests_write().await);
    app.stop().await;
    let told = logs.lines_with("failed requests of the last moment were not kept");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("left=3"), "{told:?}");
}

#[tokio::test]
async fn no_number_password_key_or_word_of_a_request_is_kept() {
    let _logs = Logs::listen();
    let app = TestApp::start().await;
    let client = app.client();
    let agent = app.agent_that_calls().await;
    let secret = "hunter2hunter2";
    client
        .post(
            "/telephony/trunks",
            &json!({ "name": "T", "host": "192.0.2.4", "password": secret, "port": 0, "hunter2hunter2": 1 }),
        )
        .await;
    client.get("/calls?phone=+14155550123").await;
    client.get("/calls/+14155550123").await;
    client.get("/nowhere/+14155550123?token=hunter2hunter2").await;
    client.get("/docs/errors/hunter2hunter2").await;
    app.client_with(Some("cw_notarealkeybutasecretallthesame"))
        .get("/agents")
        .await;
    for (outcome, body) in [
        (
            Outcome::Fails(ProviderFault::Rejected),
            json!({ "agent_id": agent, "phone_number": "+14155550123" }),
        ),
        (
            Outcome::Panics,
            json!({ "agent_id": agent, "phone_number": "+14155550123" }),
        ),
        (
            Outcome::Panics,
            json!({ "agent_id": agent, "phone_number": "+14155550123", "from_number": "+14155550199" }),
        ),
        (
            Outcome::Panics,
            json!({ "agent_id": agent, "sip_uri": "sip:alice@192.0.2.77" }),
        ),
    ] {
        app.carrier.set(outcome);
        client.post("/calls", &body).await;
    }
    let text = everything(&app).await;
    assert!(
        text.contains("provider_error") && text.contains("panic: MARKER"),
        "{text}"
    );
    for secret in [
        secret,
        "4155550123",
        "4155550100",
        "4155550199",
        "alice@192.0.2.77",
        "cw_notarealkey",
        &app.key,
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
