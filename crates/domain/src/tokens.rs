//! Tokens of people: JWTs of an issuer that the operator trusts.

use async_trait::async_trait;
use contract::{MemberRole, OrganizationId};

use crate::ProviderFailure;

/// What a token says, once everything about it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Who it is.
    pub subject: String,
    /// Where they want to act. Whether they belong there, or it exists at all, the token can't tell.
    pub organization: OrganizationId,
    /// What they may do there, where the issuer says so and not we.
    pub role: Option<MemberRole>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenRefusal {
    /// It was good and no longer is.
    Expired,
    /// Anything else; `0` is for the log alone, so that nobody learns by trying.
    Invalid(&'static str),
}

/// Why nobody knows who holds a token.
#[derive(Debug)]
pub enum TokenError {
    /// The token is no good.
    Refused(TokenRefusal),
    /// The issuer's keys can't be had, so that nothing can be said about the token.
    Unavailable(Box<ProviderFailure>),
}

impl From<TokenRefusal> for TokenError {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Checks tokens.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Checks everything about a token that can be checked without knowing our organisations.
    async fn verify(&self, token: &str) -> Result<TokenClaims, TokenError>;
}

/// Whether it has the form of a JWT: three parts with dots between.
pub fn is_token(bearer: &str) -> bool {
    bearer.bytes().filter(|byte| *byte == b'.').count() == 2
}
