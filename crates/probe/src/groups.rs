//! What is asked, group by group.

mod bodies;
mod credentials;
mod documentation;
mod headers;
mod ids;
mod lists;
mod order;
pub(crate) mod patience;
mod queries;
mod remains;
mod routes;
mod tags;
mod wire;
mod writes;
mod writes_keys;

use crate::session::Session;

/// An id that names nothing.
pub(crate) fn nobody() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Every group there is.
pub const NAMES: &[&str] = &[
    "documentation",
    "routes",
    "credentials",
    "order",
    "ids",
    "queries",
    "bodies",
    "headers",
    "lists",
    "versions",
    "wire",
    "writes",
    "patience",
];

/// Every group that is wanted but the patient one, which runs beside them.
pub(crate) async fn all(session: &mut Session) {
    documentation::catalogue(session).await;
    for group in NAMES {
        if !session.wants(group) {
            continue;
        }
        session.begin(group);
        // Futures of their own on the heap: together they would be too large for a stack.
        match *group {
            "documentation" => documentation::document(session),
            "routes" => Box::pin(routes::run(session)).await,
            "credentials" => Box::pin(credentials::run(session)).await,
            "order" => Box::pin(order::run(session)).await,
            "ids" => Box::pin(ids::run(session)).await,
            "queries" => Box::pin(queries::run(session)).await,
            "bodies" => Box::pin(bodies::run(session)).await,
            "headers" => Box::pin(headers::run(session)).await,
            "lists" => Box::pin(lists::run(session)).await,
            "versions" => Box::pin(tags::run(session)).await,
            "wire" => Box::pin(wire::run(session)).await,
            "writes" => Box::pin(writes::run(session)).await,
            _ => {}
        }
    }
    if session.wants("documentation") {
        documentation::pages(session).await;
    }
}
