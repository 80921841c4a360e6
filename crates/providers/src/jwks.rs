//! People's tokens: JWTs checked with the keys that their issuer publishes (JWKS, RFC 7517).
//!
//! Algorithms are RS256, ES256 and `EdDSA`, nothing else, and each only with a key of its own kind; signatures are
//! checked by ring. Keys are fetched rarely and kept: see [`keys`] for when.

mod claims;
mod fetch;
mod keys;
mod set;
mod token;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    ports::Clock,
    tokens::{TokenClaims, TokenError, TokenRefusal, TokenVerifier},
};
use reqwest::Url;

use self::{claims::Expected, fetch::Source, keys::Keys, token::Token};

/// Whose tokens are taken, and what stands in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtConfig {
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
    /// `iss` of every token.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// The claim that names the person; a JSON pointer when it begins with `/`.
    pub subject_claim: String,
    /// The claim that holds the organisation's id; a JSON pointer when it begins with `/`.
    pub organization_claim: String,
    /// The claim that holds the role; without it roles are those of the members.
    pub role_claim: Option<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// Longest time after which keys are fetched anew.
    pub refresh: Duration,
    /// Longest wait for the issuer.
    pub timeout: Duration,
}

impl JwtConfig {
    /// With the usual claims and times.
    pub fn new(jwks_url: impl Into<String>, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            jwks_url: jwks_url.into(),
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            subject_claim: "sub".to_owned(),
            organization_claim: "organization_id".to_owned(),
            role_claim: None,
            leeway: Duration::from_mins(1),
            refresh: Duration::from_mins(10),
            timeout: Duration::from_secs(3),
        }
    }
}

/// Why tokens can't be checked with these settings.
#[derive(Debug, thiserror::Error)]
pub enum JwtSetupError {
    /// The address of the keys is no http(s) URL.
    #[error("auth.jwt.jwks_url is not an http:// or https:// address")]
    Url,
    /// An empty setting would take tokens that are not for us.
    #[error("auth.jwt.{0} must not be empty")]
    Empty(&'static str),
    /// The HTTP client can't be made.
    #[error("the client for the issuer's keys can't be made")]
    Client(#[source] reqwest::Error),
}

/// Checks tokens of one issuer.
#[derive(Clone)]
pub struct JwtVerifier {
    keys: Arc<Keys>,
    expected: Arc<Expected>,
    clock: Arc<dyn Clock>,
}

impl JwtVerifier {
    /// Nothing is fetched before the first token, or [`Self::warm_up`].
    pub fn new(config: JwtConfig, clock: Arc<dyn Clock>) -> Result<Self, JwtSetupError> {
        let url = Url::parse(&config.jwks_url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or(JwtSetupError::Url)?;
        for (name, is_empty) in [
            ("issuer", config.issuer.is_empty()),
            (
                "audiences",
                config.audiences.is_empty() || config.audiences.contains(&String::new()),
            ),
            ("subject_claim", config.subject_claim.is_empty()),
            ("organization_claim", config.organization_claim.is_empty()),
            ("role_claim", config.role_claim.as_ref().is_some_and(String::is_empty)),
        ] {
            if is_empty {
                return Err(JwtSetupError::Empty(name));
            }
        }
        let source = Source::new(url, config.timeout).map_err(JwtSetupError::Client)?;
        Ok(Self {
            keys: Arc::new(Keys::new(source, config.refresh, Arc::clone(&clock))),
            expected: Arc::new(Expected::of(config)),
            clock,
        })
    }

    /// Fetches the keys, so that the first token need not wait; what fails is logged and tried again with it.
    pub async fn warm_up(&self) {
        self.keys.refresh().await;
    }

    async fn signature_check(&self, token: &Token<'_>) -> Result<(), TokenError> {
        let key = self.keys.find(token.kid(), token.algorithm()).await?;
        if key.verifies(token.signed(), token.signature()) {
            Ok(())
        } else {
            Err(TokenRefusal::Invalid("the signature does not fit").into())
        }
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let token = Token::read(token)?;
        let mut signed = self.signature_check(&token).await;
        // The issuer may have put another key in the place of the one that we know.
        if matches!(signed, Err(TokenError::Refused(_))) && self.keys.refresh().await {
            signed = self.signature_check(&token).await;
        }
        signed?;
        Ok(self.expected.check(token.claims()?, self.clock.now())?)
    }
}
