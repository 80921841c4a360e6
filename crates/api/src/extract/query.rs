//! The query string, checked against a schema like a body is.

use axum::extract::FromRequestParts;
use contract::{FieldFault, FieldReason, Reason};
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    App, Problem,
    schema::{self, Place, Shape},
};

/// Query parameters of type `T`.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<T: ToSchema + DeserializeOwned + 'static> FromRequestParts<App> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        let pairs = decode(parts.uri.query().unwrap_or_default())?;
        let shape = Shape::of::<T>();
        let (mut object, mut faults) = (Map::new(), Vec::new());
        for (name, text) in pairs {
            let value = typed(text, shape.type_of(&name));
            if object.contains_key(&name) {
                faults.push(FieldFault::in_body(
                    format!("/{name}"),
                    FieldReason::Duplicate,
                    "This parameter stands twice.",
                ));
            }
            object.insert(name, value);
        }
        faults.extend(page_fault(&object).filter(|_| shape.type_of("cursor").is_some()));
        schema::read(Value::Object(object), faults, Place::Query, |_| Vec::new())
            .map(Self)
            .map_err(|faults| Problem::invalid(faults.all))
    }
}

/// A page begins behind another one or so many things in, not both.
fn page_fault(query: &Map<String, Value>) -> Option<FieldFault> {
    let skips = query
        .get("offset")
        .and_then(Value::as_i64)
        .is_some_and(|offset| offset > 0);
    (skips && query.contains_key("cursor")).then(|| {
        let message = "An offset and a cursor do not go together.";
        FieldFault::in_body("/offset", FieldReason::ConflictsWith, message).with("field", "cursor")
    })
}

/// The text as what the schema expects; text that isn't that stays text, and the schema refuses it.
fn typed(text: String, expected: Option<&str>) -> Value {
    let read = match expected {
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("number") => text.parse::<f64>().ok().map(Value::from),
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    read.unwrap_or(Value::String(text))
}

/// Names and values in their order.
pub(crate) fn decode(query: &str) -> Result<Vec<(String, String)>, Problem> {
    pairs(query).ok_or_else(|| {
        Problem::new(Reason::MalformedQuery, "The query string can't be decoded.")
            .with("expected", "percent-encoded UTF-8")
    })
}

/// `None` when an escape is cut or the text is not UTF-8.
fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name)?, unescape(value)?))
        })
        .collect()
}

/// A part of a query string as text; `None` when an escape is cut or the text is not UTF-8.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
                (digits[0]? * 16 + digits[1]?) as u8
            }
            plain => plain,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_decode_or_are_refused_whole() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            pairs("a=1&b=%C3%A9+x&c"),
            Some(vec![pair("a", "1"), pair("b", "é x"), pair("c", "")])
        );
        assert_eq!(pairs(""), Some(Vec::new()));
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%80=1"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }
}
