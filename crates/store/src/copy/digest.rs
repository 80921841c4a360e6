//! One hash for the same values, whichever engine they come from.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256};
use serde_json::Value as Json;

use super::Value;
use crate::seal::hex;

/// A hash that grows value by value.
pub(super) struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    pub(super) fn add(&mut self, value: &Value) {
        let bytes: Option<Vec<u8>> = match value {
            Value::Bool(value) => value.map(|value| vec![u8::from(value)]),
            Value::Int(value) => value.map(|value| value.to_be_bytes().to_vec()),
            // Both zeros are one number.
            Value::Float(value) => value.map(|value| (value + 0.0).to_be_bytes().to_vec()),
            Value::Text(value) => value.as_ref().map(|value| value.clone().into_bytes()),
            Value::Bytes(value) => value.clone(),
            Value::Id(value) => value.map(|value| value.as_bytes().to_vec()),
            Value::Json(value) => value.as_ref().map(|text| canonical_text(text).into_bytes()),
        };
        // The length keeps neighbours apart: "ab", "c" is not "a", "bc". No value is as long as the mark of none.
        let length = bytes.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.0.update(&length.to_be_bytes());
        self.0.update(&bytes.unwrap_or_default());
    }

    pub(super) fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// JSON that was written by us, so it can be read; what can't be stands for itself.
fn canonical_text(text: &str) -> String {
    let mut out = String::new();
    match serde_json::from_str(text) {
        Ok(json) => canonical(&json, &mut out),
        Err(_) => text.clone_into(&mut out),
    }
    out
}

/// Members in the order of their names, numbers in one spelling: `jsonb` keeps neither as they were written.
fn canonical(json: &Json, out: &mut String) {
    match json {
        Json::Number(number) => out.push_str(&canonical_number(number)),
        Json::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                // Writing to a String can't fail.
                let _ = write!(out, "{}:", Json::from(name.as_str()));
                canonical(&members[name], out);
                out.push(',');
            }
            out.push('}');
        }
        Json::Null | Json::Bool(_) | Json::String(_) => {
            let _ = write!(out, "{json}");
        }
    }
}

/// `1`, `1.0` and `1e0` are one number; so are both zeros.
fn canonical_number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() => {
            // Beyond this a float no longer tells neighbouring whole numbers apart, and neither side keeps more.
            if float.fract() == 0.0 && float.abs() < 1e18 {
                format!("{}", float as i64)
            } else {
                format!("{float:e}")
            }
        }
        Some(float) if float.abs() >= 1e18 => format!("{float:e}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(values: &[Value]) -> String {
        let mut digest = Digest::default();
        for value in values {
            digest.add(value);
        }
        digest.finish()
    }

    fn json(text: &str) -> Value {
        Value::Json(Some(text.to_owned()))
    }

    #[test]
    fn json_is_the_same_in_any_order_and_spelling() {
        for [one, other] in [
            [r#"{"b":1,"a":[true,null]}"#, r#"{ "a": [true, null], "b": 1.0 }"#],
            ["1e3", "1000"],
            ["-0.0", "0"],
            ["1e300", &format!("1{}", "0".repeat(300))],
            ["1e18", "1000000000000000000"],
            ["0.1", "0.10"],
        ] {
            assert_eq!(hash(&[json(one)]), hash(&[json(other)]), "{one} {other}");
        }
    }

    #[test]
    fn what_differs_has_another_hash() {
        let text = |text: &str| Value::Text(Some(text.to_owned()));
        for [one, other] in [
            [vec![text("ab"), text("c")], vec![text("a"), text("bc")]],
            [vec![text("")], vec![Value::Text(None)]],
            [vec![json("[1,2]")], vec![json("[2,1]")]],
            [vec![json("[]")], vec![json("{}")]],
            [vec![json("9007199254740993")], vec![json("9007199254740992")]],
            [vec![Value::Int(Some(1))], vec![Value::Int(Some(2))]],
            [vec![Value::Bytes(None)], vec![Value::Bytes(Some(Vec::new()))]],
        ] {
            assert_ne!(hash(&one), hash(&other), "{one:?} {other:?}");
        }
    }
}
