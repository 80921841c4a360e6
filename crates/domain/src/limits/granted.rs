//! What operators grant single organisations instead of the configured limits.

use std::sync::{Arc, Mutex, PoisonError};

use contract::{OrganizationId, OrganizationLimits, Timestamp};

use crate::{
    Change, Error,
    change::SWAPS_MAX,
    organizations::tenant,
    ports::{Clock, LimitStore},
    quick::QuickMap,
    records::Scope,
};

/// How long a grant is believed without asking again: another node may have set it.
const BELIEVED_MS: u64 = 10_000;
/// Organisations whose grants are remembered; beyond it the memory starts afresh.
const REMEMBERED_MAX: usize = 10_000;

/// Use cases of granted limits.
#[derive(Clone)]
pub struct GrantedLimits {
    store: Arc<dyn LimitStore>,
    clock: Arc<dyn Clock>,
    remembered: Arc<Mutex<QuickMap<OrganizationId, (Timestamp, OrganizationLimits)>>>,
}

impl GrantedLimits {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn LimitStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            remembered: Arc::default(),
        }
    }

    /// What an organisation was granted, as of some seconds ago at most. One that is not there was granted nothing.
    pub async fn of(&self, scope: Scope, now: Timestamp) -> Result<OrganizationLimits, Error> {
        if let Some(limits) = self.recall(scope.organization, now) {
            return Ok(limits);
        }
        let limits = self.store.limits_fetch(scope).await?.unwrap_or_default();
        self.remember(scope.organization, now, limits);
        Ok(limits)
    }

    /// For the operator: as it is now.
    pub async fn limits_fetch(&self, organization: &str) -> Result<OrganizationLimits, Error> {
        let scope = tenant(organization)?;
        let found = self.store.limits_fetch(scope).await?;
        found.ok_or_else(|| Error::not_found("organization", organization))
    }

    /// Sets all of an organisation's limits. On this node they hold at once, on others within seconds. The entry in
    /// the audit log is the organisation's.
    pub async fn limits_set(
        &self,
        change: &Change,
        organization: &str,
        limits: OrganizationLimits,
    ) -> Result<OrganizationLimits, Error> {
        let scope = tenant(organization)?;
        for _ in 0..SWAPS_MAX {
            let present = self.limits_fetch(organization).await?;
            change.holds_for("organization_limits", scope.organization, &present)?;
            let now = self.clock.now();
            let noted = change.note(now, "organization.limits_set", "organization", scope.organization)?;
            let noted = noted.fields(&limits)?;
            if self.store.limits_set(scope, &present, &limits, &noted).await? {
                self.remember(scope.organization, now, limits);
                return Ok(limits);
            }
        }
        Err(Error::contended("set an organisation's limits"))
    }

    fn recall(&self, organization: OrganizationId, now: Timestamp) -> Option<OrganizationLimits> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, limits) = remembered.get(&organization)?;
        // Whichever way the clock jumped, what is far from now is asked for again.
        (now.millis().abs_diff(at.millis()) < BELIEVED_MS).then_some(*limits)
    }

    fn remember(&self, organization: OrganizationId, now: Timestamp, limits: OrganizationLimits) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(organization, (now, limits));
    }
}
