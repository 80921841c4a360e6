//! Logs, metrics, and the sentences of a program that ends.

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSection};

/// The SIP engine writes whole messages, phone numbers and credentials included, from `info` on and parts of them
/// in warnings; no filter may let it.
const QUIET: &str = "rsipstack=error";

/// Starts logging to standard error.
pub(crate) fn logs(section: &LogSection) -> Result<()> {
    let filter = EnvFilter::try_new(&section.filter)
        .with_context(|| format!("log.filter {:?} is no filter; try \"info\"", section.filter))?
        .add_directive(QUIET.parse()?);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true);
    match section.format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Starts counting.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .install_recorder()
        .context("metrics can't be collected")
}

/// A last sentence on standard error.
#[expect(clippy::print_stderr, reason = "the program's own voice")]
pub(crate) fn say_error(sentence: &str) {
    eprintln!("callwright: {sentence}");
}
