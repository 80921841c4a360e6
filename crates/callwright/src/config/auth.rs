//! Who vouches for people.

use std::time::Duration;

use anyhow::{Result, bail};
use providers::JwtConfig;
use serde::{Deserialize, Serialize};

/// Longest time that clocks may be apart: past it an expired token is good for too long.
const LEEWAY_MS_MAX: u64 = 300_000;

/// Who vouches for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuthSection {
    /// Tokens of people.
    pub(crate) jwt: JwtSection,
}

/// Tokens of people (JWT) of one issuer. Without `jwks_url` none is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JwtSection {
    /// Where the issuer publishes its keys (JWKS), http or https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_url: Option<String>,
    /// `iss` of every token.
    pub(crate) issuer: String,
    /// One of these must be in `aud`.
    pub(crate) audiences: Vec<String>,
    /// The claim that names the person; a JSON pointer when it begins with `/`.
    pub(crate) subject_claim: String,
    /// The claim that holds the id of the organisation; a JSON pointer when it begins with `/`.
    pub(crate) organization_claim: String,
    /// The claim that holds the role (`viewer`, `member`, `admin`, `owner`); without it roles are those of the members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role_claim: Option<String>,
    /// How far clocks may be apart, in milliseconds.
    pub(crate) leeway_ms: u64,
    /// Longest time after which keys are fetched anew, in milliseconds; at least a minute.
    pub(crate) refresh_ms: u64,
    /// Longest wait for the issuer, in milliseconds.
    pub(crate) timeout_ms: u64,
}

impl Default for JwtSection {
    fn default() -> Self {
        Self {
            jwks_url: None,
            issuer: String::new(),
            audiences: Vec::new(),
            subject_claim: "sub".to_owned(),
            organization_claim: "organization_id".to_owned(),
            role_claim: None,
            leeway_ms: 60_000,
            refresh_ms: 600_000,
            timeout_ms: 3000,
        }
    }
}

impl JwtSection {
    /// What tokens are checked with; `None` when none is taken.
    pub(crate) fn verifier(&self) -> Option<JwtConfig> {
        let jwks_url = self.jwks_url.clone()?;
        Some(JwtConfig {
            jwks_url,
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            subject_claim: self.subject_claim.clone(),
            organization_claim: self.organization_claim.clone(),
            role_claim: self.role_claim.clone(),
            leeway: Duration::from_millis(self.leeway_ms),
            refresh: Duration::from_millis(self.refresh_ms),
            timeout: Duration::from_millis(self.timeout_ms),
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.jwks_url.is_none() {
            if !self.issuer.is_empty() || !self.audiences.is_empty() {
                bail!("auth.jwt needs jwks_url, issuer and audiences together");
            }
            return Ok(());
        }
        if self.issuer.is_empty() || self.audiences.is_empty() {
            bail!("auth.jwt needs jwks_url, issuer and audiences together");
        }
        if self.leeway_ms > LEEWAY_MS_MAX || self.timeout_ms == 0 {
            bail!("auth.jwt.leeway_ms must be at most {LEEWAY_MS_MAX}, and auth.jwt.timeout_ms above 0");
        }
        Ok(())
    }
}
