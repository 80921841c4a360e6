//! Logs, metrics, and the sentences of a program that ends.

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogFormat, LogSection};

/// The SIP engine writes whole messages, phone numbers and credentials included, into its lines.
const SIP_ENGINE: &str = "rsipstack";

/// Starts logging to standard error.
pub(crate) fn logs(section: &LogSection) -> Result<()> {
    let wanted = EnvFilter::try_new(&section.filter)
        .with_context(|| format!("log.filter {:?} is no filter; try \"info\"", section.filter))?;
    // Apart from the operator's filter, so that none can let them through.
    let harmless =
        filter_fn(|metadata| !metadata.target().starts_with(SIP_ENGINE) || *metadata.level() == Level::ERROR);
    let registry = tracing_subscriber::registry().with(wanted);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match section.format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(colours).with_filter(harmless)).init();
        }
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_filter(harmless))
            .init(),
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
