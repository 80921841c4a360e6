//! Finding out who asks: a key's record, or a member by their token.

use contract::{ApiKey, ApiKeyId, KeyScope, MemberRole, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Keys, MARK, PLATFORM, hash, prefix_of};
use crate::{
    Actor, ProviderFailure,
    limits::WindowLimits,
    ports::StoreError,
    records::Scope,
    rules::{Cidr, NotANetwork},
    tokens::{TokenError, TokenRefusal, is_token},
};

/// Keys that were good once and are remembered as such; beyond it the memory starts afresh.
const GOOD_ONCE_MAX: usize = 10_000;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// Whose data they may touch.
    pub scope: Scope,
    /// Who it is.
    pub who: Who,
    /// When that was found out.
    pub at: Timestamp,
}

/// A key or a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// An API key.
    Key {
        /// Which.
        id: ApiKeyId,
        /// What it may do.
        scopes: Vec<KeyScope>,
        /// From where; from anywhere when empty.
        ip_allowlist: Vec<Cidr>,
        /// How often, where it is not as its organisation may.
        rate_limits: WindowLimits,
    },
    /// A member of the organisation.
    User {
        /// The subject of their token.
        subject: String,
        /// What they may do.
        role: MemberRole,
    },
}

impl Caller {
    /// Whether they may do what `needed` allows; a higher scope includes the lower. Running the platform stands
    /// apart: it includes nothing of what goes on inside organisations, its own least of all, where its keys lie.
    pub fn may(&self, needed: KeyScope) -> bool {
        let includes = |held: KeyScope| match held {
            KeyScope::Operator => needed == KeyScope::Operator,
            held => held >= needed,
        };
        match &self.who {
            Who::Key { scopes, .. } => scopes.iter().any(|held| includes(*held)),
            Who::User { role, .. } => role.scope() >= needed,
        }
    }

    /// The role with which they manage members: a key is at most an administrator, never an owner, or else whoever
    /// may make keys could make themselves one.
    pub fn authority(&self) -> MemberRole {
        match &self.who {
            Who::Key { .. } => MemberRole::Admin,
            Who::User { role, .. } => *role,
        }
    }

    /// Under which name requests are counted.
    pub fn counted(&self) -> Uuid {
        match &self.who {
            Who::Key { id, .. } => id.0,
            Who::User { subject, .. } => {
                let hash = Sha256::digest(subject.as_bytes());
                Uuid::from_bytes(std::array::from_fn(|index| hash[index]))
            }
        }
    }

    /// What was set for them alone.
    pub fn rate_limits(&self) -> WindowLimits {
        match &self.who {
            Who::Key { rate_limits, .. } => *rate_limits,
            Who::User { .. } => WindowLimits::default(),
        }
    }

    /// As whom they stand in the audit log.
    pub fn actor(&self) -> Actor {
        match &self.who {
            Who::Key { id, scopes, .. } if scopes.contains(&KeyScope::Operator) => Actor::Operator(id.to_string()),
            Who::Key { id, .. } => Actor::Key(*id),
            Who::User { subject, .. } => Actor::User(subject.clone()),
        }
    }
}

/// Why credentials are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It doesn't look like a key of ours, nor like a token.
    Malformed,
    /// No such key.
    Invalid,
    /// The key was revoked.
    Revoked,
    /// The key's time is over.
    Expired,
    /// A token that is not valid here.
    InvalidToken,
    /// A token whose time is over.
    ExpiredToken,
}

/// What can be told of credentials before anybody looks them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayBeGood {
    /// They were good when last seen, or cost nothing to check.
    Surely,
    /// They look like a key.
    Perhaps,
    /// They look like nothing of ours.
    Hardly,
}

/// Why a caller stays unknown.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The credentials are no good.
    #[error("credentials refused: {refusal:?}")]
    Refused {
        /// What the client is told.
        refusal: Refusal,
        /// What the operator is told besides, where there is more to say; never the client, who could learn by trying.
        why: Option<String>,
    },
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The issuer of tokens could not be asked for its keys.
    #[error("tokens can't be checked")]
    Issuer(#[source] Box<ProviderFailure>),
}

impl From<Refusal> for AuthenticationError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, why: None }
    }
}

impl Refusal {
    /// With what the operator is told besides.
    fn since(self, why: impl Into<String>) -> AuthenticationError {
        AuthenticationError::Refused {
            refusal: self,
            why: Some(why.into()),
        }
    }
}

/// A token begins with a brace in base64url, and so never as a key does.
fn brings_token(bearer: &str) -> bool {
    !bearer.starts_with(MARK) && is_token(bearer)
}

impl Keys {
    /// Finds out who brings these credentials.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller, AuthenticationError> {
        if brings_token(bearer) {
            // Kept apart, so that the many requests with keys do not carry its room.
            Box::pin(self.authenticate_token(bearer)).await
        } else {
            self.authenticate_key(bearer).await
        }
    }

    /// What can be told of credentials without asking anybody, for where so many were refused that looking costs too
    /// much. A token costs no read of the database before its signature fits.
    pub fn may_be_good(&self, bearer: &str) -> MayBeGood {
        if brings_token(bearer) {
            MayBeGood::Surely
        } else if prefix_of(bearer).is_none() {
            MayBeGood::Hardly
        } else if self.good_once().contains(&hash(bearer)) {
            MayBeGood::Surely
        } else {
            MayBeGood::Perhaps
        }
    }

    /// Takes as long for a key that is half right as for one that is not known.
    async fn authenticate_key(&self, bearer: &str) -> Result<Caller, AuthenticationError> {
        let prefix = prefix_of(bearer).ok_or(Refusal::Malformed)?;
        let found = self.store.key_by_prefix(prefix).await?;
        let given = hash(bearer);
        let expected = found.as_ref().map_or([0; 32], |record| record.hash);
        let matches = is_same(&given, &expected);
        let record = found.filter(|_| matches).ok_or(Refusal::Invalid)?;
        let now = self.clock.now();
        if let Some(refused) = ended(&record.key, now) {
            self.good_once().remove(&given);
            return Err(refused);
        }
        self.remember_good(given);
        let allowlist = record.key.ip_allowlist.iter().map(|text| text.parse());
        let ip_allowlist = allowlist
            .collect::<Result<_, NotANetwork>>()
            .map_err(|error| StoreError {
                doing: "read an allowlist",
                source: error.into(),
            })?;
        Ok(Caller {
            scope: Scope {
                organization: record.organization,
            },
            who: Who::Key {
                id: record.key.id,
                scopes: record.key.scopes.clone(),
                ip_allowlist,
                rate_limits: record.key.rate_limits,
            },
            at: now,
        })
    }

    /// A token for an organisation that isn't there, and one of a stranger to it, are refused alike.
    async fn authenticate_token(&self, bearer: &str) -> Result<Caller, AuthenticationError> {
        let verifier = self.tokens.as_ref();
        let verifier = verifier.ok_or_else(|| Refusal::InvalidToken.since("no issuer of tokens is configured"))?;
        let claims = match verifier.verify(bearer).await {
            Ok(claims) => claims,
            Err(TokenError::Unavailable(failure)) => return Err(AuthenticationError::Issuer(failure)),
            Err(TokenError::Refused(TokenRefusal::Expired)) => return Err(Refusal::ExpiredToken.into()),
            Err(TokenError::Refused(TokenRefusal::Invalid(why))) => return Err(Refusal::InvalidToken.since(why)),
        };
        let scope = Scope {
            organization: claims.organization,
        };
        let nobody = |what: &str| Refusal::InvalidToken.since(format!("{what} {}", claims.organization));
        if claims.organization == PLATFORM {
            return Err(nobody("no person acts in the organisation"));
        }
        let role = if let Some(role) = claims.role {
            let organization = self.store.organization_fetch(scope).await?;
            organization
                .map(|_| role)
                .ok_or_else(|| nobody("there is no organisation"))?
        } else {
            let member = self.store.member_by_subject(scope, &claims.subject).await?;
            let stranger = || nobody("its subject is no member of the organisation");
            member.map(|member| member.role).ok_or_else(stranger)?
        };
        Ok(Caller {
            scope,
            who: Who::User {
                role,
                subject: claims.subject,
            },
            at: self.clock.now(),
        })
    }

    /// Whether an actor may go on with what it began: its key was not revoked since and has not come to its end. The
    /// tokens of people are not looked at again.
    pub async fn still_good(&self, scope: Scope, actor: &Actor) -> Result<(), AuthenticationError> {
        let Actor::Key(id) = actor else { return Ok(()) };
        let found = self.store.key_versioned(scope, *id).await?;
        let key = found.ok_or(Refusal::Invalid)?.record;
        ended(&key, self.clock.now()).map_or(Ok(()), Err)
    }

    /// Notes that a key was let in, beside the request and never in its way.
    pub fn note_use(&self, caller: &Caller) {
        if let Who::Key { id, .. } = &caller.who {
            self.touch(*id, caller.at);
        }
    }

    fn remember_good(&self, key: [u8; 32]) {
        let mut good = self.good_once();
        if good.len() >= GOOD_ONCE_MAX {
            good.clear();
        }
        good.insert(key);
    }
}

/// Takes as long whatever the difference. Eight bytes at once, as `subtle` has its price for each thing compared.
fn is_same(given: &[u8; 32], expected: &[u8; 32]) -> bool {
    let words = |hash: &[u8; 32]| {
        let (words, _) = hash.as_chunks::<8>();
        std::array::from_fn::<u64, 4, _>(|index| u64::from_le_bytes(words[index]))
    };
    words(given).ct_eq(&words(expected)).into()
}

/// Why a key that is right is refused all the same.
fn ended(key: &ApiKey, now: Timestamp) -> Option<AuthenticationError> {
    if let Some(at) = key.revoked_at {
        return Some(Refusal::Revoked.since(format!("the API key {} was revoked at {at}", key.id)));
    }
    let at = key.expires_at.filter(|at| *at <= now)?;
    Some(Refusal::Expired.since(format!("the API key {} expired at {at}", key.id)))
}
