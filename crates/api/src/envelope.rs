//! The outermost layer: writes every error body, stamps every answer, logs every request once.

use std::{fmt::Write as _, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{Code, ErrorBody, ErrorEnvelope, Meta, RequestId};
use domain::ports::Clock;
use futures_util::FutureExt as _;
use hyper::{
    HeaderMap, Method, StatusCode, Version,
    header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LINK},
};

use crate::{App, Problem};

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
}

impl RequestContext {
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
pub(crate) async fn envelope(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let context = RequestContext {
        id: RequestId::new(),
        clock: Arc::clone(app.clock()),
    };
    let line = Line::new(&request);
    request.extensions_mut().insert(context.clone());
    let method = request.method().clone();
    let closing = app.is_stopping();
    let mut response = answer(&app, request, next).await;
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = options(&response);
    }
    let problem = problem_of(&app, &mut response);
    line.log(&context, &response, problem.as_ref());
    if let Some(problem) = &problem {
        response = render(problem, &context, response.headers());
    }
    if closing {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    stamp(response, &context)
}

/// Tells the envelope which route answered, for the log: the path itself may hold ids that are nobody's business.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Refuses what can't be routed, and turns a panic into an answer.
async fn answer(app: &App, request: Request, next: Next) -> Response {
    if app.is_stopping() && !is_outside_contract(request.uri().path()) {
        return Problem::overload("The server is stopping.").into_response();
    }
    if request.version() == Version::HTTP_11 && request.headers().get_all(HOST).iter().count() != 1 {
        return Problem::new(
            contract::Reason::MalformedHeader,
            "An HTTP/1.1 request has exactly one Host header.",
        )
        .with("header", "Host")
        .into_response();
    }
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Problem::internal(format!("panic: {said}")).into_response()
    })
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
    Some(told.unwrap_or_else(|| Problem::from_bare(status, response.headers(), app.config())))
}

fn render(problem: &Problem, context: &RequestContext, before: &HeaderMap) -> Response {
    let body = body_of(problem, context.meta());
    let mut response = (problem.status(), Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.extend(before.clone());
    headers.remove(CONTENT_LENGTH);
    for (name, value) in problem.headers() {
        headers.insert(name, value.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(LINK, help(problem.reason().code()));
    response
}

/// The body of a request's failure.
pub(crate) fn body_of(problem: &Problem, meta: Meta) -> Vec<u8> {
    let error = ErrorBody {
        code: problem.reason().code().name().to_owned(),
        message: problem.message().to_owned(),
        details: Some(problem.details()),
    };
    body(error, meta)
}

/// The one place where an error body is written.
pub(crate) fn body(error: ErrorBody, meta: Meta) -> Vec<u8> {
    serde_json::to_vec(&ErrorEnvelope { error, meta }).unwrap_or_default()
}

/// `Link` of the page about a code.
pub(crate) fn help(code: Code) -> HeaderValue {
    let link = format!("</docs/errors/{}>; rel=\"help\"", code.name());
    HeaderValue::try_from(link).unwrap_or_else(|_| HeaderValue::from_static("</docs/errors>; rel=\"help\""))
}

fn stamp(mut response: Response, context: &RequestContext) -> Response {
    if let Ok(id) = HeaderValue::try_from(context.id.to_string()) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// What is logged of a request: never a query, a header or a body, which may hold secrets and phone numbers.
struct Line {
    method: Method,
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
            method: request.method().clone(),
            client_request_id: client.map(ToOwned::to_owned),
            began: tokio::time::Instant::now(),
        }
    }

    fn log(self, context: &RequestContext, response: &Response, problem: Option<&Problem>) {
        let (method, id) = (self.method.as_str(), context.id);
        let client_request_id = self.client_request_id.as_deref();
        let route = response.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
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
    }
}

/// The whole chain of causes, outermost first.
fn chain(problem: &Problem) -> Option<String> {
    let first = problem.source()?;
    let mut text = first.to_string();
    let mut next = std::error::Error::source(first);
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    Some(text)
}
