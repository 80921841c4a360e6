//! The log lines of one request, kept until it is known whether it failed.
//!
//! Lines belong to a request by its span, so those of tasks that a request starts count too, as long as they carry its
//! span. What comes after the answer is not kept.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt::{self, Write as _},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use contract::{LogLine, RequestId};
use domain::ports::Clock;
use tracing::{
    Event, Level, Metadata, Span, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
    subscriber::Interest,
};
use tracing_subscriber::{
    filter::dynamic_filter_fn,
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::scrubbed;

/// Most lines of one request; the oldest go first.
const LINES_MAX: usize = 50;
/// Most bytes of one line.
const LINE_BYTES_MAX: usize = 1024;

/// Our own crates, whose lines are kept from `INFO` on.
const OURS: [&str; 10] = [
    "api",
    "callwright",
    "contract",
    "domain",
    "local",
    "media",
    "providers",
    "store",
    "telephony",
    "testkit",
];
/// Writes whole messages, phone numbers and credentials included, into its lines.
const SIP_ENGINE: &str = "rsipstack";

thread_local! {
    /// Hands a request's place for lines to the layer while its span is made.
    static OPENING: RefCell<Option<Gathered>> = const { RefCell::new(None) };
}

/// Where the lines of one request come together.
#[derive(Clone)]
pub(crate) struct Gathered {
    clock: Arc<dyn Clock>,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<LogLine>,
    omitted: u32,
    is_closed: bool,
}

/// The span of a request, and where its lines come together.
pub(crate) fn open_span(id: RequestId, clock: Arc<dyn Clock>) -> (Span, Gathered) {
    let gathered = Gathered {
        clock,
        lines: Arc::default(),
    };
    OPENING.set(Some(gathered.clone()));
    // At the highest level, so that no filter of an operator's takes the id off the lines that remain.
    let span = tracing::error_span!("request", request_id = %id);
    OPENING.take();
    (span, gathered)
}

impl Gathered {
    /// What came together, oldest first, and how many lines were left out. Nothing is added from then on.
    pub(crate) fn close(&self) -> (Vec<LogLine>, u32) {
        let mut lines = self.lock();
        lines.is_closed = true;
        (mem::take(&mut lines.kept).into(), lines.omitted)
    }

    fn add(&self, event: &Event<'_>) {
        if self.lock().is_closed {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let line = LogLine {
            at: self.clock.now(),
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            text: text.finish(),
        };
        let mut lines = self.lock();
        if lines.kept.len() == LINES_MAX {
            lines.kept.pop_front();
            lines.omitted = lines.omitted.saturating_add(1);
        }
        lines.kept.push_back(line);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gathers the log lines of requests, whatever the operator's own filter lets through to the log.
pub fn request_lines<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // Asked before every line and not once for each place in the code: between two lines of a thread a library may ask
    // about one of its own, and that answer would be taken for ours.
    let kept = dynamic_filter_fn(|metadata, _| is_kept(metadata));
    let kept = kept.with_max_level_hint(Level::INFO).with_callsite_filter(|metadata| {
        if is_kept(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    });
    GatherLines.with_filter(kept)
}

fn is_kept(metadata: &Metadata<'_>) -> bool {
    if *metadata.level() > Level::INFO {
        return false;
    }
    let target = metadata.target();
    let root = &target[..target.bytes().position(|byte| byte == b':').unwrap_or(target.len())];
    let finest = if OURS.contains(&root) { Level::INFO } else { Level::WARN };
    root != SIP_ENGINE && *metadata.level() <= finest
}

struct GatherLines;

impl<S> Layer<S> for GatherLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, _attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let (Some(gathered), Some(span)) = (OPENING.take(), context.span(id)) {
            span.extensions_mut().insert(gathered);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut spans = context.event_scope(event).into_iter().flatten();
        let gathered = spans.find_map(|span| span.extensions().get::<Gathered>().cloned());
        if let Some(gathered) = gathered {
            gathered.add(event);
        }
    }
}

/// A line as text: the message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        let mut text = scrubbed(&(self.message + &self.fields));
        if text.len() > LINE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
            text.push('…');
        }
        text
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A String takes whatever is written.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use domain::clock::SystemClock;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn opened() -> (Span, Gathered) {
        open_span(RequestId::new(), Arc::new(SystemClock))
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// As `sqlx` does after each statement, by way of `log`.
    fn ask_about_a_statement() {
        let span = tracing::debug_span!(target: "sqlx::query", "statement");
        tracing::dispatcher::get_default(|dispatch| span.metadata().is_some_and(|of| dispatch.enabled(of)));
    }

    #[test]
    fn a_library_that_asks_about_its_own_lines_costs_none_of_a_requests() {
        let subscriber = tracing_subscriber::registry().with(request_lines());
        tracing::subscriber::with_default(subscriber, || {
            ask_about_a_statement();
            let (span, gathered) = opened();
            span.in_scope(|| {
                ask_about_a_statement();
                tracing::info!("kept");
            });
            assert_eq!(texts(&gathered.close().0), ["kept"]);
        });
    }

    #[test]
    fn a_request_keeps_its_own_lines_and_no_others() {
        let subscriber = tracing_subscriber::registry().with(request_lines());
        tracing::subscriber::with_default(subscriber, || {
            let ((one, of_one), (other, of_other)) = (opened(), opened());
            one.in_scope(|| {
                tracing::warn!(attempt = 2, what = "disk", "slow");
                tracing::debug!("too fine");
                let inner = tracing::info_span!("inner");
                inner.in_scope(|| tracing::info!("deeper"));
            });
            other.in_scope(|| tracing::info!("another's"));
            tracing::info!("nobody's");
            let (lines, omitted) = of_one.close();
            assert_eq!(
                (texts(&lines), omitted),
                (vec!["slow attempt=2 what=disk", "deeper"], 0)
            );
            assert_eq!(
                (lines[0].level.as_str(), lines[0].target.as_str()),
                ("WARN", "api::support::lines::tests")
            );
            one.in_scope(|| tracing::warn!("after the answer"));
            assert!(of_one.close().0.is_empty());
            assert_eq!(texts(&of_other.close().0), ["another's"]);
        });
    }

    #[test]
    fn lines_are_bounded_in_number_and_length_and_hold_no_numbers() {
        let subscriber = tracing_subscriber::registry().with(request_lines());
        tracing::subscriber::with_default(subscriber, || {
            let (span, gathered) = opened();
            span.in_scope(|| {
                for number in 0..=LINES_MAX {
                    tracing::info!(number, "{}", "é".repeat(LINE_BYTES_MAX));
                }
                tracing::warn!("ringing +14155550123");
            });
            let (lines, omitted) = gathered.close();
            assert_eq!((lines.len(), omitted), (LINES_MAX, 2));
            assert!(
                lines
                    .iter()
                    .all(|line| line.text.len() <= LINE_BYTES_MAX + '…'.len_utf8())
            );
            assert_eq!(lines[LINES_MAX - 1].text, "ringing (hidden)");
        });
    }

    #[test]
    fn without_a_listener_a_request_has_no_lines() {
        let (span, gathered) = opened();
        span.in_scope(|| tracing::warn!("unheard"));
        assert!(gathered.close().0.is_empty());
        assert!(OPENING.take().is_none());
    }
}
