//! A server that breaks the contract: the real one, with one of its promises broken on the way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use hyper::{
    Method, StatusCode,
    header::{
        ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};
use serde_json::{Value, json};
use testkit::TestApp;
use tokio::net::TcpListener;

/// One promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// None: what is left is what the framework answers by itself.
    Nothing,
    ExtraField,
    BareStatus,
    AnotherCode,
    NoRequestId,
    OldRequestId,
    SameRequestId,
    AnotherIdInBody,
    TextType,
    NoLink,
    NoChallenge,
    TellsOfTheDatabase,
    InventedReason,
    OneFaultOnly,
    IdsAreFields,
    SecondsOnly,
    NoAllow,
    AnotherWait,
    BodyBeforeCredentials,
    NoMeta,
    EndTooSoon,
    EchoesTheClientsId,
    EchoesCredentials,
    WantsMoney,
    IgnoresUnknownFilters,
    BreaksOnNul,
    NoLocation,
    ForgetsKeys,
    NoPage,
    NoEtag,
    LaxLimits,
}

#[derive(Clone)]
struct Liar {
    lie: Lie,
    inner: String,
    key: String,
    http: reqwest::Client,
    has_limited: Arc<AtomicBool>,
}

/// Puts a liar before the server; its address.
pub(crate) async fn before(app: &TestApp, lie: Lie) -> String {
    let liar = Liar {
        lie,
        inner: format!("http://{}", app.address),
        key: app.key.clone(),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        has_limited: Arc::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(liar);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn answer(State(liar): State<Liar>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let client_id = head.headers.get("x-request-id").cloned();
    let given = head.headers.get(AUTHORIZATION).cloned();
    let mut target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if liar.lie == Lie::LaxLimits && target.contains("limit=101") {
        target = target.replace("limit=101", "limit=100");
    }
    if liar.lie == Lie::IgnoresUnknownFilters {
        target = target.replace("zzz_unknown=1", "");
    }
    if liar.lie == Lie::ForgetsKeys {
        head.headers.remove("idempotency-key");
        head.headers.remove("x-idempotency-key");
    }
    if liar.lie == Lie::BodyBeforeCredentials && given.is_none() && body.starts_with(b"{") {
        let key = format!("Bearer {}", liar.key);
        head.headers.insert(AUTHORIZATION, key.parse().unwrap());
    }
    head.headers.remove(CONTENT_LENGTH);
    let is_head = head.method == Method::HEAD;
    let mut request = liar
        .http
        .request(head.method, format!("{}{target}", liar.inner))
        .headers(head.headers);
    let has_nul = body.windows(6).any(|window| window == b"\\u0000");
    if !body.is_empty() {
        request = request.body(body);
    }
    let Ok(answer) = request.send().await else {
        return Response::builder().status(502).body(Body::empty()).unwrap();
    };
    let mut response = Response::builder().status(answer.status()).body(()).unwrap();
    *response.headers_mut() = answer.headers().clone();
    response.headers_mut().remove("transfer-encoding");
    let mut bytes = answer.bytes().await.unwrap_or_default().to_vec();
    if has_nul && liar.lie == Lie::BreaksOnNul {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    liar.twist(&target, client_id, given, &mut response, &mut bytes);
    if !is_head {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response.map(|()| Body::from(bytes))
}

impl Liar {
    fn twist(
        &self,
        target: &str,
        client_id: Option<HeaderValue>,
        given: Option<HeaderValue>,
        response: &mut Response<()>,
        bytes: &mut Vec<u8>,
    ) {
        if target.contains("/docs/errors/not_found") && self.lie == Lie::NoPage {
            *response.status_mut() = StatusCode::OK;
            *bytes = b"<p>Here is nothing.</p>".to_vec();
        }
        self.twist_headers(client_id, response);
        let Ok(mut json) = serde_json::from_slice::<Value>(bytes) else {
            return;
        };
        let is_error = json["error"].is_object();
        if is_error {
            self.twist_error(given.as_ref(), response, &mut json);
        } else if json["data"].is_array() || json["data"].is_object() {
            self.twist_good(target, response, &mut json);
        } else {
            return;
        }
        *bytes = json.to_string().into_bytes();
    }

    fn twist_headers(&self, client_id: Option<HeaderValue>, response: &mut Response<()>) {
        let headers = response.headers_mut();
        match self.lie {
            Lie::NoRequestId => drop(headers.remove("x-request-id")),
            Lie::OldRequestId => {
                headers.insert(
                    "x-request-id",
                    HeaderValue::from_static("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
                );
            }
            Lie::SameRequestId => {
                headers.insert(
                    "x-request-id",
                    HeaderValue::from_static("019a3b5e-7c00-7000-8000-000000000001"),
                );
            }
            Lie::EchoesTheClientsId => {
                if let Some(id) = client_id {
                    headers.insert("x-request-id", id);
                }
            }
            Lie::NoLink => drop(headers.remove(LINK)),
            Lie::NoChallenge => drop(headers.remove(WWW_AUTHENTICATE)),
            Lie::NoAllow => drop(headers.remove(ALLOW)),
            Lie::NoLocation => drop(headers.remove(LOCATION)),
            Lie::NoEtag => drop(headers.remove("etag")),
            _ => {}
        }
    }

    fn twist_error(&self, given: Option<&HeaderValue>, response: &mut Response<()>, json: &mut Value) {
        let reason = json["error"]["details"]["reason"].clone();
        match self.lie {
            Lie::ExtraField => json["error"]["severity"] = 3.into(),
            Lie::BareStatus if reason == "method_not_allowed" => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            }
            Lie::AnotherCode if reason == "route_not_found" => json["error"]["code"] = "bad_request".into(),
            Lie::AnotherIdInBody => json["meta"]["request_id"] = "019a3b5e-7c00-7000-8000-000000000001".into(),
            Lie::TextType => {
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            }
            Lie::TellsOfTheDatabase => json["error"]["message"] = "UNIQUE constraint failed: agents.name".into(),
            Lie::InventedReason if reason == "route_not_found" => json["error"]["details"]["reason"] = "lost".into(),
            Lie::OneFaultOnly => {
                if let Some(fields) = json["error"]["details"]["fields"].as_array_mut() {
                    fields.truncate(1);
                }
            }
            Lie::IdsAreFields if reason == "resource_not_found" => {
                *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
                json["error"] = json!({ "code": "validation_error", "message": "No id.", "details": { "reason": "invalid_fields", "fields": [
                    { "field": "id", "pointer": "/id", "reason": "invalid_format", "message": "No id." },
                ] } });
            }
            Lie::SecondsOnly => json["meta"]["ts"] = "2026-02-04T12:00:00Z".into(),
            Lie::EchoesCredentials => {
                let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
                json["error"]["message"] = format!("Not valid: {given}").into();
            }
            _ => {}
        }
    }

    fn twist_good(&self, target: &str, response: &mut Response<()>, json: &mut Value) {
        match self.lie {
            Lie::NoMeta => drop(json.as_object_mut().and_then(|object| object.remove("meta"))),
            Lie::EndTooSoon if json["pagination"].is_object() => json["pagination"]["has_more"] = false.into(),
            Lie::WantsMoney if target.contains("limit=2") => {
                *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
                let meta = json["meta"].clone();
                *json = json!({ "error": { "code": "payment_required", "message": "Pay.", "details": { "reason": "trial_expired", "redirect_url": "/settings/billing" } }, "meta": meta });
            }
            Lie::AnotherWait if !self.has_limited.swap(true, Ordering::SeqCst) => {
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("1"));
                let meta = json["meta"].clone();
                *json = json!({ "error": { "code": "rate_limit_exceeded", "message": "Wait.", "details": { "reason": "overload", "policy": "overload", "retry_after": 3 } }, "meta": meta });
            }
            _ => {}
        }
    }
}
