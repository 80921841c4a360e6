//! Corrections to the engine's reading and writing of digest headers.
//!
//! The engine spells RFC 8760's `SHA-256` as `SHA256`, and it fails on a list such as `qop="auth,auth-int"`
//! or on an algorithm it doesn't know. Both directions are put right here, before and after it.

use rsipstack::{
    sip::{Header, Headers, SipMessage, headers},
    transaction::endpoint::MessageInspector,
    transport::SipAddr,
};

/// Rewrites challenges on the way in and credentials on the way out.
pub(crate) struct DigestSpelling;

impl MessageInspector for DigestSpelling {
    fn before_send(&self, message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        let SipMessage::Request(mut request) = message else {
            return message;
        };
        for header in request.headers.iter_mut() {
            match header {
                Header::Authorization(value) => *value = headers::Authorization::new(outgoing(value.value())),
                Header::ProxyAuthorization(value) => *value = headers::ProxyAuthorization::new(outgoing(value.value())),
                _ => {}
            }
        }
        SipMessage::Request(request)
    }

    fn after_received(&self, message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        let SipMessage::Response(mut response) = message else {
            return message;
        };
        repair_challenges(&mut response.headers);
        SipMessage::Response(response)
    }
}

fn repair_challenges(headers: &mut Headers) {
    headers.retain(|header| match header {
        Header::WwwAuthenticate(value) => is_known(value.value()),
        Header::ProxyAuthenticate(value) => is_known(value.value()),
        _ => true,
    });
    for header in headers.iter_mut() {
        match header {
            Header::WwwAuthenticate(value) => *value = headers::WwwAuthenticate::new(incoming(value.value())),
            Header::ProxyAuthenticate(value) => *value = headers::ProxyAuthenticate::new(incoming(value.value())),
            _ => {}
        }
    }
}

/// Whether the engine can answer this challenge at all.
fn is_known(challenge: &str) -> bool {
    let lower = challenge.to_ascii_lowercase();
    if !lower.trim_start().starts_with("digest") {
        return false;
    }
    let Some((_, rest)) = lower.split_once("algorithm") else {
        return true;
    };
    let name = rest.trim_start_matches(|c: char| c == '=' || c == '"' || c.is_whitespace());
    let name: String = name
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    matches!(name.as_str(), "md5" | "sha-256" | "sha256")
}

fn incoming(challenge: &str) -> String {
    replace_ignoring_case(&replace_qop_list(challenge), "SHA-256", "SHA256")
}

fn outgoing(credentials: &str) -> String {
    credentials.replace("algorithm=SHA256", "algorithm=SHA-256")
}

/// `qop="auth,auth-int"` becomes `qop="auth"`; a lone `auth-int` stays, and is refused later.
fn replace_qop_list(challenge: &str) -> String {
    let Some(start) = challenge.to_ascii_lowercase().find("qop=\"") else {
        return challenge.to_owned();
    };
    let open = start + 5;
    let Some(length) = challenge[open..].find('"') else {
        return challenge.to_owned();
    };
    let offers_auth = challenge[open..open + length]
        .split(',')
        .any(|qop| qop.trim().eq_ignore_ascii_case("auth"));
    if !offers_auth {
        return challenge.to_owned();
    }
    format!("{}auth{}", &challenge[..open], &challenge[open + length..])
}

fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    match text.to_ascii_lowercase().find(&from.to_ascii_lowercase()) {
        Some(at) => format!("{}{to}{}", &text[..at], &text[at + from.len()..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_become_what_the_engine_reads() {
        assert_eq!(
            incoming("Digest realm=\"r\", algorithm=SHA-256, qop=\"auth,auth-int\""),
            "Digest realm=\"r\", algorithm=SHA256, qop=\"auth\""
        );
        assert_eq!(
            incoming("Digest realm=\"r\", nonce=\"n\""),
            "Digest realm=\"r\", nonce=\"n\""
        );
    }

    #[test]
    fn unanswerable_challenges_are_left_out() {
        assert!(is_known("Digest realm=\"r\", algorithm=MD5"));
        assert!(is_known("Digest realm=\"r\", algorithm=\"SHA-256\""));
        assert!(!is_known("Digest realm=\"r\", algorithm=SHA-512-256"));
        assert!(!is_known("Bearer authz_server=\"https://x\""));
    }
}
