//! Formats of strings that schemas name and JSON Schema does not know.

use std::net::Ipv6Addr;

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
        is_language,
    ),
    (
        "sip-uri",
        "This must be a SIP URI such as sip:alice@192.0.2.4:5060.",
        is_sip_uri,
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

/// `language[-script][-region][-variant]`, by form (RFC 5646 section 2.1, without extensions).
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_alpha = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let rest: Vec<_> = parts.collect();
    (2..=3).contains(&language.len())
        && is_alpha(language)
        && rest.len() <= 4
        && rest.iter().all(|part| (2..=8).contains(&part.len()) && is_plain(part))
}

/// `sip:[user@]host[:port][;parameters]`, without control characters that could break a SIP message.
fn is_sip_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("sip:") else {
        return false;
    };
    if !rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{}|".contains(&byte))
    {
        return false;
    }
    let (user, address) = rest
        .rsplit_once('@')
        .map_or((None, rest), |(user, address)| (Some(user), address));
    let address = address.split([';', '?']).next().unwrap_or_default();
    user.is_none_or(|user| !user.is_empty() && !user.contains('@')) && is_host_and_port(address)
}

fn is_host_and_port(address: &str) -> bool {
    if let Some(rest) = address.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return false;
        };
        return host.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = address
        .split_once(':')
        .map_or((address, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
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
            (
                is_language,
                &["en", "en-US", "zh-Hant-TW", "de-1996"],
                &["", "e", "english", "en_US", "en-", "en-US-"],
            ),
            (
                is_sip_uri,
                &[
                    "sip:a@b",
                    "sip:192.0.2.4:5060",
                    "sip:a@[::1]:5060;transport=tcp",
                    "sip:+1@host.example",
                ],
                &[
                    "sip:",
                    "a@b",
                    "sip:@b",
                    "sip:a@",
                    "sip:a@b:0",
                    "sip:a@b\r\nX: y",
                    "sip:a@[::1",
                    "sip:a@b c",
                ],
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
