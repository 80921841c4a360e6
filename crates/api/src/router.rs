//! Puts routes, gates and the envelope together.

use axum::{
    Extension, Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use contract::KeyScope;
use hyper::StatusCode;

use crate::{
    App, RequestContext, document, envelope,
    gate::{Gate, GateLayer},
    health,
    operation::Operation,
    pages, routes,
};

/// Where API keys and users come in.
pub(crate) const PUBLIC: &str = "/api/public/v1";

/// The same, and what only administrators do.
pub(crate) const ADMINISTRATION: &str = "/api/v1";

/// What runs the platform, across organisations.
pub(crate) const OPERATOR: &str = "/api/operator/v1";

/// Everything that is served.
pub fn router(app: App) -> Front {
    router_with(app, Router::new())
}

/// Everything that is served, and routes of the caller's own inside the same envelope but before no gate; tests
/// use them to make the server fail.
pub fn router_with(app: App, own: Router) -> Front {
    let all = routes::public().into_iter().chain(routes::administration()).collect();
    let routes = Router::new()
        .merge(gated(&app, PUBLIC, KeyScope::Read, routes::public()))
        .merge(gated(&app, ADMINISTRATION, KeyScope::Admin, all))
        .merge(gated(&app, OPERATOR, KeyScope::Operator, routes::operator()))
        .merge(open(signed()))
        .merge(open(document::routes()))
        .merge(open(pages::routes()))
        .merge(open(health::routes()))
        .method_not_allowed_fallback(no_such_method)
        .with_state(app.clone())
        .merge(open(own));
    Front { app, routes }
}

/// Everything that is served, within the envelope.
#[derive(Clone)]
pub struct Front {
    app: App,
    routes: Router,
}

impl Front {
    /// The answer to a request.
    pub async fn answer(&self, request: Request) -> Response {
        envelope::envelope(&self.app, request, self.routes.clone()).await
    }
}

/// A gate stands before each operation by itself: it knows what the operation needs without looking it up, and what
/// the router refuses, such as a method that a path does not know, comes before credentials count.
fn gated(app: &App, base: &'static str, floor: KeyScope, operations: Vec<Operation>) -> Router<App> {
    operations.into_iter().fold(Router::new(), |router, operation| {
        let gate = Gate {
            app: app.clone(),
            needs: operation.needs(),
            base,
            floor,
        };
        let (path, route) = operation.into_route();
        router.route(&format!("{base}{path}"), route.route_layer(GateLayer::new(gate)))
    })
}

/// What is known by a signature of its own, with whole paths.
fn signed() -> Router<App> {
    routes::signed().into_iter().fold(Router::new(), |router, operation| {
        let (path, route) = operation.into_route();
        router.route(&path, route)
    })
}

/// Routes before which no gate stands.
fn open<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    // A layer of no routes is taken for a mistake.
    if routes.has_routes() {
        routes.route_layer(from_fn(note_route))
    } else {
        routes
    }
}

/// Tells which route answers, for the log: the path itself may hold ids that are nobody's business.
async fn note_route(context: Extension<RequestContext>, route: MatchedPath, request: Request, next: Next) -> Response {
    context.came_to(Some(&route));
    next.run(request).await
}

/// axum adds `Allow`.
async fn no_such_method(context: Extension<RequestContext>, route: Option<MatchedPath>) -> StatusCode {
    context.came_to(route.as_ref());
    StatusCode::METHOD_NOT_ALLOWED
}
