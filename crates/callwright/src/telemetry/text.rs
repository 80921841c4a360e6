//! The fields and the time of log lines, written as the library writes them but without its detours: every request has
//! a line, and a line must cost little beside an answer.

use std::fmt;

use domain::{clock::SystemClock, ports::Clock as _};
use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput as _},
    fmt::{
        FormatFields,
        format::{DefaultFields, DefaultVisitor, Writer},
        time::FormatTime,
    },
};

/// Times as they stand in the API.
pub(super) struct Now;

impl FormatTime for Now {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", SystemClock.now())
    }
}

/// Fields as `name=value`, the message without its name. Where colours are wanted the library writes them.
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, out: Writer<'writer>, fields: R) -> fmt::Result {
        if out.has_ansi_escapes() {
            return DefaultFields::new().format_fields(out, fields);
        }
        let mut visitor = Visitor {
            out,
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.written
    }
}

struct Visitor<'writer> {
    out: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Visitor<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_err() {
            return;
        }
        let space = if self.is_first { "" } else { " " };
        self.is_first = false;
        // A field that is called as a word of the language has a mark before its name.
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        let out = &mut self.out;
        let named = out.write_str(space).and_then(|()| out.write_str(name));
        self.written = named.and_then(|()| out.write_char('=')).and_then(|()| value(out));
    }

    /// The message, whose control characters are taken out, and what belongs to `log`.
    fn leave_to_library(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        let mut theirs = DefaultVisitor::new(self.out.by_ref(), self.is_first);
        record(&mut theirs);
        self.written = self.written.and(theirs.finish());
        self.is_first = false;
    }
}

fn is_for_library(field: &Field) -> bool {
    field.name() == "message" || field.name().starts_with("log.")
}

impl Visit for Visitor<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if is_for_library(field) {
            self.leave_to_library(|theirs| theirs.record_str(field, value));
        } else if value.as_bytes().iter().all(is_plain) {
            self.field(field, |out| {
                let opened = out.write_char('"').and_then(|()| out.write_str(value));
                opened.and_then(|()| out.write_char('"'))
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
            self.leave_to_library(|theirs| theirs.record_debug(field, value));
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
            tracing::info!(alone = "no message");
            tracing::info!("");
        });
    }

    #[test]
    fn lines_are_those_of_the_library() {
        for colours in [false, true] {
            let (ours, theirs) = (Paper::default(), Paper::default());
            let layer = || tracing_subscriber::fmt::layer().without_time().with_ansi(colours);
            let library = tracing_subscriber::registry().with(layer().with_writer(theirs.clone()));
            tracing::subscriber::with_default(library, say_all_kinds);
            let own = tracing_subscriber::registry().with(layer().fmt_fields(Fields).with_writer(ours.clone()));
            tracing::subscriber::with_default(own, say_all_kinds);
            let text = |paper: Paper| String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
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
