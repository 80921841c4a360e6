//! Calls, from creation to deletion, and the rules on the way.

use serde_json::json;
use testkit::TestApp;

#[tokio::test]
async fn a_call_is_placed_ended_read_and_deleted() {
    let app = TestApp::start().await;
    let (client, call) = (app.client(), app.call().await);
    let path = format!("/calls/{call}");
    assert_eq!(client.get(&path).await.data()["status"], "in_progress");
    assert_eq!(client.delete(&path).await.pair(), "validation_error.invalid_state");
    let ended = client.post(&format!("{path}/end"), &json!({})).await.data();
    assert_eq!(
        (&ended["status"], &ended["end_reason"]),
        (&json!("completed"), &json!("agent_hangup"))
    );
    let again = client.post(&format!("{path}/end"), &json!({})).await;
    assert_eq!(again.pair(), "validation_error.invalid_state");
    assert_eq!(
        client.get(&format!("{path}/transcript")).await.data(),
        json!({ "call_id": call, "turns": [] })
    );
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.get(&path).await.pair(), "not_found.resource_not_found");
}

#[tokio::test]
async fn rules_of_calls_name_what_they_are_about() {
    let app = TestApp::start().await;
    let client = app.client();
    let call = |agent: &str| json!({ "agent_id": agent, "phone_number": "+14155550123" });
    let silent = app.agent().await;
    let refused = client.post("/calls", &call(&silent)).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "no_outbound_number", "agent_id": silent })
    );
    let draft = app.agent_with(&json!({ "status": "draft" })).await;
    assert_eq!(
        client.post("/calls", &call(&draft)).await.pair(),
        "validation_error.agent_not_active"
    );
    let missing = client.post("/calls", &call("nobody")).await;
    assert_eq!(missing.details()["field"], "agent_id");
    let agent = app.agent_that_calls().await;
    let uri = json!({ "agent_id": agent, "sip_uri": "sip:alice@192.0.2.4" });
    assert_eq!(
        client.post("/calls", &uri).await.pair(),
        "validation_error.sip_uri_not_allowed"
    );
    let neither = client.post("/calls", &json!({ "agent_id": agent })).await;
    assert_eq!(neither.faults(), [("/phone_number".to_owned(), "required".to_owned())]);
}

#[tokio::test]
async fn a_variable_without_a_value_is_a_fault_when_the_call_is_created() {
    let app = TestApp::start().await;
    let agent = app
        .agent_with(&json!({ "greeting": { "text": "Hello {{first_name}}." } }))
        .await;
    let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    let answer = app.client().post("/calls", &body).await;
    assert_eq!(
        answer.faults(),
        [("/variables/first_name".to_owned(), "required".to_owned())]
    );
}
