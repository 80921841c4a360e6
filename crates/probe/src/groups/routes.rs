//! Paths and methods that are not there.

use std::collections::BTreeSet;

use crate::{ask::Ask, document::PUBLIC, groups::nobody, session::Session};

const GROUP: &str = "routes";

pub(crate) async fn run(session: &mut Session) {
    unknown(session).await;
    for (template, methods) in session.document.paths() {
        methods_of(session, &template, &methods).await;
    }
}

async fn unknown(session: &mut Session) {
    let list = session.example.as_ref();
    let list = list.map(|list| list.template.clone()).unwrap_or_default();
    let upper = list.to_uppercase();
    let paths = [
        "/api".to_owned(),
        "/api/v999/agents".to_owned(),
        PUBLIC.to_owned(),
        format!("{PUBLIC}/zzz-there-is-no-such-thing"),
        format!("{PUBLIC}/zzz/{}", nobody()),
        format!("{list}/"),
        format!("/{list}"),
        format!("{list}//"),
        upper,
        format!("{list}%2F"),
        format!("{list};a=b"),
        format!("{PUBLIC}/..%2f..%2fetc%2fpasswd"),
        format!("{PUBLIC}/../../../../etc/passwd"),
        "/docs/errors/zzz".to_owned(),
        "/docs/errors/not_found/zzz".to_owned(),
        "/.env".to_owned(),
        "/.git/config".to_owned(),
        "/admin".to_owned(),
        format!("{PUBLIC}/{}", "a".repeat(4000)),
        format!("{PUBLIC}/%F0%9F%98%80"),
        format!("{PUBLIC}/%FF%FE"),
        format!("{PUBLIC}/%00"),
    ];
    for path in paths {
        for ask in [Ask::get(&path), Ask::get(&path).by_nobody()] {
            let name = format!("{path:.80} is no route");
            session
                .check(GROUP, name, ask, |answer, verdict| {
                    verdict.pair(answer, &["not_found.route_not_found"]);
                })
                .await;
        }
    }
    let ask = Ask::new("POST", format!("{PUBLIC}/zzz")).body("application/json", "{");
    session
        .check(GROUP, "a body to no route is not read", ask, |answer, verdict| {
            verdict.pair(answer, &["not_found.route_not_found"]);
        })
        .await;
}

async fn methods_of(session: &mut Session, template: &str, methods: &BTreeSet<String>) {
    let path: Vec<_> = template
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                nobody()
            } else {
                segment.to_owned()
            }
        })
        .collect();
    let path = path.join("/");
    let mut wanted = methods.clone();
    if methods.contains("GET") {
        wanted.insert("HEAD".to_owned());
    }
    let absent = ["PUT", "DELETE", "PATCH", "POST"]
        .into_iter()
        .find(|method| !methods.contains(*method));
    for method in absent.into_iter().chain(["FROBNICATE"]) {
        let name = format!("{method} {template} is no operation");
        let wanted = wanted.clone();
        let ask = Ask::new(method, &path).by_nobody();
        session
            .check(GROUP, name, ask, move |answer, verdict| {
                verdict.pair(answer, &["not_found.method_not_allowed"]);
                let allow = answer.header("allow").unwrap_or_default();
                let there: BTreeSet<_> = allow.split(',').map(|name| name.trim().to_owned()).collect();
                let missing: Vec<_> = wanted.iter().filter(|method| !there.contains(*method)).collect();
                let rule = "Allow names every method of the document";
                verdict.want(rule, missing.is_empty(), &format!("{wanted:?}"), allow);
            })
            .await;
    }
}
