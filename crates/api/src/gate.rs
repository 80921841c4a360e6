//! What stands between a route and its handler, in the contract's order: credentials, rate, scope.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{KeyScope, Reason};
use domain::{
    keys::{self, AuthenticationError, KeyRefusal},
    records::Scope,
};
use hyper::{HeaderMap, Method, header::AUTHORIZATION, http::request::Parts};

use crate::{App, Problem, RequestContext, operation::Operations};

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks, once that is known, and through which base path.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) scope: Scope,
    pub(crate) base: &'static str,
    pub(crate) context: RequestContext,
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

/// What the gate of one base path knows.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) operations: Arc<Operations>,
    pub(crate) base: &'static str,
    /// What every operation under this base needs at least.
    pub(crate) floor: KeyScope,
}

/// Lets a request through to its handler, or answers in its place.
pub(crate) async fn gate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(needed) = gate.scope_needed(&request) else {
        // The path exists and the method does not: the router says so, before credentials count.
        return next.run(request).await;
    };
    let (token, address) = (bearer(request.headers()), address(&request));
    let caller = match authenticate(&gate.app, token, address).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let (headers, admitted) = gate.app.limiter().admit(caller.scope.organization, caller.key);
    let admitted = admitted.and_then(|()| scope_check(&caller, needed));
    let mut response = match admitted.and_then(|()| gate.introduce(&caller, &mut request)) {
        Ok(()) => within_deadline(&gate.app, request, next).await,
        Err(problem) => problem.into_response(),
    };
    headers.put(response.headers_mut());
    response
}

async fn within_deadline(app: &App, request: Request, next: Next) -> Response {
    let deadline = Duration::from_millis(app.config().request_timeout_ms);
    let answered = tokio::time::timeout(deadline, next.run(request)).await;
    answered.unwrap_or_else(|_| Problem::timeout(format!("no answer within {deadline:?}")).into_response())
}

impl Gate {
    /// What the operation needs; `None` when the path knows no such method.
    fn scope_needed(&self, request: &Request) -> Option<KeyScope> {
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let route = route.strip_prefix(self.base).unwrap_or(route);
        let is_head = request.method() == Method::HEAD;
        let method = if is_head { &Method::GET } else { request.method() };
        self.operations
            .scope_of(method, route)
            .map(|needed| needed.max(self.floor))
    }

    fn introduce(&self, caller: &keys::Caller, request: &mut Request) -> Result<(), Problem> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let context = context.ok_or_else(|| Problem::internal("a gate without the envelope round it"))?;
        request.extensions_mut().insert(Caller {
            scope: caller.scope,
            base: self.base,
            context,
        });
        Ok(())
    }
}

fn scope_check(caller: &keys::Caller, needed: KeyScope) -> Result<(), Problem> {
    if caller.may(needed) {
        return Ok(());
    }
    let message = format!("The API key needs the scope {} for this.", needed.name());
    Err(Problem::new(Reason::InsufficientScope, message).with("required_scope", needed.name()))
}

async fn authenticate(app: &App, token: Result<Option<String>, ()>, address: IpAddr) -> Result<keys::Caller, Problem> {
    let refusal = match token {
        Ok(None) => {
            return Err(Problem::unauthorized(
                Reason::MissingCredentials,
                "No credentials were given.",
            ));
        }
        Ok(Some(token)) => match app.keys().authenticate(&token).await {
            Ok(caller) => return Ok(caller),
            Err(AuthenticationError::Refused(refusal)) => reason(refusal, &token),
            Err(AuthenticationError::Store(error)) => return Err(domain::Error::from(error).into()),
        },
        Err(()) => Reason::MalformedCredentials,
    };
    app.attempts().failed(address)?;
    Err(Problem::unauthorized(refusal, sentence(refusal)))
}

/// `Ok(None)` without a header; `Err` when it is there and isn't one bearer token.
fn bearer(headers: &HeaderMap) -> Result<Option<String>, ()> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let value = value.to_str().map_err(|_| ())?;
    let (scheme, token) = value.split_once(' ').ok_or(())?;
    let token = token.trim();
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
    if is_bearer && given.next().is_none() {
        Ok(Some(token.to_owned()))
    } else {
        Err(())
    }
}

fn reason(refusal: KeyRefusal, token: &str) -> Reason {
    match refusal {
        // Three parts with dots between: a JWT. No issuer is configured, so none is valid.
        KeyRefusal::Malformed if token.split('.').count() == 3 => Reason::InvalidToken,
        KeyRefusal::Malformed => Reason::MalformedCredentials,
        KeyRefusal::Invalid => Reason::InvalidApiKey,
        KeyRefusal::Revoked => Reason::RevokedApiKey,
        KeyRefusal::Expired => Reason::ExpiredApiKey,
    }
}

fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidToken => "The token is not valid here.",
        Reason::InvalidApiKey => "There is no such API key.",
        Reason::RevokedApiKey => "The API key was revoked.",
        Reason::ExpiredApiKey => "The API key has expired.",
        _ => "The Authorization header does not hold one bearer token of ours.",
    }
}

fn address(request: &Request) -> IpAddr {
    request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}
