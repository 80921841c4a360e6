//! The error envelope, field faults, and failures that happen outside a request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Reason, RequestId, Timestamp};

/// The body of every answer of 400 and above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorEnvelope {
    /// What went wrong.
    pub error: ErrorBody,
    /// Which request it was.
    pub meta: Meta,
}

/// What went wrong: a code for programs, a sentence for people, facts for both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// One of the nine codes.
    #[schema(example = "validation_error")]
    pub code: String,
    /// For people; may change at any time.
    pub message: String,
    /// Facts; `reason` always stands in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Map<String, Value>>,
}

/// Stands beside every answer, good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Meta {
    /// Equal to the `X-Request-Id` header and to the id on the server's log lines.
    pub request_id: RequestId,
    /// Server time of the response.
    pub ts: Timestamp,
}

/// A failure outside any request: of a call, a source, a voice or a delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LaterFailure {
    /// One of the nine codes.
    pub code: String,
    /// For people.
    pub message: String,
    /// Facts; `reason` always stands in them.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// When it happened.
    pub at: Timestamp,
}

impl LaterFailure {
    /// A failure of `reason`; `details` may add facts to it.
    pub fn new(reason: Reason, message: impl Into<String>, mut details: Map<String, Value>, at: Timestamp) -> Self {
        details.insert("reason".to_owned(), reason.name().into());
        Self {
            code: reason.code().name().to_owned(),
            message: message.into(),
            details,
            at,
        }
    }
}

/// Why a field was refused. Closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is its meaning")]
pub enum FieldReason {
    Required,
    UnknownField,
    WrongType,
    TooShort,
    TooLong,
    OutOfRange,
    InvalidFormat,
    NotAllowedValue,
    ConflictsWith,
    Duplicate,
}

impl FieldReason {
    /// As it stands in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::UnknownField => "unknown_field",
            Self::WrongType => "wrong_type",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::OutOfRange => "out_of_range",
            Self::InvalidFormat => "invalid_format",
            Self::NotAllowedValue => "not_allowed_value",
            Self::ConflictsWith => "conflicts_with",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One fault in one field of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldFault {
    /// Dotted path: `files[0].data`.
    pub field: String,
    /// RFC 6901 for a body, `?name` for a query.
    pub pointer: String,
    /// Why.
    pub reason: FieldReason,
    /// For people.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
    /// Facts about the rule: `did_you_mean`, `allowed`, bounds.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
}

impl FieldFault {
    /// A fault in the body at `pointer` (RFC 6901). Of long keys only the beginning is told.
    pub fn in_body(pointer: impl Into<String>, reason: FieldReason, message: impl Into<Cow<'static, str>>) -> Self {
        let pointer = shortened(pointer.into());
        Self {
            field: dotted(&pointer),
            pointer,
            reason,
            message: message.into(),
            params: Map::new(),
        }
    }

    /// A fault in the query parameter `name`.
    pub fn in_query(name: &str, reason: FieldReason, message: impl Into<Cow<'static, str>>) -> Self {
        let name = shortened(name.to_owned());
        Self {
            field: name.clone(),
            pointer: format!("?{name}"),
            reason,
            message: message.into(),
            params: Map::new(),
        }
    }

    /// Adds a fact about the rule.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }
}

/// Keys are the client's own, so an answer that repeated them whole could be as large as the request, many times over.
fn shortened(pointer: String) -> String {
    if pointer.len() <= KEY_CHARS_MAX {
        return pointer;
    }
    let mut out = String::with_capacity(pointer.len().min(POINTER_CHARS_MAX));
    for (index, token) in pointer.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        let mut chars = token.chars();
        out.extend(chars.by_ref().take(KEY_CHARS_MAX));
        let is_cut = chars.next().is_some();
        if is_cut {
            out.push('…');
        }
        if out.len() > POINTER_CHARS_MAX {
            out.push_str("/…");
            break;
        }
    }
    out
}

/// `/files/0/data` as `files[0].data`.
fn dotted(pointer: &str) -> String {
    // Most are a name that stands as it is.
    if let Some(name) = pointer
        .strip_prefix('/')
        .filter(|name| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()))
    {
        return name.to_owned();
    }
    let mut out = String::with_capacity(pointer.len());
    for token in pointer.split('/').skip(1) {
        let token = unescaped(token);
        if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push('[');
            out.push_str(&token);
            out.push(']');
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&token);
        }
    }
    out
}

/// A token of a pointer as the key that it stands for (RFC 6901, section 4).
pub fn unescaped(token: &str) -> Cow<'_, str> {
    if token.bytes().any(|byte| byte == b'~') {
        token.replace("~1", "/").replace("~0", "~").into()
    } else {
        token.into()
    }
}

/// A key as a token of a pointer, the other way round.
pub fn escaped(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        key.replace('~', "~0").replace('/', "~1").into()
    } else {
        key.into()
    }
}

/// Longest key told whole.
const KEY_CHARS_MAX: usize = 64;

/// Length of a pointer past which what lies deeper is left out.
const POINTER_CHARS_MAX: usize = 1024;

/// Which kind of service failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is its meaning")]
pub enum ProviderKind {
    Telephony,
    Voice,
    Stt,
    Llm,
    Tts,
    Embedding,
    Billing,
    Web,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_and_deep_pointers_are_cut() {
        let long = FieldFault::in_body(format!("/a/{}/b", "é".repeat(65)), FieldReason::Required, "");
        assert_eq!(long.pointer, format!("/a/{}…/b", "é".repeat(64)));
        assert_eq!(long.field, format!("a.{}….b", "é".repeat(64)));
        let whole = format!("/{}", "k".repeat(64));
        assert_eq!(FieldFault::in_body(&whole, FieldReason::Required, "").pointer, whole);
        let deep = FieldFault::in_body("/k".repeat(100_000), FieldReason::Required, "");
        assert!(
            deep.pointer.len() < 1100 && deep.pointer.ends_with("/k/…"),
            "{}",
            deep.pointer
        );
        let query = FieldFault::in_query(&"q".repeat(10_000), FieldReason::UnknownField, "");
        assert_eq!(query.pointer, format!("?{}…", "q".repeat(64)));
    }

    #[test]
    fn a_reason_is_named_as_it_is_written() {
        use FieldReason as R;
        for reason in [
            R::Required,
            R::UnknownField,
            R::WrongType,
            R::TooShort,
            R::TooLong,
            R::OutOfRange,
            R::InvalidFormat,
            R::NotAllowedValue,
            R::ConflictsWith,
            R::Duplicate,
        ] {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.name().into()));
        }
    }

    #[test]
    fn pointers_become_dotted_fields() {
        for (pointer, field) in [
            ("", ""),
            ("/name", "name"),
            ("/files/0/data", "files[0].data"),
            ("/a~1b/c~0", "a/b.c~"),
        ] {
            assert_eq!(dotted(pointer), field);
        }
    }
}
