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
async fn text_that_no_database_keeps_is_refused_wherever_it_stands() {
    let app = TestApp::start().await;
    let change = json!({ "name": "A\0", "system_prompt": "x", "script": { "answers": [
        { "examples": ["Hi\0?"], "answer": "Yes." }
    ] } });
    let answer = app.client().post("/agents", &app.agent_body(&change)).await;
    let expected = [
        ("/name", "invalid_format"),
        ("/script/answers/0/examples/0", "invalid_format"),
    ];
    assert_eq!(answer.faults(), pairs(&expected));
    let call = json!({ "agent_id": app.agent().await, "phone_number": "+14155550123", "metadata": { "a\0": 1 } });
    let answer = app.client().post("/calls", &call).await;
    assert_eq!(answer.faults(), pairs(&[("/metadata/a\0", "invalid_format")]));
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
async fn faults_of_form_and_of_rules_are_told_together() {
    let app = TestApp::start().await;
    let client = app.client();
    let agent = app.agent_with(&json!({})).await;
    let change = json!({ "name": "", "nmae": 1, "max_duration": "25h" });
    let expected = pairs(&[
        ("/max_duration", "out_of_range"),
        ("/name", "too_short"),
        ("/nmae", "unknown_field"),
    ]);
    let path = format!("/agents/{agent}");
    for answer in [
        client.post("/agents", &app.agent_body(&change)).await,
        client.patch(&path, &change).await,
    ] {
        let mut faults = answer.faults();
        faults.sort();
        assert_eq!(faults, expected);
    }
    let call = json!({ "agent_id": agent, "from_number": "0", "sip_uri": "alice", "phone_number": "+999123456789" });
    let mut faults = client.post("/calls", &call).await.faults();
    faults.sort();
    assert_eq!(
        faults,
        pairs(&[
            ("/from_number", "invalid_format"),
            ("/phone_number", "invalid_format"),
            ("/sip_uri", "invalid_format"),
        ])
    );
    let trunk = json!({ "name": "", "host": "sip.example.com:5060", "username": "u" });
    let mut faults = client.post("/telephony/trunks", &trunk).await.faults();
    faults.sort();
    assert_eq!(
        faults,
        pairs(&[
            ("/host", "invalid_format"),
            ("/name", "too_short"),
            ("/password", "required")
        ])
    );
}

#[tokio::test]
async fn a_body_made_of_faults_is_answered_in_few_words() {
    let app = TestApp::start().await;
    let client = app.client();
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let long = "k".repeat(900_000);
    for (name, body) in [
        (
            "unknown fields",
            format!("{{{}}}", many(60_000, &|index| format!("\"k{index}\":1"))),
        ),
        ("one long field", format!("{{\"{long}\":1}}")),
        (
            "items of a wrong type",
            format!("{{\"inactivity_messages\":[{}]}}", many(60_000, &|_| "0".to_owned())),
        ),
        (
            "empty items",
            format!("{{\"inactivity_messages\":[{}]}}", many(60_000, &|_| "{}".to_owned())),
        ),
        (
            "long keys twice",
            format!(
                "{{\"{}\":[{}]}}",
                "k".repeat(500_000),
                many(30_000, &|_| r#"{"x":1,"x":1}"#.to_owned())
            ),
        ),
    ] {
        let answer = client.post_text("/agents", "application/json", body).await;
        assert_eq!(answer.pair(), "validation_error.invalid_fields", "{name}");
        assert!(answer.body.len() < 128 * 1024, "{name}: {}", answer.body.len());
    }
    let call = json!({ "agent_id": "k".repeat(900_000), "phone_number": "+14155550123" });
    let answer = client.post("/calls", &call).await;
    assert_eq!(answer.pair(), "not_found.resource_not_found");
    assert!(answer.body.len() < 2048, "{}", answer.body.len());
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
        (
            "limit=0&cursor=abc&offset=1",
            &[
                ("?cursor", "invalid_format"),
                ("?limit", "out_of_range"),
                ("?offset", "conflicts_with"),
            ],
        ),
    ] {
        for path in ["agents", "calls"] {
            let mut faults = client.get(&format!("/{path}?{query}")).await.faults();
            faults.sort();
            assert_eq!(faults, pairs(expected), "{path} {query}");
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
