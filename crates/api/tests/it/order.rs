//! Where several faults apply, the first in the contract's order answers.

use contract::KeyScope;
use reqwest::Method;
use serde_json::json;
use testkit::TestApp;

#[tokio::test]
async fn the_first_fault_in_order_answers() {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 1;
        })
        .start()
        .await;
    let reader = app.key_with(&[KeyScope::Read], None).await.key;
    let nobody = app.client_with(Some("cw_wrong"));
    // No route and no credentials: the route.
    assert_eq!(nobody.get("/nope").await.pair(), "not_found.route_not_found");
    assert_eq!(
        nobody.send(nobody.request(Method::PUT, "/agents")).await.pair(),
        "not_found.method_not_allowed"
    );
    // Bad credentials and a body that can't be read: the credentials.
    assert_eq!(nobody.post_text("/agents", "text/plain", "{").await.status, 401);
    // Too little scope and a body that can't be read: the scope.
    let reader = app.client_with(Some(&reader));
    assert_eq!(
        reader.post_text("/agents", "text/plain", "{").await.pair(),
        "forbidden.insufficient_scope"
    );
    // Too fast and too little scope: the rate.
    assert_eq!(
        reader.post_text("/agents", "text/plain", "{").await.pair(),
        "rate_limit_exceeded.requests"
    );
}

#[tokio::test]
async fn bodies_are_read_then_checked_then_looked_up_then_ruled_on() {
    let app = TestApp::start().await;
    let (client, draft) = (app.client(), app.agent_with(&json!({ "status": "draft" })).await);
    // Broken JSON to an agent that isn't there: the JSON.
    let request = client
        .request(Method::PATCH, "/agents/none")
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(client.send(request).await.pair(), "bad_request.malformed_json");
    // A field fault in a change of an agent that isn't there: the field.
    let answer = client.patch("/agents/none", &json!({ "name": "" })).await;
    assert_eq!(answer.pair(), "validation_error.invalid_fields");
    // The same where only a rule of use knows the fault.
    let answer = client.patch("/agents/none", &json!({ "max_duration": "25h" })).await;
    assert_eq!(
        answer.faults(),
        [("/max_duration".to_owned(), "out_of_range".to_owned())]
    );
    // A field fault and a rule: the field.
    let answer = client
        .post("/calls", &json!({ "agent_id": draft, "phone_number": "0" }))
        .await;
    assert_eq!(answer.pair(), "validation_error.invalid_fields");
    // A missing trunk and a provider that isn't supported: the trunk.
    let import = json!({ "phone_number": "+14155550100", "trunk_id": "none", "provider": "acme" });
    assert_eq!(
        client.post("/telephony/numbers/import", &import).await.pair(),
        "not_found.resource_not_found"
    );
}
