//! Puts routes, gates and the envelope together.

mod table;

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use contract::KeyScope;
use hyper::StatusCode;
use tower::Service as _;

use self::table::Table;
use crate::{
    App, RequestContext, document, envelope,
    gate::{Gate, Gated, Refused},
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
/// use them to make the server fail. At the path of an operation only operations answer.
pub fn router_with(app: App, own: Router) -> Front {
    let all = routes::public().into_iter().chain(routes::administration()).collect();
    let mut operations = Table::default();
    for (base, floor, behind) in [
        (PUBLIC, KeyScope::Read, routes::public()),
        (ADMINISTRATION, KeyScope::Admin, all),
        (OPERATOR, KeyScope::Operator, routes::operator()),
    ] {
        for operation in behind {
            add_gated(&mut operations, &app, base, floor, operation);
        }
    }
    let others = Router::new()
        .merge(open(signed()))
        .merge(open(document::routes()))
        .merge(open(pages::routes()))
        .merge(open(health::routes()))
        .method_not_allowed_fallback(no_such_method)
        .with_state(app.clone())
        .merge(open(own));
    Front(Arc::new(Served {
        app,
        operations,
        others,
    }))
}

/// Everything that is served, within the envelope.
#[derive(Clone)]
pub struct Front(Arc<Served>);

struct Served {
    app: App,
    /// What stands behind a gate.
    operations: Table,
    /// What does not: pages, documents, health, webhooks.
    others: Router,
}

impl Front {
    /// The answer to a request from `peer`, the other end of its connection.
    pub async fn answer(&self, request: Request, peer: IpAddr) -> Response {
        envelope::envelope(&self.0.app, request, peer, self).await
    }

    /// What answers at the path of a request, without the envelope round it.
    pub(crate) async fn routed(&self, context: &RequestContext, mut request: Request) -> Result<Response, Refused> {
        let Some(place) = self.0.operations.find(&request) else {
            request.extensions_mut().insert(context.clone());
            let mut others = self.0.others.clone();
            // A router is always ready, and does not fail.
            let answered = others.call(request).await;
            return Ok(answered.unwrap_or_else(|never| match never {}));
        };
        context.came_to(&place.route);
        match place.operation(request.method()) {
            // Kept apart, so that the envelope's own room stays small: it is moved with every request.
            Some(operation) => Box::pin(operation.pass(context, request)).await,
            None => Ok(place.other_methods()),
        }
    }
}

/// A gate stands before each operation by itself: it knows what the operation needs without looking it up, and a
/// method that a path does not know is refused before credentials count.
fn add_gated(operations: &mut Table, app: &App, base: &'static str, floor: KeyScope, operation: Operation) {
    let gate = Gate {
        app: app.clone(),
        needs: operation.needs(),
        base,
        floor,
    };
    let (path, method, handler) = operation.into_handler(app);
    operations.add(&format!("{base}{path}"), method, Gated { gate, handler });
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
    context.came_to(&route.as_str().into());
    next.run(request).await
}

/// axum adds `Allow`.
async fn no_such_method(context: Extension<RequestContext>, route: Option<MatchedPath>) -> StatusCode {
    if let Some(route) = route {
        context.came_to(&route.as_str().into());
    }
    StatusCode::METHOD_NOT_ALLOWED
}
