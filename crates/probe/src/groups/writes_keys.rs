//! Keys: what one may do that may only look, and what is left of one that was revoked.

use serde_json::json;

use crate::{ask::Ask, document::PUBLIC, groups::nobody, session::Session};

const GROUP: &str = "writes";
pub(crate) const KEYS: &str = "/api/v1/api-keys";

pub(crate) async fn run(session: &mut Session) {
    if session.document.find("POST", KEYS).is_none() {
        return session.skip(GROUP, "keys", "there is no way to make keys");
    }
    let body = json!({ "name": session.name("reader"), "scopes": ["read"] });
    // Sent again on a fresh connection, it must not make a second key.
    let create = Ask::new("POST", KEYS).json(&body).header("Idempotency-Key", &nobody());
    let made = session
        .check(GROUP, "a key that may only look", create, |answer, verdict| {
            verdict.pair_or(
                answer,
                201,
                &["forbidden.insufficient_scope", "forbidden.insufficient_role"],
            );
        })
        .await;
    let Some(made) = made.filter(|made| made.status == 201) else {
        return session.skip(GROUP, "keys", "the key may not make others");
    };
    let data = made.data();
    let (key, id) = (
        data["key"].as_str().unwrap_or_default().to_owned(),
        data["id"].as_str().unwrap_or_default().to_owned(),
    );
    session.secrets.hide(&key, "$KEY_THAT_MAY_ONLY_LOOK");
    let path = format!("{KEYS}/{id}");
    session.made.push(path.clone());
    looks(session, &key).await;
    is_refused(session, &key).await;
    session
        .check(
            GROUP,
            "a secret is shown once",
            Ask::get(format!("{KEYS}?limit=100")),
            |answer, verdict| {
                verdict.good(answer);
                let body = String::from_utf8_lossy(&answer.body);
                verdict.want(
                    "a secret is shown once",
                    !body.contains(&key),
                    "no secret in the list",
                    "the secret",
                );
            },
        )
        .await;
    session
        .check(GROUP, "revoke", Ask::new("DELETE", &path), |answer, verdict| {
            verdict.status(answer, 204);
        })
        .await;
    let ask = Ask::get(format!("{PUBLIC}/agents")).by_token(&key);
    session
        .check(GROUP, "a revoked key", ask, |answer, verdict| {
            verdict.pair(answer, &["unauthorized.revoked_api_key"]);
        })
        .await;
}

async fn looks(session: &mut Session, key: &str) {
    let Some(list) = session.example.clone() else {
        return;
    };
    let ask = Ask::get(list.path("")).by_token(key);
    session
        .check(GROUP, "a key that may look looks", ask, |answer, verdict| {
            verdict.status(answer, 200);
        })
        .await;
}

/// Scope comes before what is wrong with the request.
async fn is_refused(session: &mut Session, key: &str) {
    for operation in session.document.writers() {
        for (what, ask) in [
            ("broken JSON", operation.ask(&nobody()).body("application/json", "{")),
            (
                "a body of another kind",
                operation.ask(&nobody()).body("text/plain", "x"),
            ),
        ] {
            let name = format!("{}: scope before {what}", operation.shown());
            session
                .check(GROUP, name, ask.by_token(key), |answer, verdict| {
                    verdict.pair(answer, &["forbidden.insufficient_scope"]);
                    let scope = answer.details()["required_scope"].clone();
                    let rule = "a key that may not is told what it lacks";
                    verdict.want(rule, scope.is_string(), "required_scope", &answer.line());
                })
                .await;
        }
    }
}
