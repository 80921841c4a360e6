//! A record as it was read, together with what was made of it.
//!
//! Most of what an API is asked for is what it was asked for before. Whoever reads a row again and finds it unchanged
//! may give out the same [`Snapshot`] (the store does so for agents in `SQLite`), so its text is written and hashed once and not with every answer. The row is read
//! each time all the same: nothing here can be out of date.

use std::sync::OnceLock;

use serde::Serialize;

use crate::change::etag_of_text;

/// A record as it was read.
#[derive(Debug)]
pub struct Snapshot<T> {
    record: T,
    text: OnceLock<Text>,
}

/// A record as clients see it.
#[derive(Debug)]
pub struct Text {
    /// JSON, without an envelope.
    pub json: Vec<u8>,
    /// The entity tag of that, in its quotes.
    pub etag: String,
}

impl<T> Snapshot<T> {
    /// A record that was just read.
    pub fn new(record: T) -> Self {
        Self {
            record,
            text: OnceLock::new(),
        }
    }

    /// What was read.
    pub fn record(&self) -> &T {
        &self.record
    }
}

impl<T: Serialize> Snapshot<T> {
    /// Its text, written by the first who asks. Fails as the record's own `Serialize` does.
    pub fn text(&self) -> Result<&Text, serde_json::Error> {
        if let Some(text) = self.text.get() {
            return Ok(text);
        }
        let json = serde_json::to_vec(&self.record)?;
        let etag = etag_of_text(&json);
        Ok(self.text.get_or_init(|| Text { json, etag }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::cell::Cell;

    use serde::Serializer;

    use super::*;

    struct Counted(Cell<u32>);

    impl Serialize for Counted {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_str("text")
        }
    }

    #[test]
    fn a_text_is_written_once_and_its_tag_is_that_of_any_answer_with_the_same_text() {
        let snapshot = Snapshot::new(Counted(Cell::new(0)));
        for _ in 0..3 {
            let text = snapshot.text().unwrap();
            assert_eq!(text.json, b"\"text\"");
            assert_eq!(text.etag, crate::change::etag(&"text").unwrap());
        }
        assert_eq!(snapshot.record().0.get(), 1);
    }
}
