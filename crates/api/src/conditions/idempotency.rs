//! `Idempotency-Key`: the same request sent again has no second effect and gets the same answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::Route,
};
use contract::{Meta, Reason, RequestId};
use domain::{
    change::{Answer, Ticket, etag_of_text},
    idempotency::{Admission, Asked, Idempotency, hash},
};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};

use super::run;
use crate::{App, Problem, changing::data_of, envelope, extract, gate::Caller, operation::Needs};

static NAMES: [HeaderName; 2] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-idempotency-key"),
];
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_BYTES_MAX: usize = 255;

/// Longest wait for the first of two equal requests.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// Beyond a request's own deadline, until it counts as cut off.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Seconds after which a request whose twin is running may be sent again.
const RETRY_SECONDS: u64 = 1;

/// Marks the answer of an earlier request, which carries that request's id.
#[derive(Clone, Copy)]
pub(crate) struct Replayed(pub(crate) RequestId);

/// The `meta` with which an error was stored, so that it is sent with the same.
#[derive(Clone, Copy)]
pub(crate) struct SameMeta(pub(crate) Meta);

/// Runs a request with a key at most once.
pub(super) async fn once(app: &App, needs: Needs, key: String, request: Request, handler: &Route) -> Response {
    keyed(app, needs, key, request, handler)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn keyed(app: &App, needs: Needs, key: String, request: Request, handler: &Route) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let bytes = extract::collect(body, app).await?;
    let missing = || Problem::internal("a keyed request without the gate before it");
    let (scope, context) = match parts.extensions.get::<Caller>() {
        Some(caller) => (caller.scope, caller.context.clone()),
        None => return Err(missing()),
    };
    let asked = Asked {
        scope,
        route: route_of(&parts.method, context.route().ok_or_else(missing)?),
        hash: hash(&[parts.uri.to_string().as_bytes(), &bytes]),
        key,
        request: context.id,
    };
    let deadline = Duration::from_millis(app.config().request_timeout_ms);
    let (lease, patience) = (deadline + LEASE_MARGIN, (deadline / 2).min(PATIENCE_MAX));
    match app.idempotency().admit(&asked, lease, patience).await? {
        Admission::Running => Err(running(&asked.key)),
        Admission::Replay(answer, original) => Ok(replay(answer, original)),
        Admission::Reused => {
            if needs.room_for_a_call {
                app.calls().room_check(scope).await?;
            }
            // Refused where it would change something, so that all that is wrong with the request itself is told first.
            if let Some(caller) = parts.extensions.get_mut::<Caller>() {
                caller.conditions.reused = Some(asked.key);
            }
            Ok(run(handler, Request::from_parts(parts, Body::from(bytes))).await)
        }
        Admission::Go(ticket) => {
            let ticket = Arc::new(ticket);
            if let Some(caller) = parts.extensions.get_mut::<Caller>() {
                caller.conditions.ticket = Some(Arc::clone(&ticket));
            }
            let mut claim = Claim {
                idempotency: app.idempotency().clone(),
                ticket,
                is_settled: false,
            };
            let response = run(handler, Request::from_parts(parts, Body::from(bytes))).await;
            let response = claim.settle(response, || context.meta()).await;
            claim.is_settled = true;
            Ok(response)
        }
    }
}

/// A claim under way. Dropped before it was settled, the request was cut off.
struct Claim {
    idempotency: Idempotency,
    ticket: Arc<Ticket>,
    is_settled: bool,
}

impl Claim {
    /// Sees that the answer is stored, if it is one that stays, and that what is sent is what was stored.
    async fn settle(&self, response: Response, meta: impl Fn() -> Meta) -> Response {
        if response.status().is_success() {
            return self.settle_good(response).await;
        }
        let mut response = response;
        let problem = response.extensions().get::<Problem>().cloned();
        let settled = match problem {
            Some(problem) if problem.is_for_good() => {
                let meta = meta();
                response.extensions_mut().insert(SameMeta(meta));
                let answer = Answer {
                    status: response.status().as_u16(),
                    location: None,
                    body: envelope::body_of(&problem, meta),
                };
                self.idempotency.answered(&self.ticket, &answer).await
            }
            // Our own failure leaves open what was done; what was made by then must not be made again.
            _ if response.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                self.idempotency.abandoned(&self.ticket).await
            }
            _ => self.idempotency.released(&self.ticket).await,
        };
        noted(settled);
        response
    }

    async fn settle_good(&self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        if let Some(answer) = self.ticket.written() {
            parts.headers.remove(CONTENT_LENGTH);
            return Response::from_parts(parts, Body::from(answer.body.clone()));
        }
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Problem::internal(format!("an answer that can't be kept: {error}")).into_response(),
        };
        let location = parts.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let answer = Answer {
            status: parts.status.as_u16(),
            location: location.map(ToOwned::to_owned),
            body: body.to_vec(),
        };
        noted(self.idempotency.answered(&self.ticket, &answer).await);
        Response::from_parts(parts, Body::from(body))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (idempotency, ticket) = (self.idempotency.clone(), Arc::clone(&self.ticket));
        tokio::spawn(async move { noted(idempotency.abandoned(&ticket).await) });
    }
}

/// A claim that could not be settled runs out by itself.
fn noted(settled: Result<(), domain::Error>) {
    if let Err(error) = settled {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "an idempotency key could not be settled");
    }
}

/// How a route is named beside a key.
pub(crate) fn route_of(method: &Method, route: &str) -> String {
    format!("{method} {route}")
}

/// The key, by either name.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let named = headers.iter().filter(|(name, _)| NAMES.contains(name));
    let mut given = named.map(|(_, key)| key);
    let Some(key) = given.next() else { return Ok(None) };
    let refusal = |message: &'static str| {
        Problem::new(Reason::MalformedHeader, message)
            .with("header", "Idempotency-Key")
            .with(
                "expected",
                "1 to 255 visible ASCII characters, the same in every such header",
            )
    };
    if given.any(|other| other != key) {
        return Err(refusal("The request has several idempotency keys."));
    }
    let key = key.as_bytes();
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    if !fits {
        return Err(refusal("The idempotency key is empty, too long, or not visible ASCII."));
    }
    Ok(Some(String::from_utf8_lossy(key).into_owned()))
}

fn running(key: &str) -> Problem {
    let message = "The first request with this idempotency key is still running.";
    Problem::new(Reason::IdempotencyInProgress, message)
        .with("policy", "idempotency_in_progress")
        .with("idempotency_key", key)
        .with("retry_after", RETRY_SECONDS)
        .header(RETRY_AFTER, RETRY_SECONDS)
}

/// The stored answer, as it was sent.
fn replay(answer: Answer, original: RequestId) -> Response {
    let tag = data_of(&answer.body).map(etag_of_text);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, Body::from(answer.body)).into_response();
    response.extensions_mut().insert(Replayed(original));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(LOCATION, answer.location), (ETAG, tag)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
