//! The real server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contract::MemberRole;
use probe::Conclusion;
use serde_json::json;
use testkit::{Issuer, Signer, TestApp};

use crate::{
    ask,
    liar::{self, Lie},
    run, settings,
};

async fn app() -> TestApp {
    TestApp::builder()
        .config(|config| {
            config.body_timeout_ms = 1000;
            config.header_timeout_ms = 1500;
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 100_000;
            config.rate_limit.hour = 100_000;
            config.rate_limit.day = 100_000;
            config.rate_limit.authentication_failures_per_minute = 10_000;
        })
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_every_rule_and_nothing_is_left_of_the_probe() {
    let app = app().await;
    // Something to look at, so that no list is empty.
    app.call().await;
    app.agent().await;
    let trunks = app
        .client()
        .get("/telephony/trunks")
        .await
        .data()
        .as_array()
        .map(Vec::len);
    let report = ask(&format!("http://{}", app.address), &app.key, &[]).await;
    assert_eq!(report.broken(), 0, "{}", report.text());
    assert!(report.requests > 300 && report.passed() > 300, "{}", report.text());
    let after = app
        .client()
        .get("/telephony/trunks")
        .await
        .data()
        .as_array()
        .map(Vec::len);
    assert_eq!(trunks, after, "trunks are left");
}

#[tokio::test]
async fn a_deployment_that_is_not_there_is_no_success() {
    let report = ask("http://127.0.0.1:1", "cw_nobodys", &[]).await;
    assert_eq!(report.conclusion(), Conclusion::NothingAsked, "{}", report.text());
    let said = "Nothing could be checked: nobody answers at http://127.0.0.1:1 as HTTP would: ";
    assert!(report.text().starts_with(said), "{}", report.text());
    assert_eq!(report.notes, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_was_cut_short_is_no_success() {
    let app = app().await;
    let mut settings = settings(&format!("http://{}", app.address), &app.key, &["routes"]);
    settings.requests_max = 12;
    let report = run(settings).await;
    assert_eq!((report.broken(), report.requests), (0, 12), "{}", report.text());
    assert_eq!(report.conclusion(), Conclusion::CutShort, "{}", report.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_are_low_are_waited_for_and_break_nothing() {
    let app = TestApp::builder()
        .config(|config| {
            config.body_timeout_ms = 1000;
            config.header_timeout_ms = 1500;
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 40;
        })
        .start()
        .await;
    // The last second of a minute, again and again: no wait is longer, and each ends in the next minute.
    let clock = Arc::clone(&app.clock);
    clock.advance(Duration::from_secs(59));
    let waits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&waits);
    let progress = move |text: &str| {
        if text.starts_with("waiting") {
            counted.fetch_add(1, Ordering::SeqCst);
            clock.advance(Duration::from_mins(1));
        }
    };
    let settings = settings(
        &format!("http://{}", app.address),
        &app.key,
        &["wire", "writes", "patience"],
    );
    let report = probe::run(settings, Box::new(progress)).await;
    assert_eq!(report.conclusion(), Conclusion::Holds, "{}", report.text());
    assert!(!report.text().contains("no room"), "{}", report.text());
    assert!(waits.load(Ordering::SeqCst) > 2, "{}", report.text());
}

#[tokio::test]
async fn the_key_is_in_no_report() {
    let app = app().await;
    for lie in [Lie::Nothing, Lie::EchoesCredentials] {
        let base = liar::before(&app, lie).await;
        let report = ask(&base, &app.key, &["credentials", "wire", "writes"]).await;
        let text = report.text() + &serde_json::to_string(&report).unwrap();
        let pieces = (0..=app.key.len() - 12).map(|at| &app.key[at..at + 12]);
        let told: Vec<_> = pieces.filter(|piece| text.contains(piece)).collect();
        assert_eq!(told, [""; 0], "{lie:?}");
        // Nor the key that the probe makes for itself.
        let mut keys = text.split("cw_").skip(1);
        let length = |key: &str| key.chars().take_while(char::is_ascii_alphanumeric).count();
        assert!(keys.all(|key| length(key) < 12), "{lie:?}: {text}");
        let is_found = report.rules_broken().contains_key("no credential comes back");
        assert_eq!(is_found, lie == Lie::EchoesCredentials, "{}", report.text());
    }
}

#[tokio::test]
async fn a_persons_token_is_a_key_too() {
    let signer = Signer::rs256("key");
    let issuer = Issuer::publishing(&[&signer]).await;
    let app = TestApp::builder().tokens_of(&issuer, |_| {}).start().await;
    app.member("ada", MemberRole::Admin).await;
    let token = signer.token(&app.claims("ada", &json!({})));
    let report = ask(&format!("http://{}", app.address), &token, &["credentials"]).await;
    assert_eq!(report.conclusion(), Conclusion::Holds, "{}", report.text());
}

#[tokio::test]
async fn a_key_of_any_letters_is_no_reason_to_break() {
    let app = app().await;
    let report = ask(&format!("http://{}", app.address), "ключ", &["credentials"]).await;
    assert_eq!(report.conclusion(), Conclusion::NothingAsked, "{}", report.text());
    assert!(report.is_reachable, "{}", report.text());
    let why = report.refused.unwrap_or_default();
    assert!(why.contains("unauthorized.malformed_credentials"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_grow_while_they_are_walked_break_nothing() {
    let app = app().await;
    let base = format!("http://{}", app.address);
    let growing = async {
        loop {
            app.agent().await;
        }
    };
    let report = tokio::select! {
        report = ask(&base, &app.key, &["lists"]) => report,
        () = growing => unreachable!("it grows without an end"),
    };
    assert_eq!(report.broken(), 0, "{}", report.text());
}
