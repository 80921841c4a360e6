//! Who changed what. Written by the store with each change; here it is only read.

use std::sync::Arc;

use crate::{
    Error,
    change::AuditEntry,
    ports::Store,
    records::{AuditFilter, Listing, Page, Scope},
};

/// Use cases of the audit log.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
}

impl Audit {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A page of the organisation's log.
    pub async fn audit_list(
        &self,
        scope: Scope,
        filter: AuditFilter,
        page: Page,
    ) -> Result<Listing<AuditEntry>, Error> {
        Ok(self.store.audit_list(scope, filter, page).await?)
    }
}
