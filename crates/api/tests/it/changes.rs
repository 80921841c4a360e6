//! What changes: versions, deletions, and who did it.

use contract::{KeyScope, MemberRole};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, Engine, TestApp};

async fn with(client: &Client, method: Method, path: &str, header: (&str, &str), body: &Value) -> Answer {
    let request = client.request(method.clone(), path).header(header.0, header.1);
    if method == Method::PATCH || method == Method::PUT {
        return client.send(request.json(body)).await;
    }
    client.send(request).await
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let app = TestApp::start().await;
    let client = app.client();
    let created = client.post("/agents", &app.agent_body(&json!({}))).await;
    let (path, tag) = (
        format!("/agents/{}", created.created()),
        created.header("etag").to_owned(),
    );
    assert_eq!(client.get(&path).await.header("etag"), tag);
    let weak = format!("W/{tag}");
    for known in [&tag, &weak, "*", &format!("\"other\", {tag}")] {
        let answer = with(&client, Method::GET, &path, ("if-none-match", known), &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("etag"), tag);
    }
    let changed = client.patch(&path, &json!({ "name": "Eve" })).await;
    assert_ne!(changed.header("etag"), tag);
    let answer = with(&client, Method::GET, &path, ("if-none-match", &tag), &Value::Null).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("etag")),
        (200, changed.header("etag"))
    );
}

#[tokio::test]
async fn a_change_of_a_version_that_is_gone_changes_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let (agent, number, trunk) = (app.agent().await, app.number("+14155550100").await, app.trunk().await);
    let change = json!({ "name": "Eve" });
    for path in [
        format!("/agents/{agent}"),
        format!("/telephony/trunks/{trunk}"),
        format!("/telephony/numbers/{number}"),
    ] {
        let tag = client.get(&path).await.header("etag").to_owned();
        let weak = format!("W/{tag}");
        let is_changeable = !path.contains("numbers");
        for stale in ["\"0\"", &weak, "\"0\", \"1\""] {
            for method in [Method::PATCH, Method::DELETE] {
                if method == Method::PATCH && !is_changeable {
                    continue;
                }
                let refused = with(&client, method, &path, ("if-match", stale), &change).await;
                assert_eq!(refused.pair(), "validation_error.stale_version");
                assert_eq!(refused.details()["etag"], json!(tag));
            }
        }
        let unread = with(&client, Method::DELETE, &path, ("if-match", "0"), &change).await;
        assert_eq!(unread.pair(), "bad_request.malformed_header");
        let mut present = tag;
        if is_changeable {
            let both = format!("\"0\", {present}");
            let changed = with(&client, Method::PATCH, &path, ("if-match", &both), &change).await;
            assert_eq!(changed.data()["name"], "Eve");
            present = changed.header("etag").to_owned();
        }
        let deleted = with(&client, Method::DELETE, &path, ("if-match", &present), &change).await;
        assert_eq!(deleted.status, 204, "{deleted}");
        let gone = with(&client, Method::GET, &path, ("if-match", "*"), &change).await;
        assert_eq!(gone.status, 404);
    }
    let nothing = with(&client, Method::PATCH, "/agents/none", ("if-match", "*"), &change).await;
    assert_eq!(nothing.pair(), "not_found.resource_not_found");
}

#[tokio::test]
async fn nor_does_one_of_who_may_come_in_and_how_often() {
    let app = TestApp::start().await;
    let (client, operator) = (app.client(), app.operator().await);
    let call = app.call().await;
    client.post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let key = app.key_with(&[KeyScope::Read], None).await.record.id;
    let member = app.member("ada", MemberRole::Member).await;
    let limits = format!("/api/operator/v1/organizations/{}/limits", app.scope.organization);
    let named = json!({ "name": "Eve" });
    for (client, path, methods, change) in [
        (
            &client,
            format!("/api/v1/api-keys/{key}"),
            &[Method::PATCH, Method::DELETE][..],
            &named,
        ),
        (
            &client,
            format!("/api/v1/members/{member}"),
            &[Method::PATCH, Method::DELETE],
            &named,
        ),
        (&client, "/api/v1/organization".to_owned(), &[Method::PATCH], &named),
        (&client, format!("/calls/{call}"), &[Method::DELETE], &named),
        (&operator, limits, &[Method::PUT], &json!({ "concurrent_calls": 3 })),
    ] {
        for method in methods {
            let present = client.get(&path).await;
            let tag = present.header("etag").to_owned();
            let refused = with(client, method.clone(), &path, ("if-match", "\"0\""), change).await;
            assert_eq!(refused.pair(), "validation_error.stale_version", "{method} {path}");
            assert_eq!(refused.details()["etag"], json!(tag));
            assert_eq!(client.get(&path).await.data(), present.data(), "nothing changed");
            let done = with(client, method.clone(), &path, ("if-match", &tag), change).await;
            assert!(done.status.is_success(), "{method} {path}: {done}");
        }
    }
}

#[tokio::test]
async fn the_use_of_a_key_makes_no_new_version_of_it() {
    let app = TestApp::start().await;
    let client = app.client();
    let created = app.key_with(&[KeyScope::Read], None).await;
    let path = format!("/api/v1/api-keys/{}", created.record.id);
    let tag = client.get(&path).await.header("etag").to_owned();
    app.client_with(Some(&created.key)).get("/agents").await.ok();
    while client.get(&path).await.data()["last_used_at"].is_null() {
        tokio::task::yield_now().await;
    }
    let known = with(&client, Method::GET, &path, ("if-none-match", &tag), &Value::Null).await;
    assert_eq!(known.status, 304);
    let change = json!({ "name": "Eve" });
    let changed = with(&client, Method::PATCH, &path, ("if-match", &tag), &change).await;
    assert_eq!(changed.data()["name"], "Eve");
    let now = client.get(&path).await;
    assert_eq!(now.header("etag"), changed.header("etag"));
    assert_ne!(now.header("etag"), tag);
}

#[tokio::test]
async fn an_answer_that_holds_more_than_what_it_made_has_no_version() {
    let app = TestApp::start().await;
    let (client, operator) = (app.client(), app.operator().await);
    let organizations = "/api/operator/v1/organizations";
    for (client, path) in [(&client, "/api/v1/api-keys"), (&operator, organizations)] {
        for _ in 0..2 {
            let request = client.request(Method::POST, path).header("idempotency-key", "k");
            let made = client.send(request.json(&json!({ "name": "Ada" }))).await;
            assert_eq!((made.status.as_u16(), made.header("etag")), (201, ""), "{path}");
        }
    }
}

#[tokio::test]
async fn changes_of_different_fields_at_once_all_stand() {
    let changes = [
        json!({ "name": "Eve" }),
        json!({ "description": "Changed." }),
        json!({ "temperature": 0.75 }),
        json!({ "system_prompt": "Be brief." }),
        json!({ "recording_enabled": false }),
        json!({ "transcription_enabled": false }),
        json!({ "max_duration": "90s" }),
        json!({ "join_timeout": "10s" }),
    ];
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let app = TestApp::builder().engine(engine).start().await;
        for _ in 0..5 {
            let path = format!("/agents/{}", app.agent().await);
            let patches = changes.clone().map(|change| {
                let (client, path) = (app.client(), path.clone());
                tokio::spawn(async move { client.patch(&path, &change).await.ok() })
            });
            for patch in patches {
                patch.await.unwrap();
            }
            let agent = app.client().get(&path).await.data();
            for change in &changes {
                for (name, value) in change.as_object().unwrap() {
                    assert_eq!(&agent[name], value, "{engine:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn only_who_deleted_it_may_delete_it_again() {
    let app = TestApp::start().await;
    let client = app.client();
    let other = app.key_with(&[KeyScope::Admin], None).await.key;
    let other = app.client_with(Some(&other));
    let call = app.call().await;
    client.post(&format!("/calls/{call}/end"), &json!({})).await.ok();
    let key = app.key_with(&[KeyScope::Read], None).await.record.id;
    for path in [
        format!("/agents/{}", app.agent().await),
        format!("/telephony/numbers/{}", app.number("+14155550177").await),
        format!("/telephony/trunks/{}", app.trunk().await),
        format!("/calls/{call}"),
        format!("/api/v1/api-keys/{key}"),
    ] {
        for _ in 0..2 {
            assert_eq!(client.delete(&path).await.status, 204, "{path}");
        }
        // The record of a key outlives it, so it can't be said that there is none.
        let expected = if path.contains("api-keys") {
            "validation_error.invalid_state"
        } else {
            "not_found.resource_not_found"
        };
        assert_eq!(other.delete(&path).await.pair(), expected, "{path}");
        let upper = path
            .to_uppercase()
            .replace("/AGENTS", "/agents")
            .replace("/CALLS", "/calls");
        if upper.starts_with("/agents") || upper.starts_with("/calls") {
            assert_eq!(
                client.delete(&upper).await.status,
                204,
                "the same id, written otherwise"
            );
        }
    }
    assert_eq!(
        client.delete("/agents/none").await.pair(),
        "not_found.resource_not_found"
    );
}

#[tokio::test]
async fn an_end_of_a_call_takes_no_body_or_an_empty_object() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/calls/{}/end", app.call().await);
    let refused = client.post(&path, &json!({ "reason": "x" })).await;
    assert_eq!(refused.faults(), [("/reason".to_owned(), "unknown_field".to_owned())]);
    let broken = client.post_text(&path, "application/json", "{").await;
    assert_eq!(broken.pair(), "bad_request.malformed_json");
    client.send(client.request(Method::POST, &path)).await.ok();
}

#[tokio::test]
async fn parameters_that_an_operation_has_not_are_refused_on_every_operation() {
    let app = TestApp::start().await;
    let client = app.client();
    let document = api::openapi();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // Paths that only operators may ask are refused before.
        if path.starts_with("/api/operator") {
            continue;
        }
        let mut filled = path.clone();
        while let (Some(start), Some(end)) = (filled.find('{'), filled.find('}')) {
            filled.replace_range(start..=end, "019a3b5e-7c00-7000-8000-000000000001");
        }
        for (method, described) in methods.as_object().unwrap() {
            // What is signed has no gate before it, and is no operation of a client.
            if described["x-required-scope"].is_null() {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = client.request(method.clone(), &format!("{filled}?unheard_of=1"));
            let has_body = methods[method.as_str().to_lowercase()]["requestBody"].is_object();
            let request = if has_body { request.json(&json!({})) } else { request };
            let answer = client.send(request).await;
            let fault = ("?unheard_of".to_owned(), "unknown_field".to_owned());
            assert!(answer.faults().contains(&fault), "{answer}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn the_log_tells_who_changed_what_and_never_to_what() {
    let app = TestApp::start().await;
    let client = app.client();
    let created = client.post("/agents", &app.agent_body(&json!({}))).await;
    let (agent, request) = (created.created(), created.header("x-request-id").to_owned());
    let secret = json!({ "name": "MARKER", "system_prompt": "MARKER" });
    client.patch(&format!("/agents/{agent}"), &secret).await.ok();
    client.delete(&format!("/agents/{agent}")).await.ok();
    let log = client.get(&format!("/api/v1/audit-log?resource_id={agent}")).await;
    assert!(!String::from_utf8_lossy(&log.body).contains("MARKER"));
    let entries = log.json()["data"].clone();
    let actions: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["action"])
        .collect();
    assert_eq!(actions, ["agent.deleted", "agent.updated", "agent.created"]);
    assert_eq!(entries[1]["fields"], json!(["name", "system_prompt"]));
    let first = &entries[2];
    assert_eq!(
        (&first["request_id"], &first["ip"]),
        (&json!(request), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&first["resource"], &first["actor"]["type"]),
        (&json!("agent"), &json!("key"))
    );
    let actor = first["actor"]["id"].as_str().unwrap();
    let by = client
        .get(&format!("/api/v1/audit-log?actor_id={actor}&action=agent.created"))
        .await;
    assert_eq!(by.json()["pagination"]["total"], 1);
    let later = client.get("/api/v1/audit-log?since=2030-01-01T00:00:00Z").await;
    assert_eq!(later.json()["pagination"]["total"], 0);
    let unread = client.get("/api/v1/audit-log?until=yesterday").await;
    assert_eq!(unread.faults(), [("?until".to_owned(), "invalid_format".to_owned())]);
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let theirs = app
        .client_with(Some(&key))
        .get(&format!("/api/v1/audit-log?resource_id={agent}"))
        .await;
    assert_eq!(theirs.json()["pagination"]["total"], 0);
}
