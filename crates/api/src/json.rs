//! JSON read strictly: a key that stands twice is a fault, as is U+0000, and nesting has a limit.

pub(crate) mod write;

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use contract::{FieldFault, FieldReason, escaped};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deeper JSON than any request needs.
const DEPTH_MAX: usize = 32;

/// Faults noted; more say nothing new.
const FAULTS_MAX: usize = 100;

/// Most entries of one array or object, and most values in all. More than any request needs: and a checker of schemas
/// notes every fault of every value before it tells the first.
const ENTRIES_MAX: usize = 10_000;
const VALUES_MAX: usize = 20_000;

/// The text is not JSON that we read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// From 1.
    pub(crate) line: usize,
    /// From 1.
    pub(crate) column: usize,
    /// For people; never holds more of the input than the parser's own words.
    pub(crate) message: String,
}

/// The value, and a fault for each key that stands twice and each text that nobody can keep.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, Vec<FieldFault>), Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(&bytes[..error.valid_up_to()]);
        Malformed {
            line,
            column,
            message: "The body is not valid UTF-8.".to_owned(),
        }
    })?;
    if text.bytes().all(|byte| b" \t\r\n".contains(&byte)) {
        let (line, column) = position(bytes);
        return Err(Malformed {
            line,
            column,
            message: "The request needs a JSON body, and has none.".to_owned(),
        });
    }
    let (faults, values) = (RefCell::new(Vec::new()), Cell::new(0));
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Strict {
        place: None,
        faults: &faults,
        values: &values,
    };
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, faults.into_inner())),
        Err(error) => Err(malformed(&error)),
    }
}

/// Whether something was left out of the value because it holds too much; of what is left nothing is worth saying.
pub(crate) fn is_cut(faults: &[FieldFault]) -> bool {
    faults.iter().any(|fault| fault.reason == FieldReason::TooLong)
}

fn malformed(error: &serde_json::Error) -> Malformed {
    let (line, column) = (error.line().max(1), error.column().max(1));
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    Malformed {
        line,
        column,
        message: format!("The body is not valid JSON: {said}."),
    }
}

fn position(before: &[u8]) -> (usize, usize) {
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

/// Where a value stands: linked to what holds it, and written out only for a fault.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    token: Token<'a>,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        let mut tokens = Vec::with_capacity(self.depth);
        let mut next = Some(self);
        while let Some(place) = next {
            tokens.push(match place.token {
                Token::Key(key) => format!("/{}", escaped(key)),
                Token::Index(index) => format!("/{index}"),
            });
            next = place.parent;
        }
        tokens.reverse();
        tokens.concat()
    }
}

struct Strict<'a> {
    place: Option<&'a Place<'a>>,
    faults: &'a RefCell<Vec<FieldFault>>,
    /// Read so far.
    values: &'a Cell<usize>,
}

impl<'a> Strict<'a> {
    fn below<'b, E: serde::de::Error>(&self, token: Token<'b>) -> Result<Place<'b>, E>
    where
        'a: 'b,
    {
        let depth = self.place.map_or(0, |place| place.depth);
        if depth == DEPTH_MAX {
            return Err(E::custom(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(Place {
            parent: self.place,
            token,
            depth: depth + 1,
        })
    }

    fn at<'b>(&self, place: &'b Place<'b>) -> Strict<'b>
    where
        'a: 'b,
    {
        Strict {
            place: Some(place),
            faults: self.faults,
            values: self.values,
        }
    }

    /// Whether a container with so many entries takes no more.
    fn is_full(&self, entries: usize) -> bool {
        entries == ENTRIES_MAX || self.values.get() >= VALUES_MAX
    }

    /// Tells, whatever else was told, that a container with so many entries has more than it may.
    fn too_long(&self, entries: usize) {
        let (place, what, max) = match entries {
            ENTRIES_MAX => (self.place, "entries", ENTRIES_MAX),
            _ => (None, "values in all", VALUES_MAX),
        };
        let mut faults = self.faults.borrow_mut();
        if place.is_none() && is_cut(&faults) {
            return;
        }
        let pointer = place.map(Place::pointer).unwrap_or_default();
        let fault = FieldFault::in_body(
            &pointer,
            FieldReason::TooLong,
            format!("Must have at most {max} {what}."),
        );
        faults.push(fault.with("max", max));
    }

    fn fault(&self, place: Option<&Place<'_>>, reason: FieldReason, message: &'static str) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX {
            let pointer = place.map(Place::pointer).unwrap_or_default();
            faults.push(FieldFault::in_body(pointer, reason, message));
        }
    }

    /// `PostgreSQL` can't keep U+0000, in text or in JSON, so nobody may send it.
    fn text(&self, place: Option<&Place<'_>>, text: &str) {
        if text.contains('\0') {
            self.fault(
                place,
                FieldReason::InvalidFormat,
                "Text can't hold the character U+0000.",
            );
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        self.text(self.place, value);
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        self.text(self.place, &value);
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let place = self.below(Token::Index(items.len()))?;
            if self.is_full(items.len()) {
                if access.next_element::<IgnoredAny>()?.is_some() {
                    self.too_long(items.len());
                    while access.next_element::<IgnoredAny>()?.is_some() {}
                }
                return Ok(Value::Array(items));
            }
            match access.next_element_seed(self.at(&place))? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        loop {
            if self.is_full(object.len()) {
                if access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    self.too_long(object.len());
                    while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                }
                return Ok(Value::Object(object));
            }
            let Some(key) = access.next_key::<String>()? else {
                return Ok(Value::Object(object));
            };
            let place = self.below::<A::Error>(Token::Key(&key))?;
            self.text(Some(&place), &key);
            let value = access.next_value_seed(self.at(&place)).map_err(A::Error::custom)?;
            if object.contains_key(&key) {
                let message = "This key stands twice in the same object.";
                self.fault(Some(&place), FieldReason::Duplicate, message);
            }
            object.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_a_fault_at_its_pointer() {
        let (_, faults) = read(br#"{"a":{"b/c":1,"b/c":2},"l":[{"x":1,"x":1}]}"#).unwrap();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/b~1c", "/l/0/x"]);
    }

    #[test]
    fn long_keys_are_cut_where_a_fault_names_them() {
        let long = "k".repeat(400_000);
        let text = format!("{{\"{long}\":[{}]}}", vec![r#"{"x":1,"x":1}"#; 5_000].join(","));
        let (_, faults) = read(text.as_bytes()).unwrap();
        assert_eq!(faults.len(), FAULTS_MAX);
        let told: usize = faults.iter().map(|fault| fault.pointer.len() + fault.field.len()).sum();
        assert!(told < FAULTS_MAX * 200, "{told}");
    }

    #[test]
    fn what_holds_more_than_any_request_needs_is_cut_and_told_once() {
        let many = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        let entries: Vec<_> = (0..=ENTRIES_MAX).map(|number| format!("\"{number}\":1")).collect();
        for (text, pointer) in [
            (format!("{{\"l\":{}}}", many("{}", 350_000)), "/l"),
            (format!("{{\"l\":{}}}", many("1", ENTRIES_MAX + 1)), "/l"),
            (format!("{{\"o\":{{{}}}}}", entries.join(",")), "/o"),
            (many(&many("[[]]", 200), 200), ""),
        ] {
            let (value, faults) = read(text.as_bytes()).unwrap();
            assert!(is_cut(&faults));
            let told: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(told, [pointer]);
            assert!(value.to_string().len() < 400_000);
        }
        let (value, faults) = read(many("1", ENTRIES_MAX).as_bytes()).unwrap();
        assert_eq!((value.as_array().unwrap().len(), faults.len()), (ENTRIES_MAX, 0));
        assert!(read(many("[", 20_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_json_says_where() {
        for (text, line, column) in [
            (&b"{"[..], 1, 1),
            (b"{\n  \"a\": x\n}", 2, 8),
            (b"", 1, 1),
            (b"{} x", 1, 4),
            (b"{\n\"a\": \"\xff\"}", 2, 7),
            (b"[1e999]", 1, 6),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.line, fault.column), (line, column), "{fault:?}");
        }
    }

    #[test]
    fn no_body_is_not_told_as_one_that_ended_early() {
        for (text, is_none) in [("", true), (" \r\n", true), ("{", false)] {
            let said = read(text.as_bytes()).unwrap_err().message;
            assert_eq!(
                said == "The request needs a JSON body, and has none.",
                is_none,
                "{text:?}: {said}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_it_costs_a_stack() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert!(read(&deep(DEPTH_MAX)).is_ok());
        assert!(
            read(&deep(DEPTH_MAX + 1))
                .unwrap_err()
                .message
                .contains("nested deeper")
        );
        assert!(read(&deep(100_000)).is_err());
    }

    #[test]
    fn values_come_out_as_serde_json_reads_them() {
        let text = br#"{"a":[1,-2,0.5,true,null,"\u00e9"],"b":{}}"#;
        assert_eq!(read(text).unwrap().0, serde_json::from_slice::<Value>(text).unwrap());
    }
}
