//! `callwright serve`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::{config::Config, platform::Platform, telemetry};

pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    let _flush = telemetry::logs(&config.log)?;
    let mut platform = Platform::start(&config, telemetry::metrics()?).await?;
    // Whoever watches the process starts another: half a server helps nobody.
    let ended = tokio::select! {
        asked = asked_to_stop() => asked,
        error = platform.broke() => Err(error),
    };
    platform.stop().await;
    ended.map(|()| ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn asked_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be watched")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("Ctrl-C can't be watched")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
