//! What a key can be held to: networks, a pace, an end.

use contract::{ApiKeyCreate, KeyScope};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, TestApp};

const KEYS: &str = "/api/v1/api-keys";

async fn behind_a_proxy() -> TestApp {
    let app = TestApp::builder().config(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.rate_limit.enabled = true;
    });
    app.start().await
}

async fn held_to(app: &TestApp, networks: &[&str]) -> String {
    let create = ApiKeyCreate {
        ip_allowlist: networks.iter().map(|network| (*network).to_owned()).collect(),
        ..ApiKeyCreate::named("Held", vec![KeyScope::Read])
    };
    app.key_of(create).await.key
}

async fn from(app: &TestApp, key: &str, address: &str) -> Answer {
    let client = app.client_with(Some(key));
    let request = client.request(Method::GET, "/agents");
    client.send(request.header("x-forwarded-for", address)).await
}

#[tokio::test]
async fn a_key_works_from_its_networks_alone() {
    let app = behind_a_proxy().await;
    let key = held_to(&app, &["203.0.113.0/24", "2001:db8::/32", "198.51.100.7"]).await;
    for (address, is_allowed) in [
        ("203.0.113.9", true),
        ("::ffff:203.0.113.9", true),
        ("2001:db8:1::9", true),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("203.0.114.1", false),
        ("2001:db9::1", false),
    ] {
        let answer = from(&app, &key, address).await;
        if is_allowed {
            answer.ok();
        } else {
            assert_eq!(answer.pair(), "forbidden.ip_not_allowed", "{address}");
            assert_eq!(answer.details()["ip"], address);
        }
    }
    // Who is not trusted to say where they come from comes from where they are.
    let app = TestApp::start().await;
    let key = held_to(&app, &["203.0.113.0/24"]).await;
    assert_eq!(from(&app, &key, "203.0.113.9").await.details()["ip"], "127.0.0.1");
}

#[tokio::test]
async fn a_request_from_elsewhere_is_refused_before_it_counts() {
    let app = behind_a_proxy().await;
    let key = held_to(&app, &["203.0.113.9"]).await;
    let before = from(&app, &key, "203.0.113.9").await;
    let refused = from(&app, &key, "203.0.113.10").await;
    assert_eq!(refused.status, 403);
    for name in [
        "ratelimit-policy",
        "ratelimit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ] {
        assert!(!refused.header(name).is_empty(), "{name}");
        assert_eq!(refused.header(name), before.header(name), "{name}");
    }
}

#[tokio::test]
async fn networks_are_kept_in_one_way_of_writing_each() {
    let app = TestApp::start().await;
    let body = json!({
        "name": "CI",
        "ip_allowlist": ["203.0.113.7/24", "198.51.100.7", "2001:DB8::1/32", "::ffff:192.0.2.0/120"],
    });
    let created = app.client().post(KEYS, &body).await;
    created.created();
    assert_eq!(
        created.data()["ip_allowlist"],
        json!(["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32", "192.0.2.0/24"])
    );
}

#[tokio::test]
async fn what_a_key_can_not_be_held_to_is_told_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "name": "",
        "ip_allowlist": ["203.0.113.0/24", "203.0.113.9/24", "10.0.0.0/33", "home"],
        "rate_limits": { "minute": -1, "second": 1 },
        "expires_at": "2020-01-01T00:00:00Z",
    });
    let faults = app.client().post(KEYS, &body).await.faults();
    for (pointer, reason) in [
        ("/name", "too_short"),
        ("/ip_allowlist/1", "duplicate"),
        ("/ip_allowlist/2", "invalid_format"),
        ("/ip_allowlist/3", "invalid_format"),
        ("/rate_limits/minute", "out_of_range"),
        ("/rate_limits/second", "unknown_field"),
        ("/expires_at", "out_of_range"),
    ] {
        let is_told = faults.contains(&(pointer.to_owned(), reason.to_owned()));
        assert!(is_told, "{pointer} {reason}: {faults:?}");
    }
    let readable = json!({ "name": "k", "ip_allowlist": body["ip_allowlist"], "expires_at": body["expires_at"] });
    let mut faults = app.client().post(KEYS, &readable).await.faults();
    faults.sort();
    let expected = [
        ("/expires_at", "out_of_range"),
        ("/ip_allowlist/1", "duplicate"),
        ("/ip_allowlist/2", "invalid_format"),
        ("/ip_allowlist/3", "invalid_format"),
    ];
    assert_eq!(
        faults,
        expected.map(|(pointer, reason)| (pointer.to_owned(), reason.to_owned()))
    );
}

#[tokio::test]
async fn a_key_is_changed_field_by_field_and_null_clears() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({
        "name": "CI",
        "ip_allowlist": ["203.0.113.0/24"],
        "rate_limits": { "minute": 5 },
        "expires_at": "2030-01-01T00:00:00Z",
    });
    let created = client.post(KEYS, &body).await;
    let path = format!("{KEYS}/{}", created.created());
    let renamed = client.patch(&path, &json!({ "name": "CD" })).await.data();
    assert_eq!(
        (
            &renamed["name"],
            &renamed["ip_allowlist"],
            &renamed["rate_limits"]["minute"]
        ),
        (&json!("CD"), &json!(["203.0.113.0/24"]), &json!(5))
    );
    let cleared = json!({ "ip_allowlist": null, "rate_limits": null, "expires_at": null });
    client.patch(&path, &cleared).await.ok();
    let fetched = client.get(&path).await.data();
    assert_eq!(fetched["ip_allowlist"], json!([]));
    assert_eq!(
        fetched["rate_limits"],
        json!({ "minute": null, "hour": null, "day": null })
    );
    assert_eq!(fetched["expires_at"], Value::Null);
    assert_eq!(fetched["name"], "CD");
    assert!(fetched.get("key").is_none());
    let answer = client.patch(&path, &json!({ "scopes": ["admin"] })).await;
    assert_eq!(answer.faults(), [("/scopes".to_owned(), "unknown_field".to_owned())]);
    let answer = client
        .patch(&path, &json!({ "expires_at": "2020-01-01T00:00:00Z" }))
        .await;
    assert_eq!(answer.faults(), [("/expires_at".to_owned(), "out_of_range".to_owned())]);
}

#[tokio::test]
async fn a_revoked_key_stays_to_be_seen_and_not_to_be_changed() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("{KEYS}/{}", client.post(KEYS, &json!({ "name": "CI" })).await.created());
    assert_eq!(client.delete(&path).await.status, 204);
    assert_ne!(client.get(&path).await.data()["revoked_at"], Value::Null);
    let answer = client.patch(&path, &json!({ "name": "Mine" })).await;
    assert_eq!(answer.pair(), "validation_error.invalid_state");
}

#[tokio::test]
async fn a_key_is_held_to_its_own_pace() {
    let app = behind_a_proxy().await;
    let body = json!({ "name": "Slow", "scopes": ["read"], "rate_limits": { "minute": 2 } });
    let created = app.client().post(KEYS, &body).await;
    let slow = app.client_with(created.data()["key"].as_str());
    for _ in 0..2 {
        slow.get("/agents").await.ok();
    }
    let refused = slow.get("/agents").await;
    assert_eq!(
        (refused.pair().as_str(), &refused.details()["limit"]),
        ("rate_limit_exceeded.requests", &json!(2))
    );
    app.client().get("/agents").await.ok();
}

#[tokio::test]
async fn a_flood_of_bad_keys_keeps_only_those_waiting_who_were_never_in() {
    let app = TestApp::builder().config(|config| {
        config.rate_limit.enabled = true;
        config.rate_limit.authentication_failures_per_minute = 2;
    });
    let app = app.start().await;
    let never_used = app.key_with(&[KeyScope::Read], None).await.key;
    app.client().get("/agents").await.ok();
    let unknown = format!("cw_{}", "a".repeat(40));
    let guess = || app.client_with(Some(&unknown));
    assert_eq!(guess().get("/agents").await.pair(), "unauthorized.invalid_api_key");
    assert_eq!(guess().get("/agents").await.pair(), "unauthorized.invalid_api_key");
    let waits = "rate_limit_exceeded.authentication_attempts";
    let refused = guess().get("/agents").await;
    assert_eq!(refused.pair(), waits);
    // As many as are looked up in a second all the same.
    for _ in 0..10 {
        assert_eq!(guess().get("/agents").await.details(), refused.details());
    }
    app.client().get("/agents").await.ok();
    assert_eq!(app.client_with(Some(&never_used)).get("/agents").await.pair(), waits);
    app.clock.advance(std::time::Duration::from_secs(1));
    app.client_with(Some(&never_used)).get("/agents").await.ok();
}
