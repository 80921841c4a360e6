//! What a token must say.

use std::time::Duration;

use contract::{MemberRole, OrganizationId, Timestamp};
use domain::tokens::{TokenClaims, TokenRefusal};
use serde_json::{Map, Value};

use super::JwtConfig;

/// Longest subject.
const SUBJECT_CHARS_MAX: usize = 255;

/// What is expected of a token whose signature fits.
pub(super) struct Expected {
    issuer: String,
    audiences: Vec<String>,
    subject: Claim,
    organization: Claim,
    role: Option<Claim>,
    leeway: Duration,
}

/// Where in a token something stands. Names of claims may be URLs, so only a leading slash makes a pointer.
enum Claim {
    Named(String),
    At(String),
}

impl Claim {
    fn of(text: String) -> Self {
        if text.starts_with('/') {
            Self::At(text)
        } else {
            Self::Named(text)
        }
    }

    fn find<'v>(&self, claims: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Named(name) => claims.get(name),
            Self::At(pointer) => claims.pointer(pointer),
        }
    }
}

impl Expected {
    pub(super) fn of(config: JwtConfig) -> Self {
        Self {
            issuer: config.issuer,
            audiences: config.audiences,
            subject: Claim::of(config.subject_claim),
            organization: Claim::of(config.organization_claim),
            role: config.role_claim.map(Claim::of),
            leeway: config.leeway,
        }
    }

    /// What the token says, if it is for us and its time is now.
    pub(super) fn check(&self, claims: Map<String, Value>, now: Timestamp) -> Result<TokenClaims, TokenRefusal> {
        let refused = TokenRefusal::Invalid;
        let claims = Value::Object(claims);
        if claims["iss"].as_str() != Some(&self.issuer) {
            return Err(refused("another issuer"));
        }
        if !self.is_for_us(&claims["aud"]) {
            return Err(refused("another audience"));
        }
        // Who it is for comes before when: a token for somebody else is wrong at any time.
        let subject = self.subject.find(&claims).and_then(Value::as_str);
        let subject = subject
            .filter(|subject| is_subject(subject))
            .ok_or(refused("no subject"))?;
        let organization: Option<OrganizationId> = self
            .organization
            .find(&claims)
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        let organization = organization.ok_or(refused("no organisation"))?;
        let role = self.role.as_ref().map(|role| highest(role.find(&claims)));
        let role = role.map(|role| role.ok_or(refused("no role"))).transpose()?;
        self.check_times(&claims, now)?;
        Ok(TokenClaims {
            subject: subject.to_owned(),
            organization,
            role,
        })
    }

    fn is_for_us(&self, audience: &Value) -> bool {
        let ours = |audience: &Value| {
            audience
                .as_str()
                .is_some_and(|name| self.audiences.iter().any(|ours| ours == name))
        };
        match audience {
            Value::Array(all) => all.iter().any(ours),
            one => ours(one),
        }
    }

    fn check_times(&self, claims: &Value, now: Timestamp) -> Result<(), TokenRefusal> {
        let now = now.millis() as f64 / 1000.0;
        let leeway = self.leeway.as_secs_f64();
        let time = |name: &str| match &claims[name] {
            Value::Null => Ok(None),
            Value::Number(seconds) => Ok(seconds.as_f64()),
            _ => Err(TokenRefusal::Invalid("a time is no number")),
        };
        let expires = time("exp")?.ok_or(TokenRefusal::Invalid("no end"))?;
        if time("nbf")?.is_some_and(|begins| begins > now + leeway) {
            return Err(TokenRefusal::Invalid("not valid yet"));
        }
        if time("iat")?.is_some_and(|issued| issued > now + leeway) {
            return Err(TokenRefusal::Invalid("issued in the future"));
        }
        if now >= expires + leeway {
            return Err(TokenRefusal::Expired);
        }
        Ok(())
    }
}

fn is_subject(subject: &str) -> bool {
    !subject.is_empty() && subject.chars().count() <= SUBJECT_CHARS_MAX && !subject.chars().any(char::is_control)
}

/// One role, or the highest of several; names that are not ours are somebody else's.
fn highest(claim: Option<&Value>) -> Option<MemberRole> {
    let known = |value: &Value| {
        let name = value.as_str()?;
        MemberRole::ALL.into_iter().find(|role| role.name() == name)
    };
    match claim? {
        Value::Array(all) => all.iter().filter_map(known).max(),
        one => known(one),
    }
}
