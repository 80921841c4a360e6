//! What the program logs, for tests that look.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{
    filter::Targets,
    fmt::MakeWriter,
    layer::{Layer as _, SubscriberExt as _},
};

/// Lines logged on this thread since it was made. A test's runtime has one thread, so that is all of them.
pub struct Logs {
    lines: Buffer,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Listens from now on.
    pub fn listen() -> Self {
        let lines = Buffer::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_filter(LevelFilter::INFO);
        Self {
            lines,
            _guard: tracing::subscriber::set_default(
                tracing_subscriber::registry().with(api::request_lines()).with(layer),
            ),
        }
    }

    /// As [`Logs::listen`], and all that our own crates ever say, down to the finest level.
    pub fn listen_closely() -> Self {
        let lines = Buffer::default();
        let ours = ["api", "contract", "domain", "store", "testkit"];
        let filter = ours.into_iter().fold(Targets::new(), |filter, name| {
            filter.with_target(name, LevelFilter::TRACE)
        });
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_filter(filter);
        Self {
            lines,
            _guard: tracing::subscriber::set_default(
                tracing_subscriber::registry().with(api::request_lines()).with(layer),
            ),
        }
    }

    /// Listens to what is asked of the database instead; of `SQLite` only what does not read on the calling thread.
    pub fn of_statements() -> Self {
        let lines = Buffer::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(lines.clone())
            .with_ansi(false)
            .with_filter(Targets::new().with_target("sqlx::query", LevelFilter::DEBUG));
        Self {
            lines,
            _guard: tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)),
        }
    }

    /// All of it so far.
    pub fn text(&self) -> String {
        let bytes = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Lines that hold `needle`.
    pub fn lines_with(&self, needle: &str) -> Vec<String> {
        self.text()
            .lines()
            .filter(|line| line.contains(needle))
            .map(ToOwned::to_owned)
            .collect()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
