//! Formats of strings that schemas name and JSON Schema does not know. Where use cases have a rule too, it is theirs.

use domain::rules;

/// A format: its name in schemas, what to tell people, and the check.
type Format = (&'static str, &'static str, fn(&str) -> bool);

/// All that our schemas use.
pub(crate) const ALL: &[Format] = &[
    (
        "e164",
        "This must be a phone number with its country code, such as +14155550100 (E.164).",
        is_e164,
    ),
    (
        "duration-text",
        "This must be a duration such as \"300ms\", \"30s\", \"5m\" or \"1h\".",
        is_duration,
    ),
    (
        "date-time",
        "This must be a time such as 2026-02-04T12:00:00Z (RFC 3339).",
        is_date_time,
    ),
    (
        "bcp47",
        "This must be a language tag such as en or en-US (BCP 47).",
        rules::bcp47,
    ),
    (
        "sip-uri",
        "This must be a SIP URI such as sip:alice@192.0.2.4:5060.",
        rules::sip_uri,
    ),
    ("uuid", "This must be an id (a UUID).", is_uuid),
];

/// What to tell people about a value that is not of this format.
pub(crate) fn sentence(format: &str) -> String {
    let known = ALL.iter().find(|(name, ..)| *name == format);
    known.map_or_else(
        || format!("This must be of the form {format}."),
        |(_, sentence, _)| (*sentence).to_owned(),
    )
}

/// The form only; use cases ask the phone-number library whether such a number can exist.
fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        let fits = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
        fits && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_duration(text: &str) -> bool {
    text.parse::<contract::Span>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_take_what_they_should_and_nothing_else() {
        for (check, good, bad) in [
            (
                is_e164 as fn(&str) -> bool,
                &["+14155550100", "+4915112345678"][..],
                &[
                    "14155550100",
                    "+0123456",
                    "+1",
                    "+1234567890123456",
                    "+1 415",
                    "+٣٤٥٦٧٨٩",
                ][..],
            ),
            (is_date_time, &["2026-02-04T12:00:00Z"], &["2026-02-04", "soon"]),
            (is_duration, &["30s", "1h"], &["30", "1d"]),
        ] {
            for text in good {
                assert!(check(text), "{text}");
            }
            for text in bad {
                assert!(!check(text), "{text}");
            }
        }
    }
}
