//! Who asks, and what they may.

use domain::Change;
use std::time::Duration;

use contract::{KeyScope, Timestamp};
use domain::ports::Clock as _;
use reqwest::Method;
use serde_json::json;
use testkit::TestApp;

#[tokio::test]
async fn credentials_that_are_no_good_say_why() {
    let app = TestApp::start().await;
    let soon = Timestamp::from_millis(app.clock.now().millis() + 1000);
    let expiring = app.key_with(&[KeyScope::Read], Some(soon)).await.key;
    let revoked = app.key_with(&[KeyScope::Read], None).await;
    app.keys
        .key_revoke(&Change::by_system(app.scope), &revoked.record.id.to_string())
        .await
        .unwrap();
    app.clock.advance(Duration::from_secs(2));
    let unknown: String = app
        .key
        .chars()
        .map(|letter| if letter == 'a' { 'b' } else { 'a' })
        .collect();
    let unknown = format!("cw_{}", &unknown[3..]);
    let client = app.client_with(None);
    for (header, reason, is_no_token) in [
        (None, "missing_credentials", true),
        (Some(format!("Basic {}", app.key)), "malformed_credentials", true),
        (Some(app.key.clone()), "malformed_credentials", true),
        (Some("Bearer".to_owned()), "malformed_credentials", false),
        (
            Some(format!("Bearer {} {}", app.key, app.key)),
            "malformed_credentials",
            false,
        ),
        (Some("Bearer cw_short".to_owned()), "malformed_credentials", false),
        (Some(format!("Bearer {unknown}")), "invalid_api_key", false),
        (Some(format!("Bearer {expiring}")), "expired_api_key", false),
        (Some(format!("Bearer {}", revoked.key)), "revoked_api_key", false),
        (Some("Bearer eyJh.eyJz.c2ln".to_owned()), "invalid_token", false),
    ] {
        let request = client.request(Method::GET, "/agents");
        let request = header
            .iter()
            .fold(request, |request, header| request.header("authorization", header));
        let answer = client.send(request).await;
        assert_eq!(answer.details(), json!({ "reason": reason }), "{header:?}");
        assert!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains("`Authorization: Bearer"),
            "{answer}"
        );
        let challenge = answer.header("www-authenticate");
        let realm = "Bearer realm=\"callwright\"";
        if is_no_token {
            assert_eq!(challenge, realm, "{header:?}");
        } else {
            let error = format!("{realm}, error=\"invalid_token\", error_description=\"");
            assert!(challenge.starts_with(&error), "{challenge}");
        }
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let app = TestApp::start().await;
    let client = app.client_with(None);
    let request = client
        .request(Method::GET, "/agents")
        .header("authorization", format!("bearer {}", app.key));
    client.send(request).await.ok();
}

#[tokio::test]
async fn scopes_include_the_lower_ones_and_nothing_else() {
    let app = TestApp::start().await;
    let [reader, writer] = [&[KeyScope::Read], &[KeyScope::Write]].map(|scopes| app.key_with(scopes, None));
    let (reader, writer) = (reader.await.key, writer.await.key);
    let (reader, writer, admin) = (
        app.client_with(Some(&reader)),
        app.client_with(Some(&writer)),
        app.client(),
    );
    let body = app.agent_body(&json!({}));
    reader.get("/agents").await.ok();
    assert_eq!(reader.post("/agents", &body).await.details()["required_scope"], "write");
    writer.get("/agents").await.ok();
    writer.post("/agents", &body).await.created();
    for path in ["/api/v1/agents", "/api/v1/api-keys"] {
        let answer = writer.get(path).await;
        assert_eq!(answer.pair(), "forbidden.insufficient_scope");
        assert_eq!(answer.details()["required_scope"], "admin");
        admin.get(path).await.ok();
    }
    assert_eq!(admin.get("/api-keys").await.pair(), "not_found.route_not_found");
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let app = TestApp::start().await;
    let admin = app.client();
    let created = admin
        .post("/api/v1/api-keys", &json!({ "name": "CI", "scopes": ["read"] }))
        .await;
    let id = created.created();
    let key = created.data()["key"].as_str().unwrap().to_owned();
    app.client_with(Some(&key)).get("/voices").await.ok();
    let listed = admin.get("/api/v1/api-keys").await;
    assert_eq!(listed.json()["pagination"]["total"], 2);
    assert!(!String::from_utf8_lossy(&listed.body).contains(&key));
    assert_eq!(admin.delete(&format!("/api/v1/api-keys/{id}")).await.status, 204);
    assert_eq!(
        app.client_with(Some(&key)).get("/voices").await.pair(),
        "unauthorized.revoked_api_key"
    );
    assert_eq!(
        admin.delete("/api/v1/api-keys/none").await.details()["resource"],
        "api_key"
    );
}
