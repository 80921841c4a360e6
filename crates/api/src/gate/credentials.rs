//! What stands in the `Authorization` header, and whose it is.

use std::net::IpAddr;

use contract::Reason;
use domain::{
    Error,
    keys::{self, AuthenticationError, Refusal},
};
use hyper::{HeaderMap, header::AUTHORIZATION};

use crate::{App, Problem};

/// Who asks; a refusal counts against `address`.
///
/// Good credentials pass however many bad ones came from their address. But a flood must not cost a read of the
/// database each: past the limit, those are looked up that are likely to be good, and a few of the others.
pub(super) async fn authenticate(app: &App, headers: &HeaderMap, address: IpAddr) -> Result<keys::Caller, Problem> {
    let refusal = match bearer(headers) {
        Given::Nothing => return Err(Problem::unauthorized(Reason::MissingCredentials)),
        Given::Token(token) => {
            let may_be_good = || app.keys().may_be_good(token);
            app.attempts().check(address, may_be_good, &**app.clock())?;
            match app.keys().authenticate(token).await {
                Ok(caller) => return Ok(caller),
                Err(AuthenticationError::Refused { refusal, why }) => refused(refusal, why),
                Err(AuthenticationError::Store(error)) => return Err(Error::from(error).into()),
                Err(AuthenticationError::Issuer(failure)) => return Err(Error::from(*failure).into()),
            }
        }
        Given::AnotherScheme => Problem::unauthorized_by_another_scheme(),
        Given::Broken => Problem::unauthorized(Reason::MalformedCredentials),
    };
    app.attempts().failed(address, app.clock().now()).await?;
    Err(refusal)
}

/// What a request brings.
#[derive(Debug, PartialEq, Eq)]
enum Given<'a> {
    Nothing,
    Token(&'a str),
    /// Not `Bearer`: as if there were no credentials of a kind that is known here.
    AnotherScheme,
    /// Two tokens, or none after the scheme.
    Broken,
}

fn bearer(headers: &HeaderMap) -> Given<'_> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Given::Nothing;
    };
    if given.next().is_some() {
        return Given::Broken;
    }
    let Ok(value) = value.to_str() else {
        return Given::Broken;
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Given::AnotherScheme;
    }
    let token = token.trim();
    // A header's text holds no other white space.
    if token.is_empty() || token.bytes().any(|byte| byte == b' ' || byte == b'\t') {
        return Given::Broken;
    }
    Given::Token(token)
}

/// `why` is for the operator.
pub(crate) fn refused(refusal: Refusal, why: Option<String>) -> Problem {
    let problem = Problem::unauthorized(reason(refusal));
    match why {
        Some(why) => problem.because(why),
        None => problem,
    }
}

fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Malformed => Reason::MalformedCredentials,
        Refusal::Invalid => Reason::InvalidApiKey,
        Refusal::Revoked => Reason::RevokedApiKey,
        Refusal::Expired => Reason::ExpiredApiKey,
        Refusal::InvalidToken => Reason::InvalidToken,
        Refusal::ExpiredToken => Reason::ExpiredToken,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_header_holds_one_bearer_token_or_is_told_apart() {
        let is_told = |values: &[&str], expected| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        };
        is_told(&[], Given::Nothing);
        for whole in ["Bearer abc", "bearer  abc ", "BEARER abc"] {
            is_told(&[whole], Given::Token("abc"));
        }
        for broken in ["Bearer", "Bearer ", "Bearer a b"] {
            is_told(&[broken], Given::Broken);
        }
        is_told(&["Bearer a", "Bearer a"], Given::Broken);
        for other in ["Basic abc", "cw_abc", ""] {
            is_told(&[other], Given::AnotherScheme);
        }
    }
}
