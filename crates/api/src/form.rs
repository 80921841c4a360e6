//! Bodies of requests, and the rules of use cases that need nothing but the request: so that what the schema finds
//! and what they find is told at once.

use contract::{
    AgentCreate, AgentUpdate, ApiKeyCreate, ApiKeyUpdate, CallCreate, CreditsGrant, Empty, FieldFault, MemberCreate,
    MemberUpdate, NumberAssign, NumberImport, NumberUnassign, OrganizationCreate, OrganizationLimits,
    OrganizationUpdate, SubscriptionStart, TrialStart, TrunkCreate, TrunkUpdate,
};
use domain::{
    billing::grant_faults,
    calls,
    keys::{self, key_update_faults},
    organizations::member_faults,
    telephony,
};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::App;

/// A body that a request can have.
pub(crate) trait Form: ToSchema + DeserializeOwned + 'static {
    /// What breaks rules of its use case, asked together with the schema and so before anything is looked up. Who comes
    /// past no form asks the use case, which checks by itself.
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        Vec::new()
    }
}

impl Form for AgentCreate {
    fn faults(&self, app: &App) -> Vec<FieldFault> {
        app.agents().create_faults(self)
    }
}

impl Form for AgentUpdate {
    fn faults(&self, app: &App) -> Vec<FieldFault> {
        app.agents().update_faults(self).unwrap_or_default()
    }
}

impl Form for CallCreate {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        calls::call_faults(self)
    }
}

impl Form for TrunkCreate {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        telephony::trunk_faults(self)
    }
}

impl Form for TrunkUpdate {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        telephony::trunk_update_faults(self)
    }
}

impl Form for NumberImport {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        telephony::import_faults(self)
    }
}

impl Form for ApiKeyCreate {
    fn faults(&self, app: &App) -> Vec<FieldFault> {
        keys::key_faults(self, app.clock().now())
    }
}

impl Form for Empty {}
impl Form for NumberAssign {}
impl Form for NumberUnassign {}
impl Form for OrganizationCreate {}
impl Form for TrialStart {}
impl Form for SubscriptionStart {}

impl Form for OrganizationLimits {}
impl Form for OrganizationUpdate {}
impl Form for MemberUpdate {}

impl Form for CreditsGrant {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        grant_faults(self)
    }
}

impl Form for MemberCreate {
    fn faults(&self, _app: &App) -> Vec<FieldFault> {
        member_faults(self)
    }
}

impl Form for ApiKeyUpdate {
    fn faults(&self, app: &App) -> Vec<FieldFault> {
        key_update_faults(self, app.clock().now())
    }
}
