//! Where two faults meet, the first in the contract's order answers.

use serde_json::json;

use crate::{ask::Ask, document::PUBLIC, groups::nobody, session::Session};

const GROUP: &str = "order";

pub(crate) async fn run(session: &mut Session) {
    routes_first(session).await;
    for operation in session.document.writers() {
        if operation.is_open {
            continue;
        }
        let id = nobody();
        let ask = |body: &str, kind: &str| operation.ask(&id).body(kind, body);
        let name = |what: &str| format!("{}: {what}", operation.shown());
        let missing = &["unauthorized.missing_credentials"];
        let broken = ask("{", "application/json").by_nobody();
        session
            .check(GROUP, name("credentials before JSON"), broken, |answer, verdict| {
                verdict.pair(answer, missing);
            })
            .await;
        let foreign = ask("x", "text/plain").by_nobody();
        session
            .check(
                GROUP,
                name("credentials before content type"),
                foreign,
                |answer, verdict| verdict.pair(answer, missing),
            )
            .await;
        let faulty = ask("{\"zzz_unknown\":1}", "application/json").by_nobody();
        session
            .check(GROUP, name("credentials before schema"), faulty, |answer, verdict| {
                verdict.pair(answer, missing);
            })
            .await;
        if operation.template.contains('{') {
            let broken = ask("{", "application/json");
            session
                .check(GROUP, name("JSON before the resource"), broken, |answer, verdict| {
                    verdict.pair(answer, &["bad_request.malformed_json"]);
                })
                .await;
            let faulty = operation.ask(&id).json(&json!({ "zzz_unknown": 1 }));
            session
                .check(GROUP, name("schema before the resource"), faulty, |answer, verdict| {
                    verdict.pair(answer, &["validation_error.invalid_fields"]);
                })
                .await;
        }
    }
    for list in session.document.lists() {
        let ask = Ask::get(format!("{}?zzz=1&limit=x", list.path(""))).by_nobody();
        let name = format!("{}: credentials before query", list.shown());
        session
            .check(GROUP, name, ask, |answer, verdict| {
                verdict.pair(answer, &["unauthorized.missing_credentials"]);
            })
            .await;
    }
}

async fn routes_first(session: &mut Session) {
    let unknown = Ask::get(format!("{PUBLIC}/zzz")).by_token("cw_nobodys");
    session
        .check(GROUP, "route before credentials", unknown, |answer, verdict| {
            verdict.pair(answer, &["not_found.route_not_found"]);
        })
        .await;
    let Some(list) = session.example.clone() else {
        return;
    };
    let method = Ask::new("FROBNICATE", list.path("")).by_token("cw_nobodys");
    session
        .check(GROUP, "method before credentials", method, |answer, verdict| {
            verdict.pair(answer, &["not_found.method_not_allowed"]);
        })
        .await;
    let method = Ask::new("FROBNICATE", format!("{}?limit=x", list.path(""))).body("text/plain", "{");
    session
        .check(GROUP, "method before query and body", method, |answer, verdict| {
            verdict.pair(answer, &["not_found.method_not_allowed"]);
        })
        .await;
}
