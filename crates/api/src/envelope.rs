//! The outermost layer: writes every error body, stamps every answer, logs every request once.

use std::{
    future::poll_fn,
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, LazyLock, OnceLock},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use contract::{Code, Meta, OrganizationId, RequestId};
use domain::ports::Clock;
use futures_util::FutureExt as _;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LINK},
};

use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    App, Front, Problem,
    conditions::{Replayed, SameMeta},
    gate::Refused,
    head,
    json::write,
    limits::Seat,
    support::{self, Gathered, Seen},
};

/// Equal to `meta.request_id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id of a client's own that is worth a place on a log line.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// Which request this is, and what tells the time of its answer.
#[derive(Clone)]
pub struct RequestContext {
    /// Ours, fresh.
    pub id: RequestId,
    clock: Arc<dyn Clock>,
    known: Arc<Known>,
}

/// What comes to be known of a request on its way, for the record of its failure.
struct Known {
    /// The other end of the connection.
    peer: IpAddr,
    organization: OnceLock<OrganizationId>,
    route: OnceLock<Arc<str>>,
    /// The client, where a proxy that is trusted told it.
    client: OnceLock<IpAddr>,
}

impl RequestContext {
    /// Of a request from `peer`, of which nothing else is known.
    pub(crate) fn new(app: &App, peer: IpAddr) -> Self {
        Self {
            id: RequestId::new(),
            clock: Arc::clone(app.clock()),
            known: Arc::new(Known {
                peer: peer.to_canonical(),
                organization: OnceLock::new(),
                route: OnceLock::new(),
                client: OnceLock::new(),
            }),
        }
    }

    /// Notes whose request it is.
    pub(crate) fn belongs_to(&self, organization: OrganizationId) {
        // Nobody changes sides within a request.
        let _ = self.known.organization.set(organization);
    }

    /// Notes which route it is for.
    pub(crate) fn came_to(&self, route: &Arc<str>) {
        let _ = self.known.route.set(Arc::clone(route));
    }

    /// Which route it is for, without the ids that its path may hold.
    pub(crate) fn route(&self) -> Option<&str> {
        self.known.route.get().map(|route| &**route)
    }

    /// The other end of its connection.
    pub(crate) fn peer(&self) -> IpAddr {
        self.known.peer
    }

    /// Notes who sent it, which a proxy may have told.
    pub(crate) fn comes_from(&self, client: IpAddr) {
        let _ = self.known.client.set(client);
    }

    /// Whose request it is, once its credentials were found good.
    pub(crate) fn organization(&self) -> Option<OrganizationId> {
        self.known.organization.get().copied()
    }

    /// Where it comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.known.client.get().copied().unwrap_or(self.known.peer)
    }

    /// `meta`, as of now.
    pub fn meta(&self) -> Meta {
        Meta {
            request_id: self.id,
            ts: self.clock.now(),
        }
    }
}

/// Marks an answer that is not part of the API and keeps its own conventions.
#[derive(Clone, Copy)]
pub(crate) struct OutsideContract;

/// Writes every error body in the program, whoever produced the error.
pub(crate) async fn envelope(app: &App, request: Request, peer: IpAddr, front: &Front) -> Response {
    let context = RequestContext::new(app, peer);
    let (span, gathered) = support::open_span(context.id, Arc::clone(app.clock()));
    let line = Line::new(&request);
    let is_question = request.method() == Method::OPTIONS;
    let closing = app.is_stopping() || head::must_be_the_last(&request);
    let mut work = pin!(answer(app, &context, request, front));
    // As `Instrument` does, but without entering the span once more to drop what is done, or what is broken off.
    let answered = poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await;
    drop(span);
    let (mut response, refused) = match answered {
        Ok(response) => (response, None),
        Err(Refused { problem, headers }) => (bare(problem.status(), headers), Some(problem)),
    };
    if is_question && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = options(&response);
    }
    let id = if let Some(Replayed(original)) = response.extensions_mut().remove() {
        line.log_replay(&context, &response, original);
        response = replayed(response);
        original
    } else {
        let problem = refused.or_else(|| problem_of(app, &mut response));
        response = told(app, &context, line, response, problem, &gathered);
        context.id
    };
    if closing {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    stamp(response, id)
}

/// Logs an answer and writes the body of an error.
fn told(
    app: &App,
    context: &RequestContext,
    line: Line,
    response: Response,
    problem: Option<Problem>,
    gathered: &Gathered,
) -> Response {
    if let Some(problem) = &problem {
        app.refusals().note(problem);
    }
    line.log(app, context, &response, problem.as_ref(), gathered);
    let Some(problem) = problem else { return response };
    let same = response.extensions().get::<SameMeta>();
    let meta = same.map_or_else(|| context.meta(), |same| same.0);
    render(&problem, meta, response)
}

/// Refuses what can't be routed, and turns a panic into an answer.
async fn answer(app: &App, context: &RequestContext, request: Request, front: &Front) -> Result<Response, Refused> {
    if app.is_stopping() && !is_outside_contract(request.uri().path()) {
        return Err(Problem::overload("The server is stopping.").into());
    }
    let _seat = seat(app, &request)?;
    if let Some(problem) = head::fault(&request) {
        return Err(problem.into());
    }
    let answered = AssertUnwindSafe(front.routed(context, request)).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Problem::internal(format!("panic: {said}")).into())
    })
}

/// An answer without a body.
fn bare(status: StatusCode, headers: HeaderMap) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Held until the answer begins. Those who watch the server must always get through.
fn seat(app: &App, request: &Request) -> Result<Option<Seat>, Problem> {
    if is_outside_contract(request.uri().path()) {
        return Ok(None);
    }
    app.load().enter().map(Some)
}

fn is_outside_contract(path: &str) -> bool {
    path.starts_with("/health/") || path == "/metrics"
}

fn options(refusal: &Response) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(allow) = refusal.headers().get(ALLOW) {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    response
}

fn problem_of(app: &App, response: &mut Response) -> Option<Problem> {
    let status = response.status();
    if response.extensions().get::<OutsideContract>().is_some() || status.as_u16() < 400 {
        return None;
    }
    let told = response.extensions_mut().remove::<Problem>();
    let bare = || Problem::from_bare(status, response.headers(), app.config(), app.billing().pages());
    Some(told.unwrap_or_else(bare))
}

/// An answer that was written for an earlier request. Its headers are made anew, its bytes are not.
fn replayed(mut response: Response) -> Response {
    let status = response.status().as_u16();
    if let Some(code) = Code::ALL.iter().find(|code| code.status() == status) {
        response.headers_mut().insert(LINK, help(*code));
    }
    response
}

/// Of what stood for the failure until now only the headers remain.
fn render(problem: &Problem, meta: Meta, mut before: Response) -> Response {
    let body = body_of(problem, meta);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    *headers = std::mem::take(before.headers_mut());
    headers.remove(CONTENT_LENGTH);
    for (name, value) in problem.headers() {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(LINK, help(problem.reason().code()));
    response
}

/// The body of a request's failure.
pub(crate) fn body_of(problem: &Problem, meta: Meta) -> Vec<u8> {
    let code = problem.reason().code().name();
    body(code, problem.message(), |out| problem.write_details(out), meta)
}

/// The one place where an error body is written, in the shape of an [`ErrorEnvelope`](contract::ErrorEnvelope), which
/// owns what it holds, so that most refusals would have to be copied for it.
pub(crate) fn body(code: &str, message: &str, details: impl FnOnce(&mut Vec<u8>), meta: Meta) -> Vec<u8> {
    let mut body = Vec::with_capacity(ERROR_BYTES);
    body.extend_from_slice(b"{\"error\":{\"code\":");
    write::text(&mut body, code);
    body.extend_from_slice(b",\"message\":");
    write::text(&mut body, message);
    body.extend_from_slice(b",\"details\":");
    details(&mut body);
    body.push(b'}');
    end_with_meta(&mut body, meta);
    body
}

/// Room for the body of most errors.
const ERROR_BYTES: usize = 1024;

/// What [`end_with_meta`] adds.
pub(crate) const META_BYTES: usize =
    META.0.len() + Hyphenated::LENGTH + META.1.len() + "2026-02-04T12:00:00.000Z".len() + META.2.len();

const META: (&str, &str, &str) = (",\"meta\":{\"request_id\":\"", "\",\"ts\":\"", "\"}}");

/// The end of every body: `meta`, as `serde` would write it. Nothing in it can need an escape.
pub(crate) fn end_with_meta(body: &mut Vec<u8>, meta: Meta) {
    body.extend_from_slice(META.0.as_bytes());
    let id = &mut Uuid::encode_buffer();
    body.extend_from_slice(meta.request_id.0.hyphenated().encode_lower(id).as_bytes());
    body.extend_from_slice(META.1.as_bytes());
    meta.ts.shown(|text| body.extend_from_slice(text.as_bytes()));
    body.extend_from_slice(META.2.as_bytes());
}

/// `Link` of the page about a code.
pub(crate) fn help(code: Code) -> HeaderValue {
    static LINKS: LazyLock<Vec<(Code, HeaderValue)>> = LazyLock::new(|| {
        let link = |code: &Code| HeaderValue::try_from(format!("</docs/errors/{}>; rel=\"help\"", code.name()));
        Code::ALL
            .iter()
            .filter_map(|code| Some((*code, link(code).ok()?)))
            .collect()
    });
    let link = LINKS.iter().find(|(known, _)| *known == code);
    link.map_or_else(
        || HeaderValue::from_static("</docs/errors>; rel=\"help\""),
        |(_, link)| link.clone(),
    )
}

fn stamp(mut response: Response, id: RequestId) -> Response {
    let text = &mut Uuid::encode_buffer();
    if let Ok(id) = HeaderValue::from_str(id.0.hyphenated().encode_lower(text)) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// What is logged of a request: never a query, a header or a body, which may hold secrets and phone numbers.
struct Line {
    method: &'static str,
    client_request_id: Option<String>,
    began: tokio::time::Instant,
}

impl Line {
    fn new(request: &Request) -> Self {
        let client = request.headers().get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        let client = client.filter(|id| {
            let fits = (1..=CLIENT_ID_BYTES_MAX).contains(&id.len());
            fits && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        });
        Self {
            method: head::method(request.method()),
            client_request_id: client.map(ToOwned::to_owned),
            began: tokio::time::Instant::now(),
        }
    }

    /// A repeated request has a line of its own that names the request whose answer it got.
    fn log_replay(self, context: &RequestContext, response: &Response, original: RequestId) {
        let (method, id, status) = (self.method, context.id, response.status().as_u16());
        let client_request_id = self.client_request_id.as_deref();
        let route = context.route();
        let milliseconds = self.began.elapsed().as_millis() as u64;
        tracing::info!(request_id = %id, replayed_from = %original, client_request_id, method, route, status, milliseconds, "request replayed");
    }

    /// Logs the request, once, and has it kept if it failed.
    fn log(
        self,
        app: &App,
        context: &RequestContext,
        response: &Response,
        problem: Option<&Problem>,
        gathered: &Gathered,
    ) {
        let id = context.id;
        let (method, client_request_id) = (self.method, self.client_request_id.as_deref());
        let route = context.route();
        let milliseconds = self.began.elapsed().as_millis() as u64;
        let Some(problem) = problem else {
            let status = response.status().as_u16();
            tracing::info!(request_id = %id, client_request_id, method, route, status, milliseconds, "request");
            return;
        };
        let status = problem.status().as_u16();
        let (code, reason, cause) = (problem.reason().code().name(), problem.reason().name(), chain(problem));
        if status >= 500 {
            tracing::error!(request_id = %id, client_request_id, method, route, status, milliseconds, code, reason, cause, "request failed");
        } else {
            tracing::info!(request_id = %id, client_request_id, method, route, status, milliseconds, code, reason, cause, "request refused");
        }
        let seen = Seen {
            method: Some(method),
            route,
            milliseconds,
            client_request_id,
            cause,
        };
        support::note(app, context, problem, seen, Some(gathered));
    }
}

/// The whole chain of causes, without what nobody may read later.
fn chain(problem: &Problem) -> Option<String> {
    let text = domain::error::chain(problem.source()?);
    Some(support::scrubbed(&text))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use contract::{ErrorBody, ErrorEnvelope, FieldFault, FieldReason, Reason, Timestamp};

    use super::*;

    #[test]
    fn details_begin_with_the_reason_and_end_with_the_faults() {
        let meta = Meta {
            request_id: RequestId(Uuid::nil()),
            ts: Timestamp::from_millis(0),
        };
        let fault = FieldFault::in_body("/name", FieldReason::Required, "This field is required.");
        let problem = Problem::invalid(vec![fault]).with("b", 1).with("a", 2).with("b", 3);
        let expected = r#"{"error":{"code":"validation_error","message":"The field name is not valid: This field is required.","details":{"reason":"invalid_fields","a":2,"b":3,"fields":[{"field":"name","pointer":"/name","reason":"required","message":"This field is required."}]}},"meta":{"request_id":"00000000-0000-0000-0000-000000000000","ts":"1970-01-01T00:00:00.000Z"}}"#;
        assert_eq!(String::from_utf8(body_of(&problem, meta)).unwrap(), expected);
    }

    #[test]
    fn an_error_is_what_its_type_would_write() {
        let (request_id, ts) = (RequestId::new(), Timestamp::from_millis(1_770_206_400_007));
        let meta = Meta { request_id, ts };
        let fault = FieldFault::in_body("/\"name", FieldReason::TooShort, "Must not be \"\".");
        for problem in [
            Problem::new(Reason::ResourceNotFound, "There is no \"agent\" \\ with this id.")
                .with("resource", "agent")
                .with("id", "\n\u{1}é"),
            Problem::invalid(vec![fault.clone(), fault.with("min", 1)]),
            Problem::overload("The server is busy."),
        ] {
            let body = body_of(&problem, meta);
            let read: ErrorEnvelope = serde_json::from_slice(&body).unwrap();
            let ErrorBody { code, message, details } = &read.error;
            assert_eq!(
                (code.as_str(), message.as_str()),
                (problem.reason().code().name(), problem.message())
            );
            let reason = details.as_ref().and_then(|details| details["reason"].as_str());
            assert_eq!((read.meta, reason), (meta, Some(problem.reason().name())));
            let again = serde_json::to_value(&read).unwrap();
            assert_eq!(again, serde_json::from_slice::<serde_json::Value>(&body).unwrap());
        }
    }
}
