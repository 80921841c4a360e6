//! Puts routes, gates and the envelope together.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
use contract::KeyScope;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    App, document, envelope,
    gate::{self, Gate},
    health,
    operation::{Operation, Operations},
    pages, routes,
};

/// Where API keys and users come in.
pub(crate) const PUBLIC: &str = "/api/public/v1";

/// The same, and what only administrators do.
pub(crate) const ADMINISTRATION: &str = "/api/v1";

/// Everything that is served.
pub fn router(app: App) -> Router {
    router_with(app, Router::new())
}

/// Everything that is served, and routes of the caller's own inside the same envelope but before no gate; tests
/// use them to make the server fail.
pub fn router_with(app: App, own: Router) -> Router {
    let public = gated(&app, PUBLIC, KeyScope::Read, routes::public());
    let all = routes::public().into_iter().chain(routes::administration()).collect();
    let administration = gated(&app, ADMINISTRATION, KeyScope::Admin, all);
    let inner = Router::new()
        .nest(PUBLIC, public)
        .nest(ADMINISTRATION, administration)
        .merge(document::routes())
        .merge(pages::routes())
        .merge(health::routes())
        .with_state(app.clone())
        .merge(own)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(envelope::note_route));
    // A service inside of another router: axum adds `Allow` outside of a router's own layers, and the envelope has
    // to see it.
    Router::new()
        .fallback_service(inner)
        .layer(from_fn_with_state(app, envelope::envelope))
}

fn gated(app: &App, base: &'static str, floor: KeyScope, operations: Vec<Operation>) -> Router<App> {
    let mut known = Operations::default();
    let router: OpenApiRouter<App> = known.mount(operations);
    let gate = Gate {
        app: app.clone(),
        operations: Arc::new(known),
        base,
        floor,
    };
    let (router, _) = router.split_for_parts();
    router.route_layer(from_fn_with_state(gate, gate::gate))
}
