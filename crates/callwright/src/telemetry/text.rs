//! Log lines, written as the library writes them but without its detours: every request has a line, and a line must cost
//! little beside an answer.

use std::fmt::{self, Write as _};

use domain::{clock::SystemClock, ports::Clock as _};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput as _},
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{DefaultFields, DefaultVisitor, Format, Full, Writer},
        time::FormatTime,
    },
    registry::{LookupSpan, Scope},
};

/// What comes by way of the crate `log` has this target, and its own among its fields.
const BY_WAY_OF_LOG: &str = "log";

/// A line: time, level, spans, target, fields. Where colours are wanted the library writes it.
pub(super) struct Line(Format<Full, Now>);

impl Default for Line {
    fn default() -> Self {
        Self(Format::default().with_timer(Now))
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let about = event.metadata();
        if out.has_ansi_escapes() || about.target() == BY_WAY_OF_LOG {
            return self.0.format_event(context, out, event);
        }
        Now.format_time(&mut out)?;
        out.write_str(match *about.level() {
            Level::ERROR => " ERROR ",
            Level::WARN => "  WARN ",
            Level::INFO => "  INFO ",
            Level::DEBUG => " DEBUG ",
            Level::TRACE => " TRACE ",
        })?;
        let mut spans = context.event_scope().into_iter().flat_map(Scope::from_root).peekable();
        while let Some(span) = spans.next() {
            out.write_str(span.metadata().name())?;
            if let Some(fields) = span
                .extensions()
                .get::<FormattedFields<N>>()
                .filter(|fields| !fields.is_empty())
            {
                out.write_str("{")?;
                out.write_str(fields)?;
                out.write_str("}")?;
            }
            out.write_str(if spans.peek().is_some() { ":" } else { ": " })?;
        }
        out.write_str(about.target())?;
        out.write_str(": ")?;
        context.format_fields(out.by_ref(), event)?;
        out.write_str("\n")
    }
}

/// Times as they stand in the API.
pub(super) struct Now;

impl FormatTime for Now {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        SystemClock.now().shown(|text| out.write_str(text))
    }
}

/// Fields as `name=value`, the message without its name. Where colours are wanted the library writes them.
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'writer>, fields: R) -> fmt::Result {
        if out.has_ansi_escapes() {
            return DefaultFields::new().format_fields(out, fields);
        }
        let mut visitor = Visitor {
            text: String::with_capacity(FIELDS),
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.written?;
        out.write_str(&visitor.text)
    }
}

/// Room for the fields of most lines.
const FIELDS: usize = 512;

/// Puts fields together, to be handed on as one.
struct Visitor {
    text: String,
    is_first: bool,
    written: fmt::Result,
}

impl Visitor {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut String) -> fmt::Result) {
        if self.written.is_err() {
            return;
        }
        if !std::mem::replace(&mut self.is_first, false) {
            self.text.push(' ');
        }
        // A field that is called as a word of the language has a mark before its name.
        let name = field.name();
        self.text.push_str(name.strip_prefix("r#").unwrap_or(name));
        self.text.push('=');
        self.written = value(&mut self.text);
    }

    /// Writes a message as it is, if it is plain ASCII; in others the library escapes control characters.
    fn writes_plain_message(&mut self, value: &dyn fmt::Debug) -> bool {
        let before = self.text.len();
        if !self.is_first {
            self.text.push(' ');
        }
        let written = write!(self.text, "{value:?}");
        if written.is_err()
            || self.text.as_bytes()[before..]
                .iter()
                .any(|byte| !matches!(byte, b' '..=b'~'))
        {
            self.text.truncate(before);
            return false;
        }
        self.is_first = false;
        true
    }

    /// Messages that are not plain, errors, and what belongs to `log`.
    fn leave_to_library(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        let mut theirs = DefaultVisitor::new(Writer::new(&mut self.text), self.is_first);
        record(&mut theirs);
        self.written = self.written.and(theirs.finish());
        self.is_first = false;
    }
}

fn is_for_library(field: &Field) -> bool {
    field.name() == "message" || field.name().starts_with("log.")
}

impl Visit for Visitor {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out| {
            out.push_str(itoa::Buffer::new().format(value));
            Ok(())
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if is_for_library(field) {
            self.leave_to_library(|theirs| theirs.record_str(field, value));
        } else if value.as_bytes().iter().all(is_plain) {
            self.field(field, |out| {
                out.push('"');
                out.push_str(value);
                out.push('"');
                Ok(())
            });
        } else {
            self.field(field, |out| write!(out, "{value:?}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.leave_to_library(|theirs| theirs.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_for_library(field) {
            if field.name() != "message" || !self.writes_plain_message(value) {
                self.leave_to_library(|theirs| theirs.record_debug(field, value));
            }
        } else {
            self.field(field, |out| write!(out, "{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Paper {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn say_all_kinds() {
        let error = io::Error::other("a \u{1b}[31mred\u{1b}[0m cause");
        let span = tracing::error_span!("request", request_id = %"019a", r#type = "span");
        span.in_scope(|| {
            tracing::info!(
                status = 200,
                route = "/agents/{id}",
                missing = Option::<&str>::None,
                "request"
            );
            tracing::warn!(
                quoted = "a \"word\" \\ \n\u{1b}[31m é",
                ?error,
                below = -1,
                half = 0.5,
                is = true,
                "many"
            );
            tracing::error!(error = &error as &dyn std::error::Error, "\u{1b}[31mred {}", "message");
            tracing::debug_span!("inner").in_scope(|| tracing::trace!("deeper"));
            tracing::info!(alone = "no message");
            tracing::info!(before = 1, message = "late é");
            tracing::info!(before = 1, message = ?"late");
            tracing::info!("");
        });
    }

    #[test]
    fn lines_are_those_of_the_library() {
        for colours in [false, true] {
            let (ours, theirs) = (Paper::default(), Paper::default());
            let layer = || tracing_subscriber::fmt::layer().with_ansi(colours);
            let library = layer().with_timer(Now).with_writer(theirs.clone());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(library), say_all_kinds);
            let own = layer().event_format(Line::default()).fmt_fields(Fields);
            let own = tracing_subscriber::registry().with(own.with_writer(ours.clone()));
            tracing::subscriber::with_default(own, say_all_kinds);
            // But for the time, in which each line differs.
            let text = |paper: Paper| {
                let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
                let lines = written
                    .lines()
                    .map(|line| line.split_once('Z').map_or(line, |(_, rest)| rest));
                lines.collect::<Vec<_>>().join("\n")
            };
            let ours = text(ours);
            assert!(ours.contains("019a") && ours.contains("/agents/{id}"), "{ours}");
            assert_eq!(ours, text(theirs));
        }
    }

    #[test]
    fn the_time_of_a_line_is_written_as_in_the_api() {
        let mut text = String::new();
        Now.format_time(&mut Writer::new(&mut text)).unwrap();
        assert_eq!(
            (text.len(), text.as_bytes()[19], text.ends_with('Z')),
            (24, b'.', true),
            "{text}"
        );
    }
}
