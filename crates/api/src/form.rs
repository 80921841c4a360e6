//! Bodies of requests, and the rules of use cases that need nothing but the request: so that what the schema finds
//! and what they find is told at once.

use contract::{
    AgentCreate, AgentUpdate, ApiKeyCreate, CallCreate, FieldFault, NumberAssign, NumberImport, NumberUnassign,
    TrunkCreate, TrunkUpdate,
};
use domain::{calls, telephony};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::App;

/// A body that a request can have.
pub(crate) trait Form: ToSchema + DeserializeOwned + 'static {
    /// What breaks rules of its use case, asked only beside faults of the schema: the use case checks by itself.
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

impl Form for TrunkUpdate {}
impl Form for NumberImport {}
impl Form for NumberAssign {}
impl Form for NumberUnassign {}
impl Form for ApiKeyCreate {}
