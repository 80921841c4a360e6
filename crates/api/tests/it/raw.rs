//! What a program that wants to break the server writes to its socket: heads, framing, targets and bodies at the edge
//! of HTTP and beyond it. No request hidden in another's body is ever served, nothing hangs, and every answer of the
//! API is in the contract's shape.

mod bodies;
mod crowds;
mod framing;
mod heads;
mod targets;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use testkit::{Answer, TestApp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for the end of a connection. The server's own deadlines in these tests are far shorter.
const HANG: Duration = Duration::from_secs(10);

/// A server that counts how often the hidden request was served.
struct Target {
    app: TestApp,
    hidden: Arc<AtomicUsize>,
}

impl Target {
    async fn start() -> Self {
        Self::patient(Duration::from_millis(300)).await
    }

    /// One that waits this long for what is missing.
    async fn patient(patience: Duration) -> Self {
        let hidden = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&hidden);
        let served = move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { "served" }
        };
        let milliseconds = patience.as_millis() as u64;
        let app = TestApp::builder()
            .routes(Router::new().route("/test/hidden", get(served)))
            .config(|config| {
                config.body_timeout_ms = milliseconds;
                config.header_timeout_ms = milliseconds;
                config.connections_max = 4096;
                config.connections_per_address_max = 4096;
            })
            .start()
            .await;
        Self { app, hidden }
    }

    fn hidden_served(&self) -> usize {
        self.hidden.load(Ordering::SeqCst)
    }

    /// A `POST /agents` with a valid key; `more` are headers, each ended with CRLF.
    fn post(&self, more: &str, body: &str) -> Vec<u8> {
        let key = &self.app.key;
        format!(
            "POST /api/public/v1/agents HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\n{more}\r\n{body}"
        )
        .into_bytes()
    }

    /// A `POST /agents` whose length is right, and the connection's last.
    fn post_whole(&self, body: &[u8]) -> Vec<u8> {
        let head = self.post(&format!("Content-Length: {}\r\nConnection: close\r\n", body.len()), "");
        [&head, body].concat()
    }

    /// Writes bytes and reads until the server ends the connection.
    async fn talk(&self, bytes: &[u8]) -> Vec<Reply> {
        Reply::all(&self.exchange(bytes).await)
    }

    async fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.app.address).await.unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        let talk = async {
            // The server may end the connection before it has read everything.
            let _ = stream.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        timeout(HANG, talk)
            .await
            .unwrap_or_else(|_| panic!("the server hangs on {shown:?}"))
    }
}

/// One answer of possibly several on a connection.
#[derive(Debug)]
struct Reply {
    status: u16,
    raw: Vec<u8>,
}

impl Reply {
    /// Cuts what came over a connection into answers; fails on bytes that are none.
    fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while !bytes.is_empty() {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let head = head.unwrap_or_else(|| panic!("no whole head: {shown}")) + 4;
            let text = std::str::from_utf8(&bytes[..head]).unwrap();
            assert!(text.starts_with("HTTP/1."), "{shown}");
            let status = text[9..12].parse().unwrap();
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().unwrap())
            });
            let end = head + length.unwrap_or_default();
            let raw = bytes[..end].to_vec();
            bytes = &bytes[end..];
            if status >= 200 {
                replies.push(Self { status, raw });
            }
        }
        replies
    }

    /// `code.reason`, checked for its shape; the bare status of a good answer.
    fn says(&self) -> String {
        if self.status < 400 {
            return self.status.to_string();
        }
        Answer::from_raw(&self.raw).pair()
    }

    fn has(&self, header: &str) -> bool {
        let text = String::from_utf8_lossy(&self.raw).to_ascii_lowercase();
        text.contains(&format!("\r\n{header}\r\n"))
    }
}

fn says(replies: &[Reply]) -> Vec<String> {
    replies.iter().map(Reply::says).collect()
}

/// A request that must not be served when it stands inside of another one.
const HIDDEN: &str = "GET /test/hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// A good last request.
const LAST: &str = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn the_hidden_request_is_served_when_it_is_none() {
    let target = Target::start().await;
    let replies = target.talk(format!("{HIDDEN}{LAST}").as_bytes()).await;
    assert_eq!(says(&replies), ["200", "200"]);
    assert_eq!(target.hidden_served(), 1);
}
