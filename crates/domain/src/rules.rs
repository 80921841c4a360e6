//! Rules of form that several use cases share: ids, phone numbers, languages, durations, hosts, networks, templates.
//!
//! What a JSON schema states is not repeated here.

use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contract::{FieldFault, FieldReason, Greeting, Span};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::Error;

mod network;
mod template;

pub(crate) use network::networks;
pub use network::{Cidr, NotANetwork, host, sip_uri};
pub use template::{TemplateFault, fill, template_variables};

/// Shortest and longest of ordinary durations.
const DURATION_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// An id of the path: what can't be read names nothing.
pub fn id_in_path<T: FromStr>(resource: &'static str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::not_found(resource, id))
}

/// An id of the body at `pointer`: what can't be read names nothing.
pub fn id_in_body<T: FromStr>(resource: &'static str, id: &str, pointer: &'static str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::not_found_in(resource, id, pointer))
}

/// Nothing wrong, or all of it at once.
pub fn checked(faults: Vec<FieldFault>) -> Result<(), Error> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(faults))
    }
}

/// A phone number as E.164 writes it: `+`, country code, national number, digits only. `None` for anything else,
/// also for numbers whose country or length can't exist.
pub fn e164(text: &str) -> Option<String> {
    phone(text).map(|phone| phone.number)
}

/// A phone number that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// E.164.
    pub number: String,
    /// ISO 3166-1 alpha-2, where the number tells.
    pub country: Option<String>,
}

/// Numbers that are remembered.
const PHONES_MAX: usize = 16;

/// Reads an E.164 number and finds its country.
pub fn phone(text: &str) -> Option<Phone> {
    // A number is read several times on the way of its request, and a reading takes as long as all else of a small one.
    static LAST: Mutex<VecDeque<(String, Option<Phone>)>> = Mutex::new(VecDeque::new());
    let digits = text.strip_prefix('+')?;
    // The library also reads spaces, letters, extensions and RFC 3966; a strict API takes one way of writing.
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, known)) = last().iter().find(|(known, _)| known == text) {
        return known.clone();
    }
    let phone = phone_by_library(text);
    let mut last = last();
    last.truncate(PHONES_MAX - 1);
    last.push_front((text.to_owned(), phone.clone()));
    phone
}

fn phone_by_library(text: &str) -> Option<Phone> {
    let number = phonenumber::parse(None, text).ok()?;
    if !number.is_valid() {
        return None;
    }
    let country = number.country().id().map(|id| id.as_ref().to_owned());
    Some(Phone {
        number: number.format().mode(phonenumber::Mode::E164).to_string(),
        country,
    })
}

/// The fault of a duration outside `min..=max`.
pub fn duration_within(pointer: &str, span: Span, min: Duration, max: Duration) -> Option<FieldFault> {
    if (min..=max).contains(&span.duration()) {
        return None;
    }
    let (min, max) = (
        Span::millis(min.as_millis() as u64),
        Span::millis(max.as_millis() as u64),
    );
    let message = format!("Must be between {min} and {max}.");
    Some(
        FieldFault::in_body(pointer, FieldReason::OutOfRange, message)
            .with("min", min.to_string())
            .with("max", max.to_string()),
    )
}

/// The fault of a duration outside 1 s to 24 h.
pub fn duration_in(pointer: &str, span: Span) -> Option<FieldFault> {
    duration_within(pointer, span, DURATION_RANGE.0, DURATION_RANGE.1)
}

/// The faults of a greeting at `pointer`: `text` or `prompt`, not both, and templates that can be read.
pub fn greeting(pointer: &str, greeting: &Greeting) -> Vec<FieldFault> {
    let (text, prompt) = (format!("{pointer}/text"), format!("{pointer}/prompt"));
    let mut faults = Vec::new();
    match (&greeting.text, &greeting.prompt) {
        (Some(_), Some(_)) => faults.push(
            FieldFault::in_body(
                &prompt,
                FieldReason::ConflictsWith,
                "Give a text or a prompt, not both.",
            )
            .with("field", "text"),
        ),
        (None, None) => faults.push(FieldFault::in_body(
            &text,
            FieldReason::Required,
            "Give a text or a prompt.",
        )),
        _ => {}
    }
    faults.extend(greeting.text.as_deref().and_then(|words| template(&text, words)));
    faults.extend(greeting.prompt.as_deref().and_then(|words| template(&prompt, words)));
    faults
}

/// The fault of a text whose `{{variables}}` can't be read.
pub fn template(pointer: &str, text: &str) -> Option<FieldFault> {
    let fault = template_variables(text).err()?;
    Some(FieldFault::in_body(
        pointer,
        FieldReason::InvalidFormat,
        fault.to_string(),
    ))
}

/// Whether the text is a well-formed language tag (RFC 5646). Not whether its parts are registered.
pub fn bcp47(text: &str) -> bool {
    if text.len() > 64 || !text.is_ascii() {
        return false;
    }
    let tags: Vec<&str> = text.split('-').collect();
    let alpha = |tag: &str, len: usize| tag.len() == len && tag.bytes().all(|byte| byte.is_ascii_alphabetic());
    if tags[0].eq_ignore_ascii_case("x") {
        return private_use(&tags[1..]);
    }
    if !(2..=8).any(|len| alpha(tags[0], len)) {
        return false;
    }
    let mut rest = &tags[1..];
    if tags[0].len() <= 3 {
        let extended = rest.iter().take(3).take_while(|tag| alpha(tag, 3)).count();
        rest = &rest[extended..];
    }
    if rest.first().is_some_and(|tag| alpha(tag, 4)) {
        rest = &rest[1..];
    }
    let digits = |tag: &str| tag.len() == 3 && tag.bytes().all(|byte| byte.is_ascii_digit());
    if rest.first().is_some_and(|tag| alpha(tag, 2) || digits(tag)) {
        rest = &rest[1..];
    }
    variants_and_extensions(rest)
}

fn variants_and_extensions(tags: &[&str]) -> bool {
    let mut seen: Vec<String> = Vec::new();
    let mut rest = tags;
    while let Some(tag) = rest.first() {
        let variant = (5..=8).contains(&tag.len()) || (tag.len() == 4 && tag.as_bytes()[0].is_ascii_digit());
        if !variant || !alphanumeric(tag) {
            break;
        }
        seen.push(tag.to_ascii_lowercase());
        rest = &rest[1..];
    }
    while let Some(singleton) = rest.first() {
        if singleton.len() != 1 || !alphanumeric(singleton) {
            return false;
        }
        if singleton.eq_ignore_ascii_case("x") {
            return private_use(&rest[1..]) && distinct(seen);
        }
        let count = rest[1..]
            .iter()
            .take_while(|tag| (2..=8).contains(&tag.len()) && alphanumeric(tag))
            .count();
        if count == 0 {
            return false;
        }
        seen.push(singleton.to_ascii_lowercase());
        rest = &rest[1 + count..];
    }
    distinct(seen)
}

fn private_use(tags: &[&str]) -> bool {
    !tags.is_empty() && tags.iter().all(|tag| (1..=8).contains(&tag.len()) && alphanumeric(tag))
}

fn alphanumeric(tag: &str) -> bool {
    tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn distinct(mut tags: Vec<String>) -> bool {
    tags.sort_unstable();
    tags.windows(2).all(|pair| pair[0] != pair[1])
}

/// Lays a change over what is there: what the change names replaces, `null` clears to the default.
pub(crate) fn overlay<T: Serialize + DeserializeOwned>(present: &T, change: &impl Serialize) -> Result<T, Error> {
    let broken = |error| Error::internal("overlay a change", error);
    let mut merged = object(present).map_err(broken)?;
    for (name, value) in object(change).map_err(broken)? {
        if value.is_null() {
            merged.remove(&name);
        } else {
            merged.insert(name, value);
        }
    }
    serde_json::from_value(Value::Object(merged)).map_err(broken)
}

/// The fields of a value as JSON has them.
pub(crate) fn object(value: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn phone_numbers_are_taken_in_one_way_of_writing_only() {
        for (text, country) in [
            ("+14155550100", "US"),
            ("+442079460000", "GB"),
            ("+4930123456", "DE"),
            ("+33142685300", "FR"),
        ] {
            let phone = phone(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((phone.number.as_str(), phone.country.as_deref()), (text, Some(country)));
        }
        for text in [
            "",
            "+",
            "14155550100",
            "+1 415 555 0100",
            "+1415555010a",
            "+999123456789",
            "+1415",
            "tel:+14155550100",
            "+14155550100;ext=1",
            "+1415555010０",
            "+00000000000",
            "+1415555010012345",
        ] {
            assert_eq!(e164(text), None, "{text}");
        }
    }

    #[test]
    fn language_tags_follow_rfc_5646() {
        for good in [
            "en",
            "en-US",
            "de-DE-1996",
            "zh-Hant-TW",
            "es-419",
            "sl-rozaj-biske",
            "x-whatever",
            "en-a-bbb-x-a",
            "gsw",
        ] {
            assert!(bcp47(good), "{good}");
        }
        for bad in [
            "",
            "e",
            "en_US",
            "en-",
            "-en",
            "english-language-x",
            "en-US-US",
            "en-a",
            "x",
            "en-rozaj-rozaj",
            "日本",
            "1n",
        ] {
            assert!(!bcp47(bad), "{bad}");
        }
    }

    #[test]
    fn durations_at_the_bounds_are_in_range_and_beyond_them_are_not() {
        for (text, fine) in [
            ("1s", true),
            ("999ms", false),
            ("24h", true),
            ("1441m", false),
            ("0s", false),
        ] {
            assert_eq!(
                duration_in("/max_duration", text.parse().unwrap()).is_none(),
                fine,
                "{text}"
            );
        }
    }

    #[test]
    fn a_greeting_is_a_text_or_a_prompt() {
        let both = Greeting {
            text: Some("a".into()),
            prompt: Some("b".into()),
            interruptible: true,
        };
        assert_eq!(greeting("/greeting", &both)[0].reason, FieldReason::ConflictsWith);
        let neither = Greeting::default();
        assert_eq!(greeting("/greeting", &neither)[0].pointer, "/greeting/text");
        let unclosed = Greeting {
            text: Some("Hi {{name".into()),
            ..Greeting::default()
        };
        assert_eq!(greeting("/greeting", &unclosed)[0].reason, FieldReason::InvalidFormat);
    }
}
