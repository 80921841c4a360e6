//! An HTTP server on axum that does next to nothing: one small JSON, no state, no log. `bench/http` measures Callwright
//! against it, built with the same libraries and settings.
//!
//!     cargo run --release -p callwright --no-default-features --example bare -- 127.0.0.1:8080 [typed]
//!
//! It answers as the first page of axum's guide does: a route, and `Json(json!(…))`, whatever was sent. With `typed` it
//! does what axum does by types: answers are written from one, and bodies are read into one, so that what can't be read
//! is refused by axum itself, with 400 or 422.

#![expect(clippy::disallowed_types, reason = "axum as it comes is what is measured against")]

use axum::{
    Json, Router,
    routing::{any, get},
};
use serde::{Deserialize, Serialize};
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
    name: String,
}

/// What an agent must have to be made.
#[derive(Deserialize)]
struct AgentCreate {
    name: String,
    #[serde(rename = "voice_id")]
    _voice: String,
    #[serde(rename = "system_prompt")]
    _prompt: String,
    #[serde(rename = "temperature")]
    _temperature: Option<f32>,
}

#[derive(Serialize)]
struct Meta {
    request_id: &'static str,
    ts: &'static str,
}

async fn answer() -> Json<Value> {
    Json(json!({"data": {"id": AGENT, "name": NAME}, "meta": {"request_id": REQUEST, "ts": NOW}}))
}

fn typed(name: String) -> Json<Answer> {
    Json(Answer {
        data: Data { id: AGENT, name },
        meta: Meta {
            request_id: REQUEST,
            ts: NOW,
        },
    })
}

async fn typed_create(Json(agent): Json<AgentCreate>) -> Json<Answer> {
    typed(agent.name)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let router = match arguments.next().as_deref() {
        Some("typed") => Router::new().route("/{*any}", get(async || typed(NAME.to_owned())).post(typed_create)),
        _ => Router::new().route("/{*any}", any(answer)),
    };
    axum::serve(TcpListener::bind(address).await?, router).await
}
