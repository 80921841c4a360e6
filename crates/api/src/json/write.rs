//! JSON as `serde_json` writes it, for the bodies of errors, which are mostly text that holds nothing to escape: it is
//! looked through as a whole and not byte by byte.

use contract::FieldFault;
use serde_json::{Map, Value};

pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that many bytes are looked at together.
    let escapes = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    if text.bytes().fold(0, |any, byte| any | escapes(byte)) > 0 {
        written_by_library(out, text);
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
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
        Value::Null | Value::Bool(_) | Value::Number(_) => written_by_library(out, value),
    }
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
        out.push(b'{');
        for (field, held) in [("field", &fault.field), ("pointer", &fault.pointer)] {
            name(out, field);
            text(out, held);
        }
        name(out, "reason");
        written_by_library(out, &fault.reason);
        name(out, "message");
        text(out, &fault.message);
        if !fault.params.is_empty() {
            name(out, "params");
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
