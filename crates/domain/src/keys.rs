//! Organisations and API keys: who may speak to us.
//!
//! A key is `cw_`, a public prefix by which it is found, and a secret. Only the SHA-256 of the whole is kept: with
//! more than 160 random bits there is nothing to guess, so a slow hash would only slow us down.

mod authenticate;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::{
    ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyId, ApiKeyUpdate, FieldFault, FieldReason, KeyScope, OrganizationCreate,
    OrganizationCreated, OrganizationId, Reason, Timestamp,
};
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::{
    Actor, Change, Error,
    change::SWAPS_MAX,
    ports::{Clock, Store},
    quick::{QuickMap, QuickSet},
    records::{KeyRecord, Listing, Organization, Page, Scope, Versioned},
    rules,
    tokens::TokenVerifier,
};

pub use authenticate::{AuthenticationError, Caller, MayBeGood, Refusal, Who};

/// What every key begins with, so that people and scanners know one when they see it.
const MARK: &str = "cw_";
/// Letters and digits after the mark that are public.
const PREFIX_LEN: usize = 12;
/// 28 of 62 characters are 166 random bits.
const SECRET_LEN: usize = 28;
/// Networks that a key may be held to; the schema of the API says the same.
const NETWORKS_MAX: usize = 100;
/// A use is noted at most this often per key.
const TOUCH_EVERY_MS: u64 = 60_000;
/// Keys whose last use is remembered here; beyond it the memory starts afresh.
const TOUCHED_MAX: usize = 10_000;
/// Uses being noted at once; beyond it they are left out.
const TOUCHES_AT_ONCE: usize = 8;

/// The organisation that keys of operators belong to; no tenant's id can be this, as it is from before all time.
pub const PLATFORM: OrganizationId = OrganizationId(uuid::Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000));

/// Use cases of organisations and keys.
#[derive(Clone)]
pub struct Keys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tokens: Option<Arc<dyn TokenVerifier>>,
    /// Hashes of keys that were good once in this process.
    good: Arc<Mutex<QuickSet<[u8; 32]>>>,
    touched: Arc<Mutex<QuickMap<ApiKeyId, Timestamp>>>,
    touches: Arc<Semaphore>,
}

impl Keys {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            tokens: None,
            good: Arc::default(),
            touched: Arc::default(),
            touches: Arc::new(Semaphore::new(TOUCHES_AT_ONCE)),
        }
    }

    /// Lets people in by their tokens too.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<dyn TokenVerifier>) -> Self {
        Self {
            tokens: Some(tokens),
            ..self
        }
    }

    fn good_once(&self) -> MutexGuard<'_, QuickSet<[u8; 32]>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an organisation and its first key, which may do everything. The key can't be shown again.
    pub async fn organization_create(&self, name: &str) -> Result<(Organization, String), Error> {
        let create = OrganizationCreate { name: name.to_owned() };
        let change = Change::by(Scope { organization: PLATFORM }, Actor::command_line());
        let created = self.organization_open(&change, create).await?;
        Ok((created.organization, created.api_key.key))
    }

    /// As `organization_create`, with the record of the key too.
    pub async fn organization_open(
        &self,
        change: &Change,
        create: OrganizationCreate,
    ) -> Result<OrganizationCreated, Error> {
        let now = self.clock.now();
        rules::checked(name_faults(&create.name))?;
        let organization = Organization {
            id: OrganizationId::new(),
            name: create.name,
            created_at: now,
        };
        let scopes = vec![KeyScope::Read, KeyScope::Write, KeyScope::Admin];
        let (record, key) = mint(organization.id, ApiKeyCreate::named("First key", scopes), now);
        let created = OrganizationCreated {
            organization: organization.clone(),
            api_key: ApiKeyCreated {
                record: record.key.clone(),
                key,
            },
        };
        let with = change.note(now, "organization.created", "organization", organization.id)?;
        let with = change.answered(with, &created)?;
        self.store.organization_create(&organization, &record, &with).await?;
        change.stored(with);
        Ok(created)
    }

    /// Makes a key that runs the platform, in an organisation of the platform's own, made with its first key. No
    /// other use case gives this scope.
    pub async fn operator_key_create(&self, create: ApiKeyCreate) -> Result<ApiKeyCreated, Error> {
        let now = self.clock.now();
        rules::checked(key_faults(&create, now))?;
        let create = ApiKeyCreate {
            scopes: vec![KeyScope::Operator],
            ip_allowlist: rules::networks("ip_allowlist", &create.ip_allowlist, &mut Vec::new()),
            ..create
        };
        let (record, key) = mint(PLATFORM, create, now);
        let scope = Scope { organization: PLATFORM };
        let is_known = self.store.organization_fetch(scope).await?.is_some();
        let change = Change::by(scope, Actor::command_line());
        let with = change.note(now, "api_key.created", "api_key", record.key.id)?;
        if is_known {
            self.store.key_create(scope, &record, &with).await?;
        } else {
            let platform = Organization {
                id: PLATFORM,
                name: "Platform".to_owned(),
                created_at: now,
            };
            self.store.organization_create(&platform, &record, &with).await?;
        }
        Ok(ApiKeyCreated {
            record: record.key,
            key,
        })
    }

    /// All organisations, oldest first; for the operator.
    pub async fn organization_list(&self) -> Result<Vec<Organization>, Error> {
        Ok(self.store.organization_list().await?)
    }

    /// Makes a key. It can't be shown again.
    pub async fn key_create(&self, change: &Change, create: ApiKeyCreate) -> Result<ApiKeyCreated, Error> {
        let scope = change.scope;
        let now = self.clock.now();
        rules::checked(key_faults(&create, now))?;
        if create.scopes.contains(&KeyScope::Operator) {
            let refused = "an operator's scope was asked for where the API gives none";
            return Err(Error::internal("key_create", refused));
        }
        let create = ApiKeyCreate {
            ip_allowlist: rules::networks("ip_allowlist", &create.ip_allowlist, &mut Vec::new()),
            ..create
        };
        let (record, key) = mint(scope.organization, create, now);
        let created = ApiKeyCreated {
            record: record.key.clone(),
            key,
        };
        let with = change.note(now, "api_key.created", "api_key", created.record.id)?;
        let with = change.answered(with, &created)?;
        self.store.key_create(scope, &record, &with).await?;
        change.stored(with);
        Ok(created)
    }

    /// A page of the organisation's keys, revoked ones included.
    pub async fn key_list(&self, scope: Scope, page: Page) -> Result<Listing<ApiKey>, Error> {
        Ok(self.store.key_list(scope, page).await?)
    }

    /// One key's record.
    pub async fn key_fetch(&self, scope: Scope, id: &str) -> Result<ApiKey, Error> {
        Ok(self.key_versioned(scope, id).await?.record)
    }

    /// Changes what `update` names. What it does not name is not checked again.
    pub async fn key_update(&self, change: &Change, id: &str, update: ApiKeyUpdate) -> Result<ApiKey, Error> {
        let now = self.clock.now();
        rules::checked(key_update_faults(&update, now))?;
        for _ in 0..SWAPS_MAX {
            let Versioned { mut record, version } = self.key_versioned(change.scope, id).await?;
            if record.revoked_at.is_some() {
                return Err(revoked(record.id));
            }
            change.holds_for("api_key", record.id, &key_version(&record))?;
            overlay(&mut record, &update);
            let with = change.note(now, "api_key.updated", "api_key", record.id)?;
            let with = change.answered(with.fields(&update)?, &record)?;
            if self.store.key_update(change.scope, &record, version, &with).await? {
                change.stored(with);
                return Ok(record);
            }
        }
        Err(Error::contended("change an API key"))
    }

    async fn key_versioned(&self, scope: Scope, id: &str) -> Result<Versioned<ApiKey>, Error> {
        let key = rules::id_in_path("api_key", id)?;
        let found = self.store.key_versioned(scope, key).await?;
        found.ok_or_else(|| Error::not_found("api_key", id))
    }

    /// Ends a key at once. Who revoked it may do so again, which changes nothing.
    pub async fn key_revoke(&self, change: &Change, id: &str) -> Result<(), Error> {
        const ACTION: &str = "api_key.revoked";
        for _ in 0..SWAPS_MAX {
            let Versioned { record, version } = self.key_versioned(change.scope, id).await?;
            let key = record.id;
            if record.revoked_at.is_some() {
                let (store, scope) = (&self.store, change.scope);
                let is_theirs = store
                    .audit_knows(scope, &change.actor, ACTION, &key.to_string())
                    .await?;
                return if is_theirs { Ok(()) } else { Err(revoked(key)) };
            }
            change.holds_for("api_key", key, &key_version(&record))?;
            let now = self.clock.now();
            let with = change.note(now, ACTION, "api_key", key)?;
            if self.store.key_revoke(change.scope, key, version, now, &with).await? {
                return Ok(());
            }
        }
        Err(Error::contended("revoke an API key"))
    }

    fn touch(&self, key: ApiKeyId, now: Timestamp) {
        let Ok(permit) = Arc::clone(&self.touches).try_acquire_owned() else {
            return;
        };
        if !self.is_due(key, now) {
            return;
        }
        let store = Arc::clone(&self.store);
        let noting = async move {
            if let Err(error) = store.key_touch(key, now).await {
                tracing::warn!(error = %error.source, doing = error.doing, "the use of a key was not noted");
            }
            drop(permit);
        };
        tokio::spawn(noting.in_current_span());
    }

    fn is_due(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        if touched
            .get(&key)
            .is_some_and(|last| now.millis().abs_diff(last.millis()) < TOUCH_EVERY_MS)
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
    // Without an early end, so that many bytes are looked at together.
    let is_plain = |all, byte: u8| all & byte.is_ascii_alphanumeric();
    let whole = rest.len() == PREFIX_LEN + SECRET_LEN && rest.bytes().fold(true, is_plain);
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
        ip_allowlist: create.ip_allowlist,
        rate_limits: create.rate_limits,
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

/// A key without what changes by its mere use: what its version is made of.
pub fn key_version(key: &ApiKey) -> ApiKey {
    ApiKey {
        last_used_at: None,
        ..key.clone()
    }
}

fn revoked(key: ApiKeyId) -> Error {
    let facts = [("api_key_id", key.to_string().into()), ("status", "revoked".into())];
    Error::rule(Reason::InvalidState, "The key was revoked.", facts)
}

fn name_faults(name: &str) -> Vec<FieldFault> {
    let fault = |reason, message: &'static str| vec![FieldFault::in_body("/name", reason, message)];
    match name.chars().count() {
        0 => fault(FieldReason::TooShort, "Must not be empty."),
        1..=255 => Vec::new(),
        _ => fault(FieldReason::TooLong, "Must have at most 255 characters."),
    }
}

/// All that breaks the rules of a new key and a schema can't state.
pub fn key_faults(create: &ApiKeyCreate, now: Timestamp) -> Vec<FieldFault> {
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
    rules::networks("ip_allowlist", &create.ip_allowlist, &mut faults);
    if create.ip_allowlist.len() > NETWORKS_MAX {
        let message = format!("Give at most {NETWORKS_MAX} networks.");
        faults.push(FieldFault::in_body("/ip_allowlist", FieldReason::TooLong, message));
    }
    faults.extend(end_fault(create.expires_at, now));
    faults
}

/// All that breaks the rules of a changed key and a schema can't state.
pub fn key_update_faults(update: &ApiKeyUpdate, now: Timestamp) -> Vec<FieldFault> {
    let mut faults = update.name.as_deref().map(name_faults).unwrap_or_default();
    if let Some(Some(written)) = &update.ip_allowlist {
        rules::networks("ip_allowlist", written, &mut faults);
    }
    faults.extend(end_fault(update.expires_at.flatten(), now));
    faults
}

fn end_fault(expires_at: Option<Timestamp>, now: Timestamp) -> Option<FieldFault> {
    expires_at.filter(|at| *at <= now)?;
    let message = format!("Must be later than {now}.");
    let fault = FieldFault::in_body("/expires_at", FieldReason::OutOfRange, message);
    Some(fault.with("min", now.to_string()))
}

fn overlay(key: &mut ApiKey, update: &ApiKeyUpdate) {
    if let Some(name) = &update.name {
        key.name.clone_from(name);
    }
    if let Some(written) = &update.ip_allowlist {
        key.ip_allowlist = rules::networks("ip_allowlist", written.as_deref().unwrap_or_default(), &mut Vec::new());
    }
    if let Some(limits) = update.rate_limits {
        key.rate_limits = limits.unwrap_or_default();
    }
    if let Some(expires_at) = update.expires_at {
        key.expires_at = expires_at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_have_a_prefix() {
        let (record, key) = mint(
            OrganizationId::new(),
            ApiKeyCreate::named("k", vec![KeyScope::Read]),
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
