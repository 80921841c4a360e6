//! `WWW-Authenticate`: how a 401 tells a program what to bring.

use crate::{Code, Reason};

/// For who brought nothing, or something of another scheme: how to ask, and not that it was wrong (RFC 6750 section 3.1).
pub const UNKNOWN: &str = "Bearer realm=\"callwright\"";

/// The header of an answer of this reason; `None` where it is no 401.
pub fn challenge(reason: Reason) -> Option<String> {
    if reason.code() != Code::Unauthorized {
        return None;
    }
    // A description is ASCII without quotes (RFC 6750 section 3).
    let told = match reason {
        Reason::MissingCredentials => return Some(UNKNOWN.to_owned()),
        Reason::InvalidToken => "The token is not valid here",
        Reason::ExpiredToken => "The token has expired",
        Reason::InvalidApiKey => "There is no such API key",
        Reason::RevokedApiKey => "The API key was revoked",
        Reason::ExpiredApiKey => "The API key has expired",
        _ => "The header does not hold one bearer token of ours",
    };
    Some(format!(
        "{UNKNOWN}, error=\"invalid_token\", error_description=\"{told}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_ascii_and_only_of_401() {
        for reason in Reason::ALL {
            let challenge = challenge(*reason);
            assert_eq!(challenge.is_some(), reason.code() == Code::Unauthorized, "{reason:?}");
            assert!(challenge.unwrap_or_default().is_ascii(), "{reason:?}");
        }
    }
}
