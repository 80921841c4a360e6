//! What belongs to one organisation does not exist for another, on any route.

use contract::{CallEvent, Speaker, TranscriptTurn};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, Engine, Logs, TestApp};

/// Names nothing.
const NOBODY: &str = "019a3b5e-7c00-7000-8000-000000000001";

/// One of everything, of the first organisation.
struct Theirs {
    agent: String,
    trunk: String,
    number: String,
    live_call: String,
    finished_call: String,
    key: String,
    failed_request: String,
    member: String,
}

impl Theirs {
    async fn make(app: &TestApp) -> Self {
        let client = app.client();
        let live_call = app.call().await;
        let agent = client.get(&format!("/calls/{live_call}")).await.data()["agent_id"].clone();
        let agent = agent.as_str().unwrap().to_owned();
        let numbers = client.get("/telephony/numbers").await.json()["data"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
        let finished_call = client.post("/calls", &body).await.created();
        finish(app, &finished_call).await;
        let failed = client.get("/agents/nobody").await;
        assert!(app.failed_requests_write().await);
        Self {
            failed_request: failed.header("x-request-id").to_owned(),
            trunk: text(&numbers[0]["trunk_id"]),
            number: text(&numbers[0]["id"]),
            key: app
                .key_with(&[contract::KeyScope::Read], None)
                .await
                .record
                .id
                .to_string(),
            member: app.member("theirs", contract::MemberRole::Owner).await,
            agent,
            live_call,
            finished_call,
        }
    }

    /// Ids that may stand for `{id}` after `prefix`.
    fn ids(&self, prefix: &str) -> Vec<&str> {
        match prefix.rsplit('/').next().unwrap() {
            "agents" => vec![&self.agent],
            "trunks" => vec![&self.trunk],
            "numbers" => vec![&self.number],
            "calls" => vec![&self.live_call, &self.finished_call],
            "api-keys" => vec![&self.key],
            "requests" => vec![&self.failed_request],
            "members" => vec![&self.member],
            // Voices of the system are everybody's.
            "voices" => Vec::new(),
            other => panic!("say here what {other} are"),
        }
    }
}

/// Ends a call that has a transcript and a recording.
async fn finish(app: &TestApp, call: &str) {
    let (id, now) = (call.parse().unwrap(), app.calls.now());
    let turn = TranscriptTurn {
        speaker: Speaker::User,
        text: "It is mine.".to_owned(),
        started_at: now,
        ended_at: now,
        interrupted: false,
    };
    app.carrier.publish(id, CallEvent::TranscriptFinal { turn });
    let mut writer = app.recordings.recording_create(app.scope, id, 8000).await.unwrap();
    writer.write(&[7; 2000]);
    writer.finish().await.unwrap();
    app.client().post(&format!("/calls/{call}/end"), &json!({})).await.ok();
}

/// All of an answer but the id asked for and what differs between any two answers.
fn comparable(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("meta");
    (answer.status.as_u16(), headers, body.to_string().replace(id, "ID"))
}

async fn ask(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    let request = body.iter().copied().fold(request, reqwest::RequestBuilder::json);
    client.send(request).await
}

/// Statements since the first `before` of them, and how many rows each gave; not those that keep failed requests,
/// which come beside.
fn statements(logs: &Logs, before: usize) -> Vec<String> {
    let of_requests = |line: &&String| {
        let made = ["SELECT", "INSERT", "UPDATE", "DELETE"]
            .iter()
            .any(|verb| line.contains(&format!("summary=\"{verb}")));
        // What is noted beside requests comes whenever it comes.
        made && !line.contains("INTO failed_requests") && !line.contains("SET last_used_at")
    };
    let lines = logs.lines_with("sqlx::query");
    let shown = |line: &String| {
        let (_, said) = line.split_once("summary=").unwrap();
        said.split(" elapsed").next().unwrap().to_owned()
    };
    lines.iter().skip(before).filter(of_requests).map(shown).collect()
}

#[tokio::test]
async fn somebody_elses_id_costs_the_database_what_one_costs_that_names_nothing() {
    let logs = Logs::of_statements();
    // Where every statement is logged.
    let app = TestApp::builder().engine(Engine::Postgres).start().await;
    let theirs = Theirs::make(&app).await;
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let other = app.client_with(Some(&key));
    // Its first use is noted; others of the same minute are not.
    other.get("/agents").await.ok();
    let document = api::openapi();
    let mut compared = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some((prefix, _)) = path.split_once("/{id}").filter(|_| !path.starts_with("/api/operator/")) else {
            continue;
        };
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let body = (method == "PATCH").then(|| json!({ "name": "Mine" }));
            let costs = async |id: &str| {
                let before = logs.lines_with("sqlx::query").len();
                ask(&other, &method, &path.replace("{id}", id), body.as_ref()).await;
                statements(&logs, before)
            };
            for id in theirs.ids(prefix) {
                let (seen, unseen) = (costs(id).await, costs(NOBODY).await);
                assert!(!seen.is_empty(), "{method} {path}");
                assert_eq!(seen, unseen, "{method} {path}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared}");
}

#[tokio::test]
async fn on_every_route_somebody_elses_id_answers_like_one_that_names_nothing() {
    let app = TestApp::start().await;
    let theirs = Theirs::make(&app).await;
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let other = app.client_with(Some(&key));
    let document = api::openapi();
    let mut asked = 0;
    let paths = document["paths"].as_object().unwrap().iter();
    // Operators see everybody's, and nobody else comes in there.
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("/api/operator/")) {
        let Some((prefix, _)) = path.split_once("/{id}") else {
            continue;
        };
        // Operators see all organisations, and a tenant none of these routes.
        if prefix.starts_with("/api/operator/") {
            continue;
        }
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let body = (method == "PATCH").then(|| json!({ "name": "Mine" }));
            let nobody = path.replace("{id}", NOBODY);
            for id in theirs.ids(prefix) {
                let path = path.replace("{id}", id);
                let seen = ask(&other, &method, &path, body.as_ref()).await;
                let unseen = ask(&other, &method, &nobody, body.as_ref()).await;
                assert_eq!(seen.status, 404, "{method} {path}");
                assert_eq!(comparable(&seen, id), comparable(&unseen, NOBODY), "{method} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 20, "{asked}");
    assert_nothing_happened(&app, &theirs).await;
}

/// The owner still has all of it, unchanged.
async fn assert_nothing_happened(app: &TestApp, theirs: &Theirs) {
    let client = app.client();
    let (agent, trunk) = (&theirs.agent, &theirs.trunk);
    assert_eq!(client.get(&format!("/agents/{agent}")).await.data()["name"], "Ada");
    assert_eq!(
        client.get(&format!("/telephony/trunks/{trunk}")).await.data()["name"],
        "Trunk"
    );
    client.get(&format!("/telephony/numbers/{}", theirs.number)).await.ok();
    let live = client.get(&format!("/calls/{}", theirs.live_call)).await.data();
    assert_eq!(live["status"], "in_progress");
    let finished = format!("/calls/{}", theirs.finished_call);
    client.get(&format!("{finished}/recording")).await.ok();
    let turns = client.get(&format!("{finished}/transcript")).await.data()["turns"].clone();
    assert_eq!(turns[0]["text"], "It is mine.");
    let keys = client.get("/api/v1/api-keys").await.json()["data"].clone();
    let key = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == theirs.key.as_str());
    assert_eq!(key.unwrap()["revoked_at"], Value::Null);
}

#[tokio::test]
async fn in_every_body_somebody_elses_id_answers_like_one_that_names_nothing() {
    let app = TestApp::start().await;
    let theirs = Theirs::make(&app).await;
    let (_, key) = app.keys.organization_create("Other").await.unwrap();
    let other = app.client_with(Some(&key));
    let own_agent = other.post("/agents", &app.agent_body(&json!({}))).await.created();
    let trunk = json!({ "name": "Own", "host": "192.0.2.5" });
    let own_trunk = other.post("/telephony/trunks", &trunk).await.created();
    let import = json!({ "phone_number": "+14155550142", "trunk_id": own_trunk });
    let own_number = other.post("/telephony/numbers/import", &import).await.created();
    for (path, field, id, rest) in [
        (
            "/calls",
            "agent_id",
            &theirs.agent,
            json!({ "phone_number": "+14155550123" }),
        ),
        (
            "/telephony/numbers/import",
            "trunk_id",
            &theirs.trunk,
            json!({ "phone_number": "+14155550143" }),
        ),
        (
            "/telephony/numbers/assign",
            "number_id",
            &theirs.number,
            json!({ "agent_id": own_agent }),
        ),
        (
            "/telephony/numbers/assign",
            "agent_id",
            &theirs.agent,
            json!({ "number_id": own_number }),
        ),
        ("/telephony/numbers/unassign", "number_id", &theirs.number, json!({})),
    ] {
        let body = |id: &str| {
            let mut body = rest.clone();
            body[field] = id.into();
            body
        };
        let seen = other.post(path, &body(id)).await;
        let unseen = other.post(path, &body(NOBODY)).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.details()["field"]),
            (404, &json!(field)),
            "{path}"
        );
        assert_eq!(comparable(&seen, id), comparable(&unseen, NOBODY), "{path} {field}");
    }
    let calls = other.get(&format!("/calls?agent_id={}", theirs.agent)).await.json();
    assert_eq!(calls["data"], json!([]));
    assert_nothing_happened(&app, &theirs).await;
}
