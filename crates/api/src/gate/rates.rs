//! The stage of rates: windows, the organisation's share of the server, and its calls.

use axum::extract::Request;
use contract::OrganizationId;
use domain::{keys, places::Place, records::Scope};

use crate::{
    App, Problem, RequestContext,
    conditions::{key_of, route_of},
    limits::{Asker, LimitHeaders},
    operation::Needs,
};

/// What is known of a request that needs a place for a call. It is decided when the call is made; but a full
/// organisation is told so before anything else about the request is.
pub(super) struct Room {
    /// Route and idempotency key of a request that may already have the answer that it asks for.
    keyed: Option<(String, String)>,
}

impl Room {
    /// `None` where no call is placed.
    pub(super) fn of(needs: Needs, context: &RequestContext, request: &Request, is_allowed: bool) -> Option<Self> {
        if !needs.room_for_a_call {
            return None;
        }
        let key = key_of(request.headers()).ok().flatten().filter(|_| is_allowed);
        let route = context.route().map(|route| route_of(request.method(), route));
        Some(Self { keyed: route.zip(key) })
    }

    async fn check(&self, app: &App, scope: Scope) -> Result<(), Problem> {
        let Err(full) = app.calls().room_check(scope).await else {
            return Ok(());
        };
        // Asked afterwards: the call that fills the last place may be the one that the key stands for.
        match &self.keyed {
            Some((route, key)) if app.idempotency().is_known(scope, route, key).await? => Ok(()),
            _ => Err(full.into()),
        }
    }
}

/// Headers for the answer, and a place to hold until it begins.
pub(super) async fn admit(
    app: &App,
    caller: &keys::Caller,
    room: Option<Room>,
) -> (LimitHeaders, Result<Place<OrganizationId>, Problem>) {
    let asker = match asker(app, caller).await {
        Ok(asker) => asker,
        Err(problem) => return (LimitHeaders::default(), Err(problem)),
    };
    let (headers, admitted) = app.limiter().admit(asker).await;
    let place = admitted.and_then(|()| app.load().enter_as(caller.scope.organization));
    if let Some(room) = room.filter(|_| place.is_ok())
        && let Err(full) = Box::pin(room.check(app, caller.scope)).await
    {
        return (headers, Err(full));
    }
    (headers, place)
}

/// How the caller stands, without counting the request.
pub(super) async fn look(app: &App, caller: &keys::Caller) -> LimitHeaders {
    match asker(app, caller).await {
        Ok(asker) => app.limiter().look(asker).await,
        // The refusal that is on its way says more than a store that can't tell limits.
        Err(_) => LimitHeaders::default(),
    }
}

async fn asker(app: &App, caller: &keys::Caller) -> Result<Asker, Problem> {
    let granted = if app.limiter().is_on() {
        app.granted().of(caller.scope, caller.at).await?.rate_limits
    } else {
        contract::RateLimits::default()
    };
    Ok(Asker {
        organization: caller.scope.organization,
        caller: caller.counted(),
        granted,
        own: caller.rate_limits(),
    })
}
