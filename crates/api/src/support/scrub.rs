//! Takes out of a text what nobody may read later: phone numbers, keys, tokens, passwords in addresses.
//!
//! Our own sentences hold none. Causes come from other libraries too, which quote what they were given.

/// Stands where something was taken out.
const HIDDEN: &str = "(hidden)";
/// Digits after a `+` from which on they are a phone number.
const PHONE_DIGITS_MIN: usize = 7;
/// Characters in a row, without anything that words have between them, from which on they are a secret.
const SECRET_CHARS_MIN: usize = 24;

/// `text` without what looks like a phone number, a key, a token, or a password.
pub(crate) fn scrubbed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|next: char| !is_of_word(next)).unwrap_or(rest.len());
        if word_end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(word_end);
        out.push_str(&shown(word));
        rest = after;
    }
    out
}

fn is_of_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '_' | '-' | '.' | '@' | ':' | '/' | '=' | '~' | '%')
}

fn shown(word: &str) -> String {
    if let Some(plain) = without_password(word) {
        return plain;
    }
    let digits = word.split(|char: char| !char.is_ascii_digit()).map(str::len).max();
    let is_dialled = ["+", "sip:", "sips:", "tel:"].iter().any(|mark| word.contains(mark));
    if is_dialled && digits >= Some(PHONE_DIGITS_MIN) || word.contains("sip:") && word.contains('@') {
        return HIDDEN.to_owned();
    }
    if is_secret(word) {
        HIDDEN.to_owned()
    } else {
        word.to_owned()
    }
}

/// `scheme://user:password@host` as `scheme://(hidden)@host`.
fn without_password(word: &str) -> Option<String> {
    let (scheme, rest) = word.split_once("://")?;
    let (userinfo, host) = rest.rsplit_once('@')?;
    (!userinfo.is_empty()).then(|| format!("{scheme}://{HIDDEN}@{host}"))
}

fn is_secret(word: &str) -> bool {
    let is_marked = ["cw_", "sk-", "sk_", "rk_", "whsec_"]
        .iter()
        .any(|mark| word.find(mark).is_some_and(|at| word.len() - at >= mark.len() + 12));
    let is_token = word.starts_with("eyJ") && word.len() >= SECRET_CHARS_MIN;
    let runs = word.split(|char: char| !char.is_ascii_alphanumeric());
    let is_random = runs.into_iter().any(|run| {
        let has = |kind: fn(&char) -> bool| run.chars().any(|char| kind(&char));
        run.len() >= SECRET_CHARS_MIN
            && has(char::is_ascii_digit)
            && has(char::is_ascii_lowercase)
            && has(char::is_ascii_uppercase)
    });
    is_marked || is_token || is_random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keys_tokens_and_passwords_are_taken_out() {
        for (text, expected) in [
            ("dial +14155550123 failed", "dial (hidden) failed"),
            ("INVITE sip:4155550123@192.0.2.1:5060", "INVITE (hidden)"),
            ("to <sip:alice@192.0.2.77>", "to <(hidden)>"),
            ("key cw_0123456789abcdefghijkl refused", "key (hidden) refused"),
            ("Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "Bearer (hidden)"),
            (
                "connect postgres://root:hunter2@db:5432/cw",
                "connect postgres://(hidden)@db:5432/cw",
            ),
            ("token=\"aB3dE5gH7jK9mN1pQ3sT5vW7\"", "token=\"(hidden)\""),
        ] {
            assert_eq!(scrubbed(text), expected);
        }
    }

    #[test]
    fn what_helps_stays() {
        for text in [
            "store: agent_create: (code: 5) database is locked",
            "call 019a3b5e-7c00-7000-8000-000000000001 on 192.0.2.4:5060: timed out after 2.5s",
            "http://127.0.0.1:8000/v1/audio/transcriptions answered 503",
            "Größe: 1048576 bytes",
            "",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }
}
