//! A server that answers each request as the test scripts it, and keeps what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures_util::stream;
use providers::{OpenAiConfig, OpenAiProvider, Secret, Timeouts};
use tokio::net::TcpListener;

/// What happens to the body, piece by piece.
#[derive(Clone)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// The connection breaks.
    Cut,
    /// Nothing more comes.
    Stall,
}

#[derive(Clone)]
pub(crate) struct Script {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub pieces: Vec<Piece>,
}

impl Script {
    pub(crate) fn ok(content_type: &'static str, pieces: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", content_type)],
            pieces: pieces.into_iter().map(|piece| Piece::Bytes(piece.into())).collect(),
        }
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("x-request-id", "req_42")],
            pieces: vec![Piece::Bytes(body.into())],
        }
    }

    pub(crate) fn then(mut self, piece: Piece) -> Self {
        self.pieces.push(piece);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What a request held.
#[derive(Clone)]
pub(crate) struct Asked {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub(crate) struct Server {
    pub base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Shared(Script, Arc<Mutex<Vec<Asked>>>);

impl Server {
    pub(crate) async fn start(script: Script) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .fallback(reply)
            .with_state(Shared(script, Arc::clone(&asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, asked }
    }

    pub(crate) fn provider(&self) -> OpenAiProvider {
        provider(&self.base_url)
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

pub(crate) fn config(base_url: &str) -> OpenAiConfig {
    let timeouts = Timeouts {
        connect: Duration::from_millis(500),
        first_byte: Duration::from_secs(1),
        idle: Duration::from_millis(150),
    };
    OpenAiConfig {
        api_key: Some(Secret::new("sk-very-secret")),
        timeouts,
        ..OpenAiConfig::new("mock", base_url)
    }
}

pub(crate) fn provider(base_url: &str) -> OpenAiProvider {
    OpenAiProvider::new(config(base_url)).unwrap()
}

async fn reply(State(Shared(script, asked)): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    asked.lock().unwrap().push(Asked {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    });
    let mut response = Response::new(Body::from_stream(stream::unfold(script.pieces.into_iter(), next)));
    *response.status_mut() = StatusCode::from_u16(script.status).unwrap();
    for (name, value) in script.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

type Pieces = std::vec::IntoIter<Piece>;

async fn next(mut pieces: Pieces) -> Option<(Result<Bytes, std::io::Error>, Pieces)> {
    // So that each piece travels by itself.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let item = match pieces.next()? {
        Piece::Bytes(bytes) => Ok(bytes.into()),
        Piece::Cut => Err(std::io::Error::other("cut")),
        Piece::Stall => std::future::pending().await,
    };
    Some((item, pieces))
}
