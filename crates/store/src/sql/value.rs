//! What goes into a statement.

use contract::Timestamp;
use serde::Serialize;
use sqlx::{
    Arguments, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo},
    sqlite::SqliteArguments,
    types::Json,
};
use uuid::Uuid;

use super::Outcome;

/// An argument. A null knows its type too: PostgreSQL keeps a prepared statement by the types it first saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(Option<bool>),
    Int(Option<i64>),
    Float(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
    /// As text.
    Json(Option<String>),
}

/// The arguments of a statement, in the order of its placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use args;

macro_rules! values {
    ($($variant:ident: $($from:ty),+ => $into:expr;)+) => {$($(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let into: fn($from) -> _ = $into;
                Self::$variant(Some(into(value)))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map($into))
            }
        }
    )+)+};
}

values! {
    Bool: bool => |value| value;
    Int: i64 => |value| value;
    Int: i32, u8, u16, u32 => Into::into;
    Int: Timestamp => Timestamp::millis;
    Float: f64 => |value| value;
    Text: String => |value| value;
    Text: &str, &String => ToOwned::to_owned;
    Bytes: Vec<u8> => |value| value;
    Bytes: &[u8] => <[u8]>::to_vec;
    Id: Uuid => |value| value;
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

/// The JSON name of a plain enum.
pub(crate) fn name_of(value: &impl Serialize) -> Outcome<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(name) => Ok(name),
        other => Err(format!("not a plain name: {other}").into()),
    }
}

/// A value for a column of JSON.
pub(crate) fn json_of(value: &impl Serialize) -> Outcome<Value> {
    Ok(Value::Json(Some(serde_json::to_string(value)?)))
}

/// A value for a column of JSON that may be empty.
pub(crate) fn maybe_json_of<T: Serialize>(value: Option<&T>) -> Outcome<Value> {
    Ok(Value::Json(value.map(serde_json::to_string).transpose()?))
}

/// JSON as PostgreSQL takes it: `jsonb`, version 1, as text.
struct JsonText(String);

impl Type<Postgres> for JsonText {
    fn type_info() -> PgTypeInfo {
        <Json<()> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for JsonText {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(1);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

pub(crate) fn for_sqlite(values: Vec<Value>) -> Outcome<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::Float(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(keepable)),
            Value::Json(value) => arguments.add(value.map(keepable_json)),
            Value::Bytes(value) => arguments.add(value),
            Value::Id(value) => arguments.add(value),
        }?;
    }
    Ok(arguments)
}

/// PostgreSQL refuses U+0000. The API does too, but a model's or a provider's words come by another way, and a call
/// must not fail for them. The same for `SQLite`, so that a copy of one database into the other stays equal.
pub(crate) fn keepable(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}")
    } else {
        text
    }
}

/// As [`keepable`], where the character is written `\u0000` and may itself follow an escaped backslash.
pub(crate) fn keepable_json(json: String) -> String {
    if !json.contains("\\u0000") {
        return json;
    }
    let mut kept = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        let length = if escape.starts_with("\\u") { 6 } else { 2 };
        let (escape, after) = escape.split_at(length.min(escape.len()));
        kept += before;
        kept += if escape == "\\u0000" { "\\ufffd" } else { escape };
        rest = after;
    }
    kept + rest
}

pub(crate) fn for_postgres(values: Vec<Value>) -> Outcome<PgArguments> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::Float(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value.map(keepable)),
            Value::Bytes(value) => arguments.add(value),
            Value::Id(value) => arguments.add(value),
            Value::Json(value) => arguments.add(value.map(|json| JsonText(keepable_json(json)))),
        }?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_cannot_keep_becomes_the_replacement_character() {
        assert_eq!(keepable("a\0b".to_owned()), "a\u{fffd}b");
        for text in ["a\0b", "\\u0000", "\\\0", "\"\0\"\n\u{1}é", "plain"] {
            let json = serde_json::Value::from(text).to_string();
            let expected = serde_json::Value::from(keepable(text.to_owned()));
            let kept: serde_json::Value = serde_json::from_str(&keepable_json(json)).unwrap_or_default();
            assert_eq!(kept, expected, "{text:?}");
        }
    }
}
