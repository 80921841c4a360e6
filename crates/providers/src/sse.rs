//! Server-sent events, as far as chat completions use them: the `data` of each event.

/// One event may be this long.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// An event that never ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Incremental parser. Takes any cut of the bytes, all three line endings, comments and other fields.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
    begun: bool,
}

impl Events {
    /// The data of events that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut complete = Vec::new();
        for &byte in bytes {
            let line_feed_of_pair = byte == b'\n' && std::mem::take(&mut self.after_cr);
            if line_feed_of_pair {
                continue;
            }
            self.after_cr = byte == b'\r';
            if matches!(byte, b'\n' | b'\r') {
                complete.extend(self.end_line());
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(complete)
    }

    /// The data of a last event whose blank line never came.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.end_line().or_else(|| self.dispatch())
    }

    fn end_line(&mut self) -> Option<String> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let value = line
            .strip_prefix(b"data:")
            .map(|value| value.strip_prefix(b" ").unwrap_or(value));
        if let Some(value) = value {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
        }
        None
    }

    fn dispatch(&mut self) -> Option<String> {
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then(|| String::from_utf8_lossy(&data).into_owned())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\r\ndata: {\"a\":\"ü€😀\"}\r\n\r\nevent: x\rid: 1\rdata:two\rdata: lines\r\rdata: [DONE]\n\ndata: last";

    #[test]
    fn events_come_out_the_same_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let mut found: Vec<String> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| events.push(chunk).unwrap())
                .collect();
            found.extend(events.finish());
            assert_eq!(
                found,
                ["{\"a\":\"ü€😀\"}", "two\nlines", "[DONE]", "last"],
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut events = Events::default();
        let piece = vec![b'x'; 64 * 1024];
        assert!((0..17).any(|_| events.push(&piece).is_err()));
    }
}
