//! `GET /audit-log`

use axum::{extract::State, response::Response};
use contract::{AuditActor, AuditActorType, AuditLogEntry, KeyScope, ListEnvelope, Timestamp};
use domain::{
    Actor,
    change::AuditEntry,
    records::{AuditFilter, Listing},
};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiQuery, gate::Caller, operation::Operation, reply::list_query};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Admin, routes!(audit_list), &[])
}

list_query! {
    /// Which changes, and which page of them. Filters are exact.
    AuditQuery {
        /// By this key or person.
        actor_id: String,
        /// Such as `agent.created`.
        action: String,
        /// Of this thing.
        resource_id: String,
        /// At that time or later.
        since: Timestamp,
        /// Before that time.
        until: Timestamp,
    }
}

/// List changes
///
/// Who changed what, newest first. Written together with each change, and never changed.
#[utoipa::path(
    get,
    path = "/audit-log",
    tag = "Audit log",
    params(AuditQuery),
    responses((status = 200, description = "A page of changes", body = ListEnvelope<AuditLogEntry>)),
)]
pub(crate) async fn audit_list(
    caller: Caller,
    State(app): State<App>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Response, Problem> {
    let page = query.page_query();
    let filter = AuditFilter {
        actor_id: query.actor_id,
        action: query.action,
        resource_id: query.resource_id,
        since: query.since,
        until: query.until,
    };
    let Listing { items, total } = app.audit().audit_list(caller.scope, filter, page.page()).await?;
    let items = items.into_iter().map(shown).collect();
    Ok(caller.list(&page, Listing { items, total }, |entry| entry.id))
}

fn shown(entry: AuditEntry) -> AuditLogEntry {
    let actor_type = match entry.actor {
        Actor::Key(_) => AuditActorType::Key,
        Actor::User(_) => AuditActorType::User,
        Actor::Operator(_) => AuditActorType::Operator,
        Actor::Provider(_) => AuditActorType::Provider,
        Actor::System => AuditActorType::System,
    };
    AuditLogEntry {
        id: entry.id,
        at: entry.at,
        actor: AuditActor {
            actor_type,
            id: Some(entry.actor.id()).filter(|id| !id.is_empty()),
        },
        ip: entry.address.map(|address| address.to_string()),
        request_id: entry.request,
        action: entry.action,
        resource: entry.resource,
        resource_id: entry.resource_id,
        fields: entry.fields,
    }
}
