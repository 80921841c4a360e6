//! What stands between a route and its handler, in the contract's order: credentials, source address, rate, scope.

mod address;
mod credentials;
mod rates;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request},
    response::{IntoResponse, Response},
    routing::Route,
};
use contract::{KeyScope, MemberRole, Reason};
use domain::{
    Actor,
    keys::{self, Who},
    records::Scope,
};
use futures_util::future::BoxFuture;
use hyper::http::request::Parts;
use tower::{Layer, Service};

use self::address::Source;
pub(crate) use self::credentials::refused;
use crate::{
    App, Problem, RequestContext,
    changing::Conditions,
    conditions::conditions,
    lazily::{Late, within},
    limits::LimitHeaders,
    operation::Needs,
    problem::insufficient_role,
};

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks, once that is known, from where, and through which base path.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) scope: Scope,
    pub(crate) base: &'static str,
    pub(crate) context: RequestContext,
    /// For records of what they change.
    pub(crate) actor: Actor,
    /// The role with which they manage members.
    pub(crate) authority: MemberRole,
    /// Where they ask from, behind trusted proxies too.
    pub(crate) address: IpAddr,
    /// When what they ask may be done.
    pub(crate) conditions: Conditions,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::internal("a handler without the gate before it"))
    }
}

/// What the gate of one operation knows.
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) needs: Needs,
    pub(crate) base: &'static str,
    /// What a key needs at least for every operation under this base.
    pub(crate) floor: KeyScope,
}

/// Puts a gate before a handler.
#[derive(Clone)]
pub(crate) struct GateLayer(Arc<Gate>);

impl GateLayer {
    pub(crate) fn new(gate: Gate) -> Self {
        Self(Arc::new(gate))
    }
}

impl Layer<Route> for GateLayer {
    type Service = Gated;

    fn layer(&self, handler: Route) -> Gated {
        Gated {
            gate: Arc::clone(&self.0),
            handler,
        }
    }
}

/// A handler behind its gate.
#[derive(Clone)]
pub(crate) struct Gated {
    gate: Arc<Gate>,
    handler: Route,
}

impl Service<Request> for Gated {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { gate, handler } = self.clone();
        Box::pin(async move { Ok(pass(&gate, request, handler).await) })
    }
}

/// The time in which an answer has to have begun.
fn patience(gate: &Gate) -> Duration {
    Duration::from_millis(gate.app.config().request_timeout_ms)
}

/// Lets a request through to its handler, or answers in its place. All of it has one deadline.
async fn pass(gate: &Gate, request: Request, handler: Route) -> Response {
    let after = patience(gate);
    let mut standing = LimitHeaders::default();
    let answered = {
        let passing = pin!(pass_in_time(gate, request, handler, &mut standing));
        within(after, passing).await
    };
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(Late) => Problem::timeout(format!("no answer within {after:?}")).into_response(),
    };
    standing.put(response.headers_mut());
    response
}

/// `standing` is how the caller stands, once that is known; it belongs to whatever answer comes.
async fn pass_in_time(
    gate: &Gate,
    mut request: Request,
    handler: Route,
    standing: &mut LimitHeaders,
) -> Result<Response, Problem> {
    let needs = gate.needs;
    let source = Source::of(peer(&request), request.headers(), &gate.app.config().trusted_proxies);
    if let Some(context) = request.extensions().get::<RequestContext>() {
        context.comes_from(source.address);
        context.came_to(request.extensions().get::<MatchedPath>());
    }
    let caller = credentials::authenticate(&gate.app, request.headers(), source.address).await?;
    if let Some(context) = request.extensions().get::<RequestContext>() {
        context.belongs_to(caller.scope.organization);
    }
    let address = match source.known().and_then(|address| address_check(&caller, address)) {
        Ok(address) => address,
        Err(problem) => {
            // Known all the same, so the answer tells how they stand; it costs them nothing.
            // The refusal itself must not be late for it.
            let looking = pin!(rates::look(&gate.app, &caller));
            *standing = within(patience(gate) / 2, looking).await.unwrap_or_default();
            return Err(problem);
        }
    };
    gate.app.keys().note_use(&caller);
    let allowed = gate.scope_check(&caller, needs.scope);
    let room = rates::Room::of(needs, &request, allowed.is_ok());
    let admitted;
    (*standing, admitted) = rates::admit(&gate.app, &caller, room).await;
    let _place = admitted?;
    allowed?;
    gate.introduce(&caller, address, &mut request)?;
    Ok(conditions(&gate.app, needs, request, handler).await)
}

impl Gate {
    /// Keys need what the base asks for at least, and people a role with the rights that the operation needs.
    fn scope_check(&self, caller: &keys::Caller, needed: KeyScope) -> Result<(), Problem> {
        let (needed, role) = match &caller.who {
            Who::Key { .. } => (needed.max(self.floor), None),
            Who::User { .. } => (needed, MemberRole::with_scope(needed)),
        };
        if caller.may(needed) {
            return Ok(());
        }
        if let Some(role) = role {
            return Err(insufficient_role(role));
        }
        let message = format!("This needs an API key with the scope {}.", needed.name());
        Err(Problem::new(Reason::InsufficientScope, message).with("required_scope", needed.name()))
    }

    fn introduce(&self, caller: &keys::Caller, address: IpAddr, request: &mut Request) -> Result<(), Problem> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let context = context.ok_or_else(|| Problem::internal("a gate without the envelope round it"))?;
        request.extensions_mut().insert(Caller {
            scope: caller.scope,
            base: self.base,
            context,
            actor: caller.actor(),
            authority: caller.authority(),
            address,
            conditions: Conditions::default(),
        });
        Ok(())
    }
}

/// A key may be held to networks; people come from everywhere.
fn address_check(caller: &keys::Caller, address: IpAddr) -> Result<IpAddr, Problem> {
    let is_allowed = match &caller.who {
        Who::Key { ip_allowlist, .. } => {
            ip_allowlist.is_empty() || ip_allowlist.iter().any(|network| network.contains(address))
        }
        Who::User { .. } => true,
    };
    if is_allowed {
        return Ok(address);
    }
    let message = format!("The API key may not be used from {address}.");
    Err(Problem::new(Reason::IpNotAllowed, message).with("ip", address.to_string()))
}

/// Where a request comes from before which no gate stands; the last hop that is known, where a proxy wrote nonsense.
pub(crate) fn source_address(app: &App, request: &Request) -> IpAddr {
    Source::of(peer(request), request.headers(), &app.config().trusted_proxies).address
}

fn peer(request: &Request) -> IpAddr {
    request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}
