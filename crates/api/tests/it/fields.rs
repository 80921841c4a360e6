//! All faults at once, with pointers.

use serde_json::json;
use testkit::TestApp;

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(pointer, reason)| ((*pointer).to_owned(), (*reason).to_owned()))
        .collect()
}

#[tokio::test]
async fn two_faults_are_told_at_once() {
    let app = TestApp::start().await;
    let answer = app
        .client()
        .post("/agents", &app.agent_body(&json!({ "name": "", "temperature": 7 })))
        .await;
    assert_eq!(
        answer.faults(),
        pairs(&[("/name", "too_short"), ("/temperature", "out_of_range")])
    );
    assert_eq!(answer.details()["fields"][1]["params"]["max"], 1.0);
}

#[tokio::test]
async fn an_unknown_field_comes_with_a_suggestion() {
    let app = TestApp::start().await;
    let answer = app
        .client()
        .post("/agents", &app.agent_body(&json!({ "langauge_hint": "en" })))
        .await;
    assert_eq!(answer.faults(), pairs(&[("/langauge_hint", "unknown_field")]));
    assert_eq!(answer.details()["fields"][0]["params"]["did_you_mean"], "language_hint");
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused() {
    let app = TestApp::start().await;
    let body = app
        .agent_body(&json!({}))
        .to_string()
        .replace("\"name\"", "\"name\":\"Eve\",\"name\"");
    let answer = app.client().post_text("/agents", "application/json", body).await;
    assert_eq!(answer.faults(), pairs(&[("/name", "duplicate")]));
}

#[tokio::test]
async fn rules_that_a_schema_cannot_state_look_the_same() {
    let app = TestApp::start().await;
    let change = json!({ "max_duration": "25h", "greeting": { "text": "Hi", "prompt": "Greet." } });
    let answer = app.client().post("/agents", &app.agent_body(&change)).await;
    let mut faults = answer.faults();
    faults.sort();
    assert_eq!(
        faults,
        pairs(&[
            ("/greeting/prompt", "conflicts_with"),
            ("/max_duration", "out_of_range")
        ])
    );
}

#[tokio::test]
async fn query_parameters_are_checked_like_bodies() {
    let app = TestApp::start().await;
    let client = app.client();
    for (query, expected) in [
        ("limit=0", &[("?limit", "out_of_range")][..]),
        (
            "limit=101&offset=-1",
            &[("?limit", "out_of_range"), ("?offset", "out_of_range")],
        ),
        ("limit=ten", &[("?limit", "wrong_type")]),
        ("limti=5", &[("?limti", "unknown_field")]),
        ("limit=5&limit=6", &[("?limit", "duplicate")]),
        ("cursor=abc", &[("?cursor", "invalid_format")]),
        (
            "cursor=019a3b5e-7c00-7000-8000-000000000001&offset=1",
            &[("?offset", "conflicts_with")],
        ),
    ] {
        for path in ["agents", "calls"] {
            assert_eq!(
                client.get(&format!("/{path}?{query}")).await.faults(),
                pairs(expected),
                "{path} {query}"
            );
        }
    }
    let answer = client.get("/calls?status=done").await;
    assert_eq!(answer.faults(), pairs(&[("?status", "not_allowed_value")]));
    assert_eq!(
        client.get("/agents?limti=5").await.details()["fields"][0]["params"]["did_you_mean"],
        "limit"
    );
    assert_eq!(
        client.get("/agents?limit=%zz").await.pair(),
        "bad_request.malformed_query"
    );
}
