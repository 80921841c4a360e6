//! A key or an address that is not right ends the run at its first answers, and is named.

use std::time::Duration;

use axum::{
    Router,
    http::{StatusCode, Uri},
    response::{Html, Redirect},
    routing::get,
};
use contract::{ApiKeyCreate, KeyScope, Timestamp};
use probe::{Conclusion, Report, Target};
use testkit::TestApp;
use tokio::net::TcpListener;

use crate::ask;

/// Asks with the usual groups, and wants nothing to have come of it.
async fn why_refused(base: &str, key: &str) -> (Report, String) {
    let report = ask(base, key, &[]).await;
    assert_eq!(report.conclusion(), Conclusion::NothingAsked, "{}", report.text());
    let why = report.refused.clone().unwrap_or_default();
    assert!(report.text().contains(&why) && !why.is_empty(), "{}", report.text());
    (report, why)
}

/// A server of something else; its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A proxy whose deployment is not there.
fn failing() -> Router {
    Router::new().fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, Html("<h1>Later</h1>")) })
}

#[tokio::test]
async fn a_key_that_is_no_good_ends_the_run_at_once_and_is_blamed() {
    let app = TestApp::start().await;
    let revoked = app.key_with(&[KeyScope::Read], None).await;
    let path = format!("/api/v1/api-keys/{}", revoked.record.id);
    app.client().delete(&path).await.ok();
    let now = app.client().get("/agents").await.json()["meta"]["ts"].clone();
    let now: Timestamp = serde_json::from_value(now).unwrap();
    let soon = Timestamp::from_millis(now.millis() + 1000);
    let expired = app.key_with(&[KeyScope::Read], Some(soon)).await.key;
    app.clock.advance(Duration::from_secs(2));
    let elsewhere = ApiKeyCreate {
        ip_allowlist: vec!["203.0.113.0/24".to_owned()],
        ..ApiKeyCreate::named("Elsewhere", vec![KeyScope::Read])
    };
    let elsewhere = app.key_of(elsewhere).await.key;
    let other = TestApp::start().await.key.clone();
    for (key, reason) in [
        (other.as_str(), "unauthorized.invalid_api_key"),
        (&revoked.key, "unauthorized.revoked_api_key"),
        (&expired, "unauthorized.expired_api_key"),
        ("no-key-of-theirs", "unauthorized.malformed_credentials"),
        (&elsewhere, "forbidden.ip_not_allowed"),
    ] {
        let (report, why) = why_refused(&format!("http://{}", app.address), key).await;
        assert!(why.starts_with("the key ") && why.contains(reason), "{why}");
        assert_eq!(report.requests, 2, "{reason}: the document and one list");
        assert!(!why.contains(key), "{why}");
    }
}

#[tokio::test]
async fn a_base_with_a_path_is_told_which_base_to_name() {
    let app = TestApp::start().await;
    let origin = format!("http://{}", app.address);
    let (report, why) = why_refused(&format!("{origin}/below"), &app.key).await;
    assert!(report.requests > 2, "each list is asked for, as another might be there");
    assert!(
        why.contains("answers as no such API (404 ")
            && why.ends_with(&format!("name the base without the path, {origin}")),
        "{why}"
    );
}

#[tokio::test]
async fn a_server_of_something_else_is_told_to_be_none() {
    for (status, text) in [
        (StatusCode::OK, "<p>Hello</p>"),
        (StatusCode::NOT_FOUND, "nothing"),
        (StatusCode::UNAUTHORIZED, "<p>Who is it?</p>"),
        (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#),
    ] {
        let base = serve(Router::new().fallback(move || async move { (status, Html(text)) })).await;
        let (report, why) = why_refused(&base, "cw_somebodys").await;
        assert!(why.starts_with(&format!("{base} answers as no such API")), "{why}");
        assert_eq!(report.requests, 2, "{status} {text}: the document and one list");
    }
}

#[tokio::test]
async fn a_redirect_ends_the_run_and_its_base_can_be_named() {
    let moved = |uri: Uri| async move { Redirect::permanent(&format!("https://voice.example/below{uri}")) };
    let (report, why) = why_refused(&serve(Router::new().fallback(moved)).await, "cw_somebodys").await;
    let (_, hint) = why.split_once("it sends to ").unwrap();
    let named = hint.strip_suffix(", so name that deployment").unwrap();
    assert_eq!(named, "https://voice.example/below");
    assert!(named.parse::<Target>().is_ok());
    assert_eq!(report.requests, 2, "the document and one list");
}

#[tokio::test]
async fn what_refuses_the_key_in_its_own_words_does_no_harm_to_a_terminal() {
    for (text, told) in [
        ("", "the key is refused there (401)"),
        (
            r#"{"error":{"code":"\u001b[2Jgone"}}"#,
            r"the key is refused there (401 \u{1b}[2Jgone)",
        ),
    ] {
        let document = testkit::openapi().to_string();
        let router = Router::new()
            .route("/api/public/v1/openapi.json", get(move || async move { document }))
            .fallback(move || async move { (StatusCode::UNAUTHORIZED, text) });
        let (_, why) = why_refused(&serve(router).await, "cw_somebodys").await;
        assert_eq!(why, told);
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_by_the_rules_that_it_breaks() {
    let report = ask(&serve(failing()).await, "cw_somebodys", &["routes"]).await;
    assert_eq!(report.refused, None);
    assert_eq!(report.conclusion(), Conclusion::Broken, "{}", report.text());
    assert_eq!(report.cut_short, ["no list could be read"]);
}

#[tokio::test]
async fn a_list_that_the_key_may_not_read_decides_nothing_where_others_fail() {
    let text = r#"{"error":{"code":"forbidden","details":{"reason":"insufficient_scope"}}}"#;
    let closed = get(move || async move { (StatusCode::FORBIDDEN, text) });
    let base = serve(failing().route("/api/public/v1/agents", closed)).await;
    let report = ask(&base, "cw_somebodys", &["routes"]).await;
    assert_eq!(report.refused, None);
    assert_eq!(report.conclusion(), Conclusion::Broken, "{}", report.text());
}

#[test]
fn no_path_of_the_document_is_taken_for_a_base() {
    let document = testkit::openapi();
    let paths = document["paths"].as_object().unwrap().keys();
    for path in paths.filter(|path| path.contains("/v1/")) {
        let read = format!("https://voice.example{path}").parse::<Target>();
        assert!(read.is_err(), "{path}");
    }
}
