//! Organisations and API keys: who may speak to us.
//!
//! A key is `cw_`, a public prefix by which it is found, and a secret. Only the SHA-256 of the whole is kept: with
//! more than 160 random bits there is nothing to guess, so a slow hash would only slow us down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use contract::{
    ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyId, FieldFault, FieldReason, KeyScope, OrganizationId, Timestamp,
};
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::{
    Error,
    ports::{Clock, OrganizationStore, StoreError},
    records::{KeyRecord, Listing, Organization, Page, Scope},
    rules,
};

/// What every key begins with, so that people and scanners know one when they see it.
const MARK: &str = "cw_";
/// Letters and digits after the mark that are public.
const PREFIX_LEN: usize = 12;
/// 28 of 62 characters are 166 random bits.
const SECRET_LEN: usize = 28;
/// A use is noted at most this often per key.
const TOUCH_EVERY_MS: i64 = 60_000;
/// Keys whose last use is remembered here; beyond it the memory starts afresh.
const TOUCHED_MAX: usize = 10_000;
/// Uses being noted at once; beyond it they are left out.
const TOUCHES_AT_ONCE: usize = 8;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data they may touch.
    pub scope: Scope,
    /// By which key.
    pub key: ApiKeyId,
    /// What the key may do.
    pub scopes: Vec<KeyScope>,
}

impl Caller {
    /// Whether the key may do what `needed` allows; a higher scope includes the lower.
    pub fn may(&self, needed: KeyScope) -> bool {
        self.scopes.iter().any(|held| *held >= needed)
    }
}

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRefusal {
    /// It doesn't look like a key of ours.
    Malformed,
    /// No such key.
    Invalid,
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// Why a caller stays unknown.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The key is no good.
    #[error("key refused: {0:?}")]
    Refused(KeyRefusal),
    /// The store could not tell.
    #[error(transparent)]
    Store(StoreError),
}

/// Use cases of organisations and keys.
#[derive(Clone)]
pub struct Keys {
    store: Arc<dyn OrganizationStore>,
    clock: Arc<dyn Clock>,
    touched: Arc<Mutex<HashMap<ApiKeyId, Timestamp>>>,
    touches: Arc<Semaphore>,
}

impl Keys {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn OrganizationStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            touched: Arc::default(),
            touches: Arc::new(Semaphore::new(TOUCHES_AT_ONCE)),
        }
    }

    /// Makes an organisation and its first key, which may do everything. The key can't be shown again.
    pub async fn organization_create(&self, name: &str) -> Result<(Organization, String), Error> {
        let now = self.clock.now();
        rules::checked(name_faults(name))?;
        let organization = Organization {
            id: OrganizationId::new(),
            name: name.to_owned(),
            created_at: now,
        };
        let create = ApiKeyCreate {
            name: "First key".to_owned(),
            scopes: vec![KeyScope::Read, KeyScope::Write, KeyScope::Admin],
            expires_at: None,
        };
        let (record, key) = mint(organization.id, create, now);
        self.store.organization_create(&organization, &record).await?;
        Ok((organization, key))
    }

    /// All organisations, oldest first; for the operator.
    pub async fn organization_list(&self) -> Result<Vec<Organization>, Error> {
        Ok(self.store.organization_list().await?)
    }

    /// Finds out who holds a key. Takes as long for a key that is half right as for one that is not known.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller, AuthenticationError> {
        let refused = |refusal| Err(AuthenticationError::Refused(refusal));
        let Some(prefix) = prefix_of(bearer) else {
            return refused(KeyRefusal::Malformed);
        };
        let found = self
            .store
            .key_by_prefix(prefix)
            .await
            .map_err(AuthenticationError::Store)?;
        let expected = found.as_ref().map_or([0; 32], |record| record.hash);
        let matches = bool::from(hash(bearer).ct_eq(&expected));
        let Some(record) = found.filter(|_| matches) else {
            return refused(KeyRefusal::Invalid);
        };
        let now = self.clock.now();
        if record.key.revoked_at.is_some() {
            return refused(KeyRefusal::Revoked);
        }
        if record.key.expires_at.is_some_and(|at| at <= now) {
            return refused(KeyRefusal::Expired);
        }
        self.touch(record.key.id, now);
        let scope = Scope {
            organization: record.organization,
        };
        Ok(Caller {
            scope,
            key: record.key.id,
            scopes: record.key.scopes,
        })
    }

    /// Makes a key. It can't be shown again.
    pub async fn key_create(&self, scope: Scope, create: ApiKeyCreate) -> Result<ApiKeyCreated, Error> {
        let now = self.clock.now();
        rules::checked(key_faults(&create, now))?;
        let (record, key) = mint(scope.organization, create, now);
        self.store.key_create(scope, &record).await?;
        Ok(ApiKeyCreated {
            record: record.key,
            key,
        })
    }

    /// A page of the organisation's keys, revoked ones included.
    pub async fn key_list(&self, scope: Scope, page: Page) -> Result<Listing<ApiKey>, Error> {
        Ok(self.store.key_list(scope, page).await?)
    }

    /// Ends a key at once. Revoking it again changes nothing and is fine.
    pub async fn key_revoke(&self, scope: Scope, id: &str) -> Result<(), Error> {
        let key = rules::id_in_path("api_key", id)?;
        let known = self.store.key_revoke(scope, key, self.clock.now()).await?;
        if known {
            Ok(())
        } else {
            Err(Error::not_found("api_key", id))
        }
    }

    /// Notes a use beside the request, never in its way.
    fn touch(&self, key: ApiKeyId, now: Timestamp) {
        let Ok(permit) = Arc::clone(&self.touches).try_acquire_owned() else {
            return;
        };
        if !self.is_due(key, now) {
            return;
        }
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            if let Err(error) = store.key_touch(key, now).await {
                tracing::warn!(error = %error.source, doing = error.doing, "the use of a key was not noted");
            }
            drop(permit);
        });
    }

    fn is_due(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched
            .get(&key)
            .is_some_and(|last| now.millis() - last.millis() < TOUCH_EVERY_MS)
        {
            return false;
        }
        if touched.len() >= TOUCHED_MAX {
            touched.clear();
        }
        touched.insert(key, now);
        true
    }
}

/// The public part of a well-formed key.
fn prefix_of(key: &str) -> Option<&str> {
    let rest = key.strip_prefix(MARK)?;
    let whole = rest.len() == PREFIX_LEN + SECRET_LEN && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    whole.then(|| &key[..MARK.len() + PREFIX_LEN])
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A fresh key and its record.
fn mint(organization: OrganizationId, create: ApiKeyCreate, now: Timestamp) -> (KeyRecord, String) {
    let random = Alphanumeric.sample_string(&mut rand::rng(), PREFIX_LEN + SECRET_LEN);
    let key = format!("{MARK}{random}");
    let record = ApiKey {
        id: ApiKeyId::new(),
        name: create.name,
        prefix: key[..MARK.len() + PREFIX_LEN].to_owned(),
        scopes: create.scopes,
        expires_at: create.expires_at,
        revoked_at: None,
        last_used_at: None,
        created_at: now,
    };
    (
        KeyRecord {
            organization,
            key: record,
            hash: hash(&key),
        },
        key,
    )
}

fn name_faults(name: &str) -> Vec<FieldFault> {
    let fault = |reason, message: &str| vec![FieldFault::in_body("/name", reason, message)];
    match name.chars().count() {
        0 => fault(FieldReason::TooShort, "Must not be empty."),
        1..=255 => Vec::new(),
        _ => fault(FieldReason::TooLong, "Must have at most 255 characters."),
    }
}

fn key_faults(create: &ApiKeyCreate, now: Timestamp) -> Vec<FieldFault> {
    let mut faults = name_faults(&create.name);
    if create.scopes.is_empty() {
        faults.push(FieldFault::in_body(
            "/scopes",
            FieldReason::TooShort,
            "Give at least one scope.",
        ));
    }
    for (index, scope) in create.scopes.iter().enumerate() {
        if create.scopes[..index].contains(scope) {
            let pointer = format!("/scopes/{index}");
            faults.push(FieldFault::in_body(
                &pointer,
                FieldReason::Duplicate,
                "This scope stands here already.",
            ));
        }
    }
    if create.expires_at.is_some_and(|at| at <= now) {
        let message = format!("Must be later than {now}.");
        let fault = FieldFault::in_body("/expires_at", FieldReason::OutOfRange, message);
        faults.push(fault.with("min", now.to_string()));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_have_a_prefix() {
        let (record, key) = mint(
            OrganizationId::new(),
            ApiKeyCreate {
                name: "k".into(),
                scopes: vec![KeyScope::Read],
                expires_at: None,
            },
            Timestamp::from_millis(0),
        );
        assert_eq!(prefix_of(&key), Some(record.key.prefix.as_str()));
        assert_eq!(record.hash, hash(&key));
        for bad in [
            "",
            "cw_",
            &key[..key.len() - 1],
            &format!("{key}a"),
            &key.replace("cw_", "sk_"),
            &key.to_uppercase(),
        ] {
            assert_eq!(prefix_of(bad), None);
        }
        assert_eq!(prefix_of(&format!("{}é", &key[..key.len() - 2])), None);
    }

    #[test]
    fn a_key_has_at_least_160_secret_bits() {
        assert!(SECRET_LEN as f64 * 62f64.log2() >= 160.0);
    }
}
