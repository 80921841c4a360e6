//! JSON as `serde_json` writes it, for the bodies of errors, which are mostly text that holds nothing to escape: it is
//! looked through as a whole and not byte by byte.

use contract::FieldFault;
use serde_json::{Map, Value};

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    if has_escapes(text.as_bytes()) {
        written_by_library(out, text);
    } else {
        quoted(out, text);
    }
}

/// A name of our own, which has nothing to escape in it.
pub(crate) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether any of these has to be escaped: controls, quotes and backslashes (RFC 8259, section 7).
fn has_escapes(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().any(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'));
    };
    // The last eight bytes may have been looked at in part.
    let (words, _) = bytes.as_chunks();
    let of = |word: &[u8; 8]| escapes(u64::from_ne_bytes(*word));
    words.iter().fold(of(last), |any, word| any | of(word)) != 0
}

/// Not zero where one of eight bytes has to be escaped, by the usual way to find a small byte in a word: what is taken
/// away from it is borrowed from its highest bit. A borrow that goes on to the next byte comes from one that counts.
const fn escapes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES * 0x80;
    let controls = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    (controls | quotes | backslashes) & HIGHEST
}

/// The name of a field and its colon, after a comma where it is not the first.
pub(crate) fn name(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    text(out, name);
    out.push(b':');
}

pub(crate) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(string) => text(out, string),
        Value::Array(items) => list(out, items, self::value),
        Value::Object(fields) => object(out, fields),
        Value::Number(held) => match held.as_u64() {
            Some(whole) => number(out, whole),
            None => written_by_library(out, held),
        },
        Value::Null | Value::Bool(_) => written_by_library(out, value),
    }
}

pub(crate) fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(crate) fn object(out: &mut Vec<u8>, fields: &Map<String, Value>) {
    out.push(b'{');
    for (field, held) in fields {
        name(out, field);
        value(out, held);
    }
    out.push(b'}');
}

pub(crate) fn faults(out: &mut Vec<u8>, faults: &[FieldFault]) {
    list(out, faults, |out, fault| {
        out.extend_from_slice(b"{\"field\":");
        text(out, &fault.field);
        out.extend_from_slice(b",\"pointer\":");
        text(out, &fault.pointer);
        out.extend_from_slice(b",\"reason\":");
        quoted(out, fault.reason.name());
        out.extend_from_slice(b",\"message\":");
        text(out, &fault.message);
        if !fault.params.is_empty() {
            out.extend_from_slice(b",\"params\":");
            object(out, &fault.params);
        }
        out.push(b'}');
    });
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn written_by_library(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // A Vec takes whatever is written, and texts and numbers always have a JSON form.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use contract::FieldReason;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_the_library_writes_them() {
        let all = (0..=0x11_0000).filter_map(char::from_u32).collect::<String>();
        for held in [
            json!({}),
            json!([]),
            json!({"": {"{": [[], {}, null, true, -1, 1.5, u64::MAX, "{"]}, "a\"b": "c\\d\n\u{0}\u{7f}é"}),
            json!([all]),
            // Each character at each place of a word, and in shorter texts.
            Value::Array(
                (0..0x100)
                    .filter_map(char::from_u32)
                    .flat_map(|char| (0..40).map(move |at| format!("{0:.<1$}{char}{0:.<2$}", "", at % 10, at / 10 * 3)))
                    .map(Value::from)
                    .collect(),
            ),
        ] {
            let mut out = Vec::new();
            value(&mut out, &held);
            assert_eq!(out, serde_json::to_vec(&held).unwrap());
        }
    }

    #[test]
    fn faults_are_written_as_their_type_is() {
        let all = [
            FieldFault::in_body("/a/0/\"b", FieldReason::TooLong, "Must \\ be {").with("max", 1),
            FieldFault::in_query("name", FieldReason::UnknownField, ""),
        ];
        for some in [&all[..], &all[..1], &[]] {
            let mut out = Vec::new();
            faults(&mut out, some);
            assert_eq!(out, serde_json::to_vec(some).unwrap());
        }
    }
}
