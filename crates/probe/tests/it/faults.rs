//! Each broken promise is found, by its rule.

use std::collections::BTreeMap;

use testkit::TestApp;

use crate::{
    ask,
    liar::{self, Lie},
};

/// The lie, the group that finds it, the rule that it breaks.
const LIES: &[(Lie, &str, &str)] = &[
    (
        Lie::ExtraField,
        "routes",
        "the body is {error: {code, message, details?}, meta: {request_id, ts}} and nothing else",
    ),
    (Lie::BareStatus, "routes", "no status of 400 or more but the nine"),
    (
        Lie::AnotherCode,
        "routes",
        "code and status belong together, one to one",
    ),
    (
        Lie::NoRequestId,
        "routes",
        "every answer has one X-Request-Id, a UUIDv7",
    ),
    (
        Lie::OldRequestId,
        "routes",
        "every answer has one X-Request-Id, a UUIDv7",
    ),
    (Lie::SameRequestId, "routes", "no two requests have the same id"),
    (Lie::AnotherIdInBody, "routes", "meta.request_id equals X-Request-Id"),
    (Lie::TextType, "routes", "errors are application/json"),
    (Lie::NoLink, "routes", "Link leads to the code's page"),
    (
        Lie::NoChallenge,
        "credentials",
        "401 and only 401 challenges with WWW-Authenticate: Bearer",
    ),
    (Lie::TellsOfTheDatabase, "routes", "errors tell nothing of the inside"),
    (
        Lie::InventedReason,
        "routes",
        "every error names a reason of the catalogue",
    ),
    (
        Lie::OneFaultOnly,
        "bodies",
        "all faults of a request are told at once, each with its pointer",
    ),
    (Lie::IdsAreFields, "ids", "the right code and reason answer"),
    (Lie::SecondsOnly, "routes", "meta.ts is RFC 3339, UTC, milliseconds, Z"),
    (
        Lie::NoAllow,
        "routes",
        "method_not_allowed names what is, the same in Allow and details.allowed",
    ),
    (
        Lie::AnotherWait,
        "lists",
        "429 says how long to wait, in whole seconds, the same in header and body",
    ),
    (Lie::BodyBeforeCredentials, "order", "the right code and reason answer"),
    (Lie::NoMeta, "lists", "a good body is {data, pagination?, meta}"),
    (
        Lie::EndTooSoon,
        "lists",
        "pagination is {total, limit, offset, has_more} and says what is so",
    ),
    (
        Lie::EchoesTheClientsId,
        "headers",
        "a client's own id never replaces the server's",
    ),
    (Lie::EchoesCredentials, "credentials", "no credential comes back"),
    (Lie::WantsMoney, "lists", "only billable operations answer 402"),
    (
        Lie::IgnoresUnknownFilters,
        "queries",
        "all faults of a request are told at once, each with its pointer",
    ),
    (Lie::LaxLimits, "queries", "the right code and reason answer"),
    (Lie::BreaksOnNul, "bodies", "nothing that is asked breaks the server"),
    (Lie::NoLocation, "writes", "201 says where the new thing is"),
    (
        Lie::ForgetsKeys,
        "writes",
        "a replay is the first answer, byte for byte",
    ),
    (Lie::NoPage, "documentation", "a page is about its subject"),
    (Lie::NoEtag, "versions", "single things have an ETag"),
];

async fn rules_broken(app: &TestApp, lie: Lie, group: &str) -> BTreeMap<&'static str, usize> {
    let base = liar::before(app, lie).await;
    ask(&base, &app.key, &[group]).await.rules_broken()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_promise_of_routes_is_found_by_its_rule() {
    each_is_found(|group| group == "routes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_broken_promise_of_what_is_sent_is_found_by_its_rule() {
    each_is_found(|group| matches!(group, "bodies" | "credentials" | "order" | "queries")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_other_broken_promise_is_found_by_its_rule() {
    each_is_found(|group| !matches!(group, "routes" | "bodies" | "credentials" | "order" | "queries")).await;
}

async fn each_is_found(is_wanted: fn(&str) -> bool) {
    let app = TestApp::start().await;
    app.call().await;
    app.agent().await;
    let mut honest = BTreeMap::new();
    let mut missed = Vec::new();
    for (lie, group, rule) in LIES.iter().filter(|(_, group, _)| is_wanted(group)) {
        if !honest.contains_key(group) {
            honest.insert(group, rules_broken(&app, Lie::Nothing, group).await);
        }
        let before = honest[group].get(rule).copied().unwrap_or_default();
        let found = rules_broken(&app, *lie, group).await;
        if found.get(rule).copied().unwrap_or_default() <= before {
            missed.push(format!("{lie:?} in {group}: {found:?}, honest {:?}", honest[group]));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_framework_answers_by_itself_is_found_over_the_wire() {
    let app = TestApp::start().await;
    let found = rules_broken(&app, Lie::Nothing, "wire").await;
    assert!(
        found.contains_key("every answer has one X-Request-Id, a UUIDv7"),
        "{found:?}"
    );
    assert!(found.contains_key("errors are application/json"), "{found:?}");
}
