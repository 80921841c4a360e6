//! Agents, voices, trunks and numbers, from creation to deletion.

use domain::Change;
use domain::agents::{Agents, ModelNames};
use serde_json::{Value, json};
use testkit::TestApp;

#[tokio::test]
async fn an_agent_lives_from_creation_to_deletion() {
    let app = TestApp::start().await;
    let client = app.client();
    let created = client
        .post("/agents", &app.agent_body(&json!({ "description": "Front desk" })))
        .await;
    let id = created.created();
    assert_eq!(created.header("location"), format!("/api/public/v1/agents/{id}"));
    let path = format!("/agents/{id}");
    assert_eq!(client.get(&path).await.data(), created.data());
    let changed = client
        .patch(&path, &json!({ "name": "Eve", "description": null }))
        .await
        .data();
    assert_eq!((&changed["name"], changed.get("description")), (&json!("Eve"), None));
    assert_eq!(changed["system_prompt"], "Be kind.");
    let elsewhere = client.get(&format!("/api/v1/agents/{id}")).await.data();
    assert_eq!(elsewhere, changed);
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.delete(&path).await.status, 204, "who deleted it may do so again");
}

#[tokio::test]
async fn an_id_in_the_body_that_names_nothing_is_not_found_with_its_field() {
    let app = TestApp::start().await;
    let answer = app
        .client()
        .post("/agents", &app.agent_body(&json!({ "voice_id": "nobody" })))
        .await;
    let expected = json!({ "reason": "resource_not_found", "resource": "voice", "id": "nobody", "field": "voice_id" });
    assert_eq!(answer.details(), expected);
}

#[tokio::test]
async fn voices_are_listed_and_fetched() {
    let app = TestApp::start().await;
    let voices = app.client().get("/voices").await.json();
    assert_eq!(voices["pagination"]["total"], 1);
    let voice = app.client().get(&format!("/voices/{}", app.voice.id)).await.data();
    assert_eq!(voice, voices["data"][0]);
}

#[tokio::test]
async fn a_trunk_never_shows_its_password() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({ "name": "T", "host": "sip.example.com", "username": "u", "password": "hunter2hunter2" });
    let created = client.post("/telephony/trunks", &body).await;
    let path = format!("/telephony/trunks/{}", created.created());
    let listed = client.get("/telephony/trunks").await;
    for answer in [&created, &client.get(&path).await, &listed] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
    }
    assert_eq!(created.data()["has_password"], true);
    let changed = client
        .patch(&path, &json!({ "username": null, "password": null, "port": 5080 }))
        .await
        .data();
    assert_eq!(
        (&changed["has_password"], &changed["port"]),
        (&json!(false), &json!(5080))
    );
    assert_eq!(client.delete(&path).await.status, 204);
}

#[tokio::test]
async fn a_number_is_imported_assigned_unassigned_and_released() {
    let app = TestApp::start().await;
    let client = app.client();
    let (agent, number) = (app.agent().await, app.number("+14155550100").await);
    let fetched = client.get(&format!("/telephony/numbers/{number}")).await.data();
    assert_eq!(fetched["phone_number"], "+14155550100");
    let body = json!({ "number_id": number, "agent_id": agent, "direction": "inbound" });
    let assigned = client.post("/telephony/numbers/assign", &body).await.data();
    assert_eq!(
        (&assigned["inbound_agent_id"], &assigned["outbound_agent_id"]),
        (&json!(agent), &Value::Null)
    );
    let numbers = client.get(&format!("/agents/{agent}/numbers")).await.json();
    assert_eq!(numbers["data"], json!([assigned]));
    let body = json!({ "number_id": number });
    let unassigned = client.post("/telephony/numbers/unassign", &body).await.data();
    assert_eq!(unassigned["inbound_agent_id"], Value::Null);
    assert_eq!(client.get("/telephony/numbers").await.json()["pagination"]["total"], 1);
    assert_eq!(client.delete(&format!("/telephony/numbers/{number}")).await.status, 204);
    assert_eq!(client.get("/telephony/numbers").await.json()["pagination"]["total"], 0);
}

#[tokio::test]
async fn rules_of_numbers_and_trunks_name_what_they_are_about() {
    let app = TestApp::start().await;
    let client = app.client();
    let (first, second, number) = (app.agent().await, app.agent().await, app.number("+14155550100").await);
    let trunk = client.get("/telephony/trunks").await.json()["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let assign = |agent: &str| json!({ "number_id": number, "agent_id": agent });
    client.post("/telephony/numbers/assign", &assign(&first)).await.ok();
    let refused = client.post("/telephony/numbers/assign", &assign(&second)).await;
    assert_eq!(refused.pair(), "validation_error.number_in_use");
    let import = json!({ "phone_number": "+14155550100", "trunk_id": trunk });
    assert_eq!(
        client.post("/telephony/numbers/import", &import).await.pair(),
        "validation_error.number_in_use"
    );
    let import = json!({ "phone_number": "+14155550101", "trunk_id": trunk, "provider": "acme" });
    let refused = client.post("/telephony/numbers/import", &import).await;
    assert_eq!(
        (refused.pair().as_str(), &refused.details()["provider"]),
        ("validation_error.unsupported_provider", &json!("acme"))
    );
    let refused = client.delete(&format!("/telephony/trunks/{trunk}")).await;
    assert_eq!(
        (refused.pair().as_str(), &refused.details()["numbers"]),
        ("validation_error.trunk_in_use", &json!(1))
    );
}

#[tokio::test]
async fn a_change_is_not_refused_for_what_it_does_not_touch() {
    let app = TestApp::start().await;
    let models = ModelNames {
        language_providers: ["gone".to_owned()].into(),
        ..ModelNames::default()
    };
    let before = Agents::new(app.store.clone(), app.clock.clone(), models);
    let create = serde_json::from_value(app.agent_body(&json!({ "model": "gone/model" }))).unwrap();
    let agent = before
        .agent_create(&Change::by_system(app.scope), create)
        .await
        .unwrap();
    let (client, path) = (app.client(), format!("/agents/{}", agent.id));
    assert_eq!(
        client.patch(&path, &json!({ "name": "Bea" })).await.data()["name"],
        "Bea"
    );
    let answer = client.patch(&path, &json!({ "model": "gone/model" })).await;
    assert_eq!(answer.faults(), [("/model".to_owned(), "not_allowed_value".to_owned())]);
}
