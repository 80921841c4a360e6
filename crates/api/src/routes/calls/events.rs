//! `GET /calls/{id}/events`

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use contract::{Call, CallEvent, KeyScope, LaterFailure, OrganizationId};
use domain::{keys::AuthenticationError, places::Place};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa_axum::routes;

use crate::{
    App, Problem, envelope,
    extract::ApiPath,
    gate::{Caller, refused},
    json::write,
    operation::Operation,
};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(KeyScope::Read, routes!(call_events), &[])
}

/// Watch a call
///
/// Server-sent events: first the present state, then what happens, live, until the call is over. A reader that is
/// too slow loses the oldest events. There is no replay, so `Last-Event-ID` is accepted and changes nothing: each
/// new stream begins with the state at that moment. What breaks comes as `event: error` with the whole error
/// envelope (`ErrorEnvelope`); all other events are named as `type` in their data.
#[utoipa::path(
    get,
    path = "/calls/{id}/events",
    tag = "Calls",
    params(("id" = String, Path, description = "The call's id")),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = CallEvent)),
)]
pub(crate) async fn call_events(
    caller: Caller,
    State(app): State<App>,
    ApiPath(id): ApiPath,
) -> Result<Response, Problem> {
    let limit = app.config().event_streams_max;
    let place = app.streams().take(caller.scope.organization, limit).ok_or_else(|| {
        let message = format!("The organisation may watch {limit} calls at once.");
        Problem::no_place("event_streams", limit, message)
    })?;
    let (call, live) = app.calls().call_watch(caller.scope, &id).await?;
    let keep_alive = KeepAlive::new().interval(Duration::from_millis(app.config().keep_alive_ms));
    let watch = Watch {
        live,
        app,
        caller,
        _place: place,
    };
    let events = stream::once(async move { Ok(event(&status_of(&call))) }).chain(watch.stream());
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// What is left to tell of a call.
struct Watch {
    live: Option<Receiver<CallEvent>>,
    app: App,
    caller: Caller,
    _place: Place<OrganizationId>,
}

impl Watch {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            let event = watch.next().await?;
            Some((Ok(event), watch.live.is_some().then_some(watch)))
        })
    }

    /// The next event; `None` when the call is over.
    async fn next(&mut self) -> Option<Event> {
        let live = self.live.as_mut()?;
        let stop = self.app.stop_token();
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => {
                return Some(self.end(&Problem::overload("The server is stopping.")));
            }
            next = next_of(live) => next?,
        };
        // While the store can't tell, nobody can have revoked anything either.
        let may_see = self.app.keys().still_good(self.caller.scope, &self.caller.actor).await;
        if let Err(AuthenticationError::Refused { refusal, why }) = may_see {
            return Some(self.end(&refused(refusal, why)));
        }
        Some(match next {
            CallEvent::Error { error } => self.failure(error),
            other => event(&other),
        })
    }

    /// The last event, which says why no more will come.
    fn end(&mut self, problem: &Problem) -> Event {
        self.live = None;
        self.error(problem)
    }

    fn failure(&self, failure: LaterFailure) -> Event {
        let LaterFailure {
            code, message, details, ..
        } = failure;
        let details = |out: &mut Vec<u8>| write::object(out, &details);
        error_event(&envelope::body(&code, &message, details, self.caller.context.meta()))
    }

    fn error(&self, problem: &Problem) -> Event {
        error_event(&envelope::body_of(problem, self.caller.context.meta()))
    }
}

fn error_event(body: &[u8]) -> Event {
    Event::default().event("error").data(String::from_utf8_lossy(body))
}

/// What a slow reader lost is lost; the newest events still follow.
async fn next_of(live: &mut Receiver<CallEvent>) -> Option<CallEvent> {
    loop {
        match live.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

fn status_of(call: &Call) -> CallEvent {
    let at = call.ended_at.or(call.answered_at).unwrap_or(call.started_at);
    CallEvent::Status {
        status: call.status,
        end_reason: call.end_reason,
        at,
    }
}

fn event(event: &CallEvent) -> Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().event(event.name()).data(data)
}
