//! What runs the platform, across organisations.

use contract::KeyScope;
use domain::Change;
use reqwest::Method;
use serde_json::json;
use testkit::TestApp;

const ORGANIZATIONS: &str = "/api/operator/v1/organizations";

#[tokio::test]
async fn an_operator_opens_organisations_that_can_be_used_at_once() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    let opened = operator.post(ORGANIZATIONS, &json!({ "name": "Acme" })).await;
    opened.created();
    let data = opened.data();
    assert_eq!(data["name"], "Acme");
    let client = app.client_with(data["api_key"]["key"].as_str());
    client.post("/agents", &app.agent_body(&json!({}))).await.created();
    assert_eq!(app.client().get("/agents").await.json()["pagination"]["total"], 0);
}

#[tokio::test]
async fn only_a_key_from_the_command_line_runs_the_platform() {
    let app = TestApp::start().await;
    let body = json!({ "name": "Acme" });
    let answer = app.client().post(ORGANIZATIONS, &body).await;
    assert_eq!(answer.pair(), "forbidden.insufficient_scope");
    assert_eq!(answer.details()["required_scope"], "operator");
    let grab = json!({ "name": "Mine", "scopes": ["operator"] });
    let answer = app.client().post("/api/v1/api-keys", &grab).await;
    assert_eq!(
        answer.faults(),
        [("/scopes/0".to_owned(), "not_allowed_value".to_owned())]
    );
    assert_eq!(
        answer.details()["fields"][0]["params"]["allowed"],
        json!(["read", "write", "admin"])
    );
    let change = Change::by_system(app.scope);
    let direct = app
        .keys
        .key_create(&change, contract::ApiKeyCreate::named("Mine", vec![KeyScope::Operator]));
    direct.await.unwrap_err();
}

#[tokio::test]
async fn an_operators_key_opens_no_tenants_door() {
    let app = TestApp::start().await;
    let agent = app.agent().await;
    let operator = app.operator().await;
    for base in ["/api/public/v1", "/api/v1"] {
        for path in ["/agents", &format!("/agents/{agent}")] {
            let answer = operator.get(&format!("{base}{path}")).await;
            assert_eq!(answer.pair(), "forbidden.insufficient_scope", "{base}{path}");
        }
    }
    let key = json!({ "name": "Mine", "scopes": ["admin"] });
    let answer = operator.post("/api/v1/api-keys", &key).await;
    assert_eq!(answer.details()["required_scope"], "admin");
}

#[tokio::test]
async fn the_platforms_own_organisation_is_none_that_an_operator_sees_into() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    let own = format!("{ORGANIZATIONS}/{}", domain::keys::PLATFORM);
    for path in ["", "/limits", "/billing", "/credits"] {
        let answer = operator.get(&format!("{own}{path}")).await;
        assert_eq!(answer.pair(), "not_found.resource_not_found", "{path}");
    }
    let limits = operator.request(Method::PUT, &format!("{own}/limits"));
    let answer = operator.send(limits.json(&json!({ "concurrent_calls": 1 }))).await;
    assert_eq!(answer.pair(), "not_found.resource_not_found");
    let credits = json!({ "credits": 5 });
    let answer = operator.post(&format!("{own}/credits/grant"), &credits).await;
    assert_eq!(answer.pair(), "not_found.resource_not_found");
}

#[tokio::test]
async fn an_operator_sees_all_organisations_and_their_own_is_none_of_them() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    let id = operator.post(ORGANIZATIONS, &json!({ "name": "Acme" })).await.created();
    let listed = operator.get(ORGANIZATIONS).await.json();
    let names: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["Acme", "Test"]);
    assert_eq!(listed["pagination"]["total"], 2);
    let path = format!("{ORGANIZATIONS}/{id}");
    assert_eq!(operator.get(&path).await.data()["name"], "Acme");
    assert_eq!(
        operator.get(&format!("{ORGANIZATIONS}/none")).await.details()["resource"],
        "organization"
    );
    assert_eq!(app.client().get(&path).await.pair(), "forbidden.insufficient_scope");
}
