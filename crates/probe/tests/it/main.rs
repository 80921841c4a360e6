//! The probe against the real server, which keeps the contract, and against one that breaks it in many ways.
#![expect(clippy::unwrap_used, reason = "tests")]

mod faults;
mod liar;
mod ours;
mod refused;
mod remains;

use std::time::Duration;

use probe::{Report, Settings};
use tokio_util::sync::CancellationToken;

/// Asks `base`, only the groups named; all of them when none is.
async fn ask(base: &str, key: &str, only: &[&str]) -> Report {
    run(settings(base, key, only)).await
}

async fn run(settings: Settings) -> Report {
    probe::run(settings, Box::new(|_| {})).await
}

fn settings(base: &str, key: &str, only: &[&str]) -> Settings {
    Settings {
        target: base.parse().unwrap(),
        key: key.to_owned(),
        allow_writes: true,
        only: only.iter().map(|&group| group.to_owned()).collect(),
        requests_max: 10_000,
        wait_max: Duration::from_mins(1),
        clean_up_wait_max: Duration::from_mins(1),
        stop: CancellationToken::new(),
        patience: Duration::from_secs(20),
        hang: Duration::from_secs(20),
        document: testkit::openapi(),
    }
}
