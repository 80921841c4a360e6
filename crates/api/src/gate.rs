//! What stands between a route and its handler, in the contract's order: credentials, source address, rate, scope.

mod address;
mod credentials;
mod rates;

use std::{net::IpAddr, pin::pin, time::Duration};

use axum::{
    extract::{FromRequestParts, Request},
    response::Response,
    routing::Route,
};
use contract::{KeyScope, MemberRole, Reason};
use domain::{
    Actor,
    keys::{self, Who},
    records::Scope,
};
use hyper::{HeaderMap, http::request::Parts};

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
    reply::HEADERS,
};

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

/// A handler behind its gate.
pub(crate) struct Gated {
    pub(crate) gate: Gate,
    pub(crate) handler: Route,
}

/// What is answered in place of an operation's own answer.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    /// Beside the problem's own: how the caller stands.
    pub(crate) headers: HeaderMap,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let headers = HeaderMap::with_capacity(HEADERS);
        Self { problem, headers }
    }
}

/// The time in which an answer has to have begun.
fn patience(gate: &Gate) -> Duration {
    Duration::from_millis(gate.app.config().request_timeout_ms)
}

impl Gated {
    /// Lets a request through to its handler, or answers in its place. All of it has one deadline.
    pub(crate) async fn pass(&self, context: &RequestContext, request: Request) -> Result<Response, Refused> {
        let after = patience(&self.gate);
        let mut standing = LimitHeaders::default();
        let answered = {
            let passing = pin!(self.pass_in_time(context, request, &mut standing));
            within(after, passing).await
        };
        let mut refused = match answered {
            Ok(Ok(mut response)) => {
                standing.put(response.headers_mut());
                return Ok(response);
            }
            Ok(Err(problem)) => Refused::from(problem),
            Err(Late) => Problem::timeout(format!("no answer within {after:?}")).into(),
        };
        standing.put(&mut refused.headers);
        Err(refused)
    }

    /// `standing` is how the caller stands, once that is known; it belongs to whatever answer comes.
    async fn pass_in_time(
        &self,
        context: &RequestContext,
        mut request: Request,
        standing: &mut LimitHeaders,
    ) -> Result<Response, Problem> {
        let gate = &self.gate;
        let needs = gate.needs;
        let source = Source::of(context.peer(), request.headers(), &gate.app.config().trusted_proxies);
        context.comes_from(source.address);
        let caller = credentials::authenticate(&gate.app, request.headers(), source.address).await?;
        context.belongs_to(caller.scope.organization);
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
        let room = rates::Room::of(needs, context, &request, allowed.is_ok());
        let admitted;
        (*standing, admitted) = rates::admit(&gate.app, &caller, room).await;
        let _place = admitted?;
        allowed?;
        gate.introduce(context, &caller, address, &mut request);
        Ok(conditions(&gate.app, needs, request, &self.handler).await)
    }
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

    fn introduce(&self, context: &RequestContext, caller: &keys::Caller, address: IpAddr, request: &mut Request) {
        request.extensions_mut().insert(Caller {
            scope: caller.scope,
            base: self.base,
            context: context.clone(),
            actor: caller.actor(),
            authority: caller.authority(),
            address,
            conditions: Conditions::default(),
        });
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
pub(crate) fn source_address(app: &App, context: &RequestContext, request: &Request) -> IpAddr {
    Source::of(context.peer(), request.headers(), &app.config().trusted_proxies).address
}
