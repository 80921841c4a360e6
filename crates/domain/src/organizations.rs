//! An organisation as its own people see it, and as those who run the platform do.

mod members;

use std::sync::Arc;

use contract::{OrganizationId, OrganizationUpdate};

use crate::{
    Change, Error,
    change::SWAPS_MAX,
    keys::PLATFORM,
    ports::{Clock, Store},
    records::{Listing, Organization, Page, Scope, Versioned},
    rules,
};

pub use members::member_faults;

/// Use cases of organisations and their members.
#[derive(Clone)]
pub struct Organizations {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Organizations {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The organisation itself.
    pub async fn organization_fetch(&self, scope: Scope) -> Result<Organization, Error> {
        Ok(self.versioned(scope).await?.record)
    }

    /// Changes what `update` names.
    pub async fn organization_update(
        &self,
        change: &Change,
        update: OrganizationUpdate,
    ) -> Result<Organization, Error> {
        for _ in 0..SWAPS_MAX {
            let Versioned { mut record, version } = self.versioned(change.scope).await?;
            change.holds_for("organization", record.id, &record)?;
            if let Some(name) = &update.name {
                record.name.clone_from(name);
            }
            let with = change.note(self.clock.now(), "organization.updated", "organization", record.id)?;
            let with = change.answered(with.fields(&update)?, &record)?;
            if self.store.organization_update(&record, version, &with).await? {
                change.stored(with);
                return Ok(record);
            }
        }
        Err(Error::contended("change an organisation"))
    }

    /// A page of all organisations; for operators.
    pub async fn organization_page(&self, page: Page) -> Result<Listing<Organization>, Error> {
        Ok(self.store.organization_page(page).await?)
    }

    /// One organisation of all; for operators.
    pub async fn organization_of_all(&self, id: &str) -> Result<Organization, Error> {
        let found = self.store.organization_fetch(tenant(id)?).await?;
        found
            .map(|found| found.record)
            .ok_or_else(|| Error::not_found("organization", id))
    }

    /// Whoever asks belongs to it, so it is there.
    async fn versioned(&self, scope: Scope) -> Result<Versioned<Organization>, Error> {
        let found = self.store.organization_fetch(scope).await?;
        found.ok_or_else(|| Error::internal("read an organisation", "its own credentials outlived it"))
    }
}

/// The organisation that an operator names. The platform's own is none of those: it holds the operators' keys, which
/// have ways of their own.
pub(crate) fn tenant(id: &str) -> Result<Scope, Error> {
    let organization: OrganizationId = rules::id_in_path("organization", id)?;
    if organization == PLATFORM {
        return Err(Error::not_found("organization", id));
    }
    Ok(Scope { organization })
}
