//! Logs, metrics, and the sentences of a program that ends.

mod lines;
mod text;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, Targets, filter_fn},
    fmt::MakeWriter,
    layer::{Filter, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use self::lines::Flush;
use crate::config::{LogFormat, LogSection};

/// The SIP engine writes whole messages, phone numbers and credentials included, into its lines.
const SIP_ENGINE: &str = "rsipstack";

/// Starts logging to standard error. What is given back must live as long as the program: it writes the last lines.
pub(crate) fn logs(section: &LogSection) -> Result<Flush> {
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (to_stderr, flush) = lines::writing_to(std::io::stderr()).context("the log can't be written")?;
    subscriber(section, to_stderr, colours)?.init();
    quiet_panics();
    Ok(flush)
}

fn subscriber<W>(section: &LogSection, writer: W, colours: bool) -> Result<impl Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let wanted = filter(&section.filter)
        .with_context(|| format!("log.filter {:?} is no filter; try \"info\"", section.filter))?;
    // Apart from the operator's filter, so that none can let them through.
    let harmless =
        filter_fn(|metadata| !metadata.target().starts_with(SIP_ENGINE) || *metadata.level() == Level::ERROR)
            // Without a word about levels, the operator's would not be known to those who ask before they write.
            .with_max_level_hint(Level::TRACE);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match section.format {
        LogFormat::Text => {
            let lines = lines.event_format(text::Line::default()).fmt_fields(text::Fields);
            lines.with_ansi(colours).boxed()
        }
        LogFormat::Json => lines.with_timer(text::Now).json().flatten_event(true).boxed(),
    };
    Ok(tracing_subscriber::registry()
        .with(api::request_lines())
        .with(lines.with_filter(wanted.and(harmless))))
}

/// The operator's filter. `EnvFilter` says what a filter is; but it is asked about every span that is entered and left,
/// so one that names no spans is kept as plain targets, where both read it alike.
fn filter<S: Subscriber + for<'span> LookupSpan<'span>>(text: &str) -> Result<Box<dyn Filter<S> + Send + Sync>> {
    let of_any_kind = EnvFilter::try_new(text)?;
    let is_plain = |piece: &str| !piece.is_empty() && !piece.ends_with('=') && !piece.contains(['[', '{', ' ']);
    let targets = text.parse::<Targets>().ok();
    Ok(match targets.filter(|_| text.split(',').all(is_plain)) {
        Some(targets) => Box::new(targets),
        None => Box::new(of_any_kind),
    })
}

/// What a panic says may quote what a caller said; where it was does not.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(filter: &str, format: LogFormat, work: impl Fn()) -> String {
        let (paper, section) = (
            Paper::default(),
            LogSection {
                filter: filter.to_owned(),
                format,
            },
        );
        let sheet = paper.clone();
        let subscriber = subscriber(&section, move || sheet.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    /// As `sqlx` does after each statement, by way of `log`.
    fn ask_about_a_statement() {
        let span = tracing::debug_span!(target: "sqlx::query", "statement");
        let metadata = span.metadata().unwrap();
        tracing::dispatcher::get_default(|dispatch| dispatch.enabled(metadata));
    }

    #[test]
    fn a_library_that_asks_whether_it_would_be_written_costs_no_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = written("info", format, || {
                for _ in 0..3 {
                    ask_about_a_statement();
                    tracing::info!(target: "api::envelope", "a line");
                    ask_about_a_statement();
                    tracing::info!(target: "somebody", "a line");
                }
            });
            assert_eq!(written.matches("a line").count(), 6, "{written}");
        }
    }

    #[test]
    fn nobody_is_asked_for_lines_that_no_filter_lets_through() {
        for (filter, most) in [("info", Level::INFO), ("warn,store=debug", Level::DEBUG)] {
            let section = LogSection {
                filter: filter.to_owned(),
                format: LogFormat::Text,
            };
            let subscriber = subscriber(&section, std::io::sink, false).unwrap();
            assert_eq!(subscriber.max_level_hint(), Some(most.into()), "{filter}");
        }
    }

    #[test]
    fn a_filter_may_name_targets_and_spans() {
        let lines = |filter| {
            written(filter, LogFormat::Text, || {
                let span = tracing::info_span!(target: "api", "request");
                span.in_scope(|| tracing::debug!(target: "api", "inside"));
                tracing::debug!(target: "api", "outside");
                tracing::info!(target: "store", "elsewhere");
            })
        };
        for (filter, inside, outside, elsewhere) in [
            ("info", false, false, true),
            ("warn,api=debug", true, true, false),
            ("warn,[request]=debug", true, false, false),
            ("off", false, false, false),
            // Pieces that say nothing take nothing away.
            ("info,", false, false, true),
            ("api=debug,,info", true, true, true),
            ("api=", true, true, false),
            ("", false, false, false),
        ] {
            let written = lines(filter);
            let seen = ["inside", "outside", "elsewhere"].map(|word| written.contains(word));
            assert_eq!(seen, [inside, outside, elsewhere], "{filter}: {written}");
        }
    }

    #[test]
    fn lines_of_the_sip_engine_are_errors_or_none() {
        let written = written("trace", LogFormat::Text, || {
            tracing::info!(target: "rsipstack::transaction", "a whole message");
            tracing::error!(target: "rsipstack::transport", "a socket is gone");
            tracing::debug!("ours");
        });
        assert!(!written.contains("a whole message"), "{written}");
        assert!(
            written.contains("a socket is gone") && written.contains("ours"),
            "{written}"
        );
    }
}
