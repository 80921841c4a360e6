//! What is left of a run that could not go to its end: nothing, or a word about it.

use std::{sync::Arc, time::Duration};

use contract::ApiKeyCreate;
use probe::{Conclusion, Progress, Report, Settings};
use serde_json::json;
use testkit::TestApp;

use crate::{run, settings};

/// Names of trunks, and of keys that work, that a run of the probe has made.
async fn left(app: &TestApp) -> Vec<String> {
    // Whatever the organisation has used up.
    app.clock.advance(Duration::from_hours(1));
    let mut left = Vec::new();
    let unlimited: ApiKeyCreate = serde_json::from_value(json!({
        "name": "Looks", "scopes": ["admin"], "rate_limits": { "minute": 100_000, "hour": 100_000 },
    }))
    .unwrap();
    let client = app.client_with(Some(&app.key_of(unlimited).await.key));
    for list in ["/telephony/trunks?limit=100", "/api/v1/api-keys?limit=100"] {
        let data = client.get(list).await.data().clone();
        let things = data.as_array().unwrap();
        let live = things.iter().filter(|thing| thing["revoked_at"].is_null());
        let names = live.map(|thing| thing["name"].as_str().unwrap().to_owned());
        left.extend(names.filter(|name| name.starts_with("contract-check ")));
    }
    left
}

fn writes(app: &TestApp) -> Settings {
    settings(&format!("http://{}", app.address), &app.key, &["writes"])
}

async fn limited_app(minute: u32, hour: u32) -> TestApp {
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.minute = minute;
            config.rate_limit.hour = hour;
        })
        .start()
        .await;
    // The last second of an hour, so that no wait is longer.
    app.clock.advance(Duration::from_secs(3599));
    app
}

/// Lets an hour pass with each wait, and does `then`.
fn hours_pass(app: &TestApp, then: impl Fn() + Send + 'static) -> Progress {
    let clock = Arc::clone(&app.clock);
    Box::new(move |text| {
        if text.starts_with("waiting") {
            clock.advance(Duration::from_hours(1));
            then();
        }
    })
}

fn is_removed(report: &Report) -> bool {
    report.rules_broken().is_empty() && report.notes.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_wherever_the_requests_run_out() {
    let app = TestApp::start().await;
    for requests_max in [3, 4, 5, 6, 7, 8, 12, 30, 45, 60, 75, 90] {
        let mut settings = writes(&app);
        settings.requests_max = requests_max;
        let report = run(settings).await;
        assert_eq!(left(&app).await, [""; 0], "{requests_max}: {}", report.text());
        assert!(is_removed(&report), "{requests_max}: {}", report.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_is_removed_when_the_hour_allows_it_again() {
    for hour in [6, 20, 45, 75] {
        let app = limited_app(1000, hour).await;
        let mut settings = writes(&app);
        settings.wait_max = Duration::ZERO;
        let report = probe::run(settings, hours_pass(&app, || {})).await;
        assert_eq!(report.conclusion(), Conclusion::CutShort, "{hour}: {}", report.text());
        assert_eq!(left(&app).await, [""; 0], "{hour}: {}", report.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_removed_is_told() {
    let app = limited_app(1000, 20).await;
    let mut settings = writes(&app);
    (settings.wait_max, settings.clean_up_wait_max) = (Duration::ZERO, Duration::ZERO);
    let report = run(settings).await;
    assert_eq!(left(&app).await.len(), 1, "{}", report.text());
    assert_eq!(report.conclusion(), Conclusion::Broken, "{}", report.text());
    assert!(
        report.notes.iter().any(|note| note.contains("/trunks/")),
        "{}",
        report.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_removes_what_it_made() {
    let app = limited_app(20, 1000).await;
    let settings = writes(&app);
    let stop = settings.stop.clone();
    let report = probe::run(settings, hours_pass(&app, move || stop.cancel())).await;
    assert_eq!(report.cut_short, ["it was stopped"], "{}", report.text());
    assert_eq!(report.conclusion(), Conclusion::CutShort, "{}", report.text());
    assert_eq!(left(&app).await, [""; 0], "{}", report.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_made_stays_whatever_its_name() {
    let app = TestApp::start().await;
    let theirs = json!({ "name": "contract-check, somebody else's", "host": "192.0.2.9" });
    assert_eq!(app.client().post("/telephony/trunks", &theirs).await.status, 201);
    let report = run(writes(&app)).await;
    assert!(is_removed(&report), "{}", report.text());
    let trunks = app.client().get("/telephony/trunks").await.data().clone();
    assert_eq!(trunks.as_array().unwrap().len(), 1, "{trunks}");
}
