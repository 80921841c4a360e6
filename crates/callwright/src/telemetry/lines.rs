//! Log lines, written to standard error by a thread of their own, many at once.
//!
//! A write for each line costs a request as much as all the rest of its log line, and a reader that is slow (a full
//! pipe, a busy disk) would hold up calls. So lines gather for some milliseconds. What a killed process had not
//! written is lost; every orderly end, and a panic that ends the program, writes all of it.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Time in which lines come together.
const GATHER: Duration = Duration::from_millis(5);

/// Most bytes that wait. Past it, whoever logs waits until there is room: a line is late rather than lost.
const WAITING_MAX: usize = 1024 * 1024;

/// Where lines go in; a clone is the same place.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

/// Writes what waits when it goes.
pub(crate) struct Flush {
    lines: Lines,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits, or nothing more will come.
    more: Condvar,
    /// What waited is on its way.
    room: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    is_writer_idle: bool,
    is_over: bool,
}

/// A thread that writes to `out`, and the place where its lines go in.
pub(crate) fn writing_to(out: impl Write + Send + 'static) -> io::Result<(Lines, Flush)> {
    let lines = Lines(Arc::new(Shared {
        waiting: Mutex::default(),
        more: Condvar::new(),
        room: Condvar::new(),
    }));
    let theirs = lines.clone();
    let writer = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || theirs.write_all_to(out))?;
    let flush = Flush {
        lines: lines.clone(),
        writer: Some(writer),
    };
    Ok((lines, flush))
}

impl Lines {
    fn write_all_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            // Nobody is left to be told that the log can't be written.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
        }
    }

    /// Waits for lines and takes them all; `false` when none are left and none will come.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let mut waiting = self.waiting();
        while waiting.bytes.is_empty() && !waiting.is_over {
            waiting.is_writer_idle = true;
            waiting = self.0.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writer_idle = false;
        if !waiting.is_over && waiting.bytes.len() < WAITING_MAX / 2 {
            drop(waiting);
            thread::sleep(GATHER);
            waiting = self.waiting();
        }
        std::mem::swap(&mut waiting.bytes, batch);
        self.0.room.notify_all();
        !batch.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.is_over {
            // What is said after the last word is said at once.
            drop(waiting);
            return io::stderr().write(line);
        }
        while !waiting.bytes.is_empty() && waiting.bytes.len() + line.len() > WAITING_MAX && !waiting.is_over {
            waiting = self.0.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes.extend_from_slice(line);
        if waiting.is_writer_idle {
            waiting.is_writer_idle = false;
            self.0.more.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.waiting().is_over = true;
        self.lines.0.more.notify_one();
        if let Some(writer) = self.writer.take() {
            // It does nothing that could panic.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Counts how often it is written to.
    #[derive(Clone, Default)]
    struct Shelf(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Shelf {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut shelf = self.0.lock().unwrap();
            shelf.0.extend_from_slice(bytes);
            shelf.1 += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_arrives_once_and_in_order_and_many_in_one_write() {
        let shelf = Shelf::default();
        let (lines, flush) = writing_to(shelf.clone()).unwrap();
        for number in 0..10_000 {
            writeln!(lines.clone(), "{number}").unwrap();
        }
        drop(flush);
        let (bytes, writes) = shelf.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..10_000));
        assert!(writes < 1000, "{writes}");
    }

    #[test]
    fn who_logs_faster_than_can_be_written_waits_and_loses_nothing() {
        let shelf = Shelf::default();
        let (lines, flush) = writing_to(shelf.clone()).unwrap();
        let line = vec![b'x'; WAITING_MAX / 3];
        for _ in 0..20 {
            lines.clone().write_all(&line).unwrap();
            assert!(lines.waiting().bytes.len() <= WAITING_MAX);
        }
        drop(flush);
        assert_eq!(shelf.0.lock().unwrap().0.len(), line.len() * 20);
    }

    #[test]
    fn a_line_larger_than_all_room_is_written_too() {
        let shelf = Shelf::default();
        let (lines, flush) = writing_to(shelf.clone()).unwrap();
        lines.clone().write_all(&vec![b'x'; WAITING_MAX * 2]).unwrap();
        drop(flush);
        assert_eq!(shelf.0.lock().unwrap().0.len(), WAITING_MAX * 2);
    }
}
