//! The least that an HTTP server on axum can do: one small JSON to whatever is asked, no state, no log. `bench/http`
//! measures Callwright against it, built with the same libraries and settings.
//!
//!     cargo run --release -p callwright --no-default-features --example bare -- 127.0.0.1:8080

use axum::{Router, body::Body, http::header::CONTENT_TYPE, response::Response};
use serde::Serialize;
use tokio::net::TcpListener;

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

async fn answer() -> Response {
    let answer = Answer {
        data: Data {
            id: "019a3b5e-7c00-7000-8000-000000000001",
            name: "Reception",
        },
        meta: Meta {
            request_id: "019a3b5e-7c00-7000-8000-000000000002",
            ts: "2026-02-04T12:00:00.000Z",
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
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    axum::serve(TcpListener::bind(address).await?, Router::new().fallback(answer)).await
}
