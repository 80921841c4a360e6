//! The least that an HTTP server on axum can do: one small JSON to whatever is asked, no state, no log. `bench/http`
//! measures Callwright against it, built with the same libraries and settings.
//!
//!     cargo run --release -p callwright --no-default-features --example bare -- 127.0.0.1:8080 [typed]
//!
//! It answers as the first page of axum's guide does: a route, and `Json(json!(…))`. With `typed` it is leaner still: no
//! route, and a type that is written straight into the body.

use axum::{Json, Router, body::Body, http::header::CONTENT_TYPE, response::Response, routing::any};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const AGENT: &str = "019a3b5e-7c00-7000-8000-000000000001";
const NAME: &str = "Reception";
const REQUEST: &str = "019a3b5e-7c00-7000-8000-000000000002";
const NOW: &str = "2026-02-04T12:00:00.000Z";

#[derive(Serialize)]
struct Answer {
    data: Data,
    meta: Meta,
}

#[derive(Serialize)]
struct Data {
    id: &'static str,
    name: &'static str,
}

#[derive(Serialize)]
struct Meta {
    request_id: &'static str,
    ts: &'static str,
}

async fn answer() -> Json<Value> {
    Json(json!({"data": {"id": AGENT, "name": NAME}, "meta": {"request_id": REQUEST, "ts": NOW}}))
}

async fn typed_answer() -> Response {
    let answer = Answer {
        data: Data { id: AGENT, name: NAME },
        meta: Meta {
            request_id: REQUEST,
            ts: NOW,
        },
    };
    let body = serde_json::to_vec(&answer).expect("an answer without maps");
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("an answer of constants")
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let router = match arguments.next().as_deref() {
        Some("typed") => Router::new().fallback(typed_answer),
        _ => Router::new().route("/{*any}", any(answer)),
    };
    axum::serve(TcpListener::bind(address).await?, router).await
}
