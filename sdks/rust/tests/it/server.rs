//! A server that does what its script says, one step for each request, and remembers what it was asked.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Answer, and keep the connection.
    Answer(u16, Vec<(String, String)>, String),
    /// Announce a longer body than is sent, and close.
    Cut(u16, String),
    /// Send these bytes, and close.
    Raw(String),
    /// Close without a word.
    Hangup,
    /// Say nothing, and keep the connection.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came over.
    pub(crate) connection: usize,
}

impl Seen {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    steps: Arc<Mutex<VecDeque<Step>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) fn json(status: u16, body: &str) -> Step {
    with(status, &[], body)
}

pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    let mut all = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (name, value) in headers {
        all.retain(|(known, _)| known != name);
        all.push(((*name).to_owned(), (*value).to_owned()));
    }
    Step::Answer(status, all, body.to_owned())
}

/// A good answer that holds this.
pub(crate) fn good(data: &str) -> Step {
    json(
        200,
        &format!(r#"{{"data":{data},"meta":{{"request_id":"{ID}","ts":"2026-02-04T12:00:00.000Z"}}}}"#),
    )
}

/// An error with these details.
pub(crate) fn refusal(status: u16, code: &str, details: &str, headers: &[(&str, &str)]) -> Step {
    let body = format!(
        r#"{{"error":{{"code":"{code}","message":"No.","details":{details}}},"meta":{{"request_id":"{ID}","ts":"2026-02-04T12:00:00.000Z"}}}}"#
    );
    with(status, headers, &body)
}

pub(crate) const ID: &str = "019a3b5e-7c00-7000-8000-000000000001";

impl Server {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            steps: Arc::new(Mutex::new(steps.into())),
            seen: Arc::default(),
        };
        let own = server.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(own.clone().converse(stream, connection));
            }
        });
        server
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn converse(self, stream: TcpStream, connection: usize) {
        let mut stream = BufReader::new(stream);
        while let Some(seen) = read(&mut stream, connection).await {
            self.seen.lock().unwrap().push(seen);
            let step = self.steps.lock().unwrap().pop_front();
            let bytes = match step.unwrap_or(Step::Answer(500, Vec::new(), "the script is over".to_owned())) {
                Step::Answer(status, headers, body) => {
                    let bytes = head(status, &headers, body.len()) + &body;
                    if stream.write_all(bytes.as_bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
                Step::Cut(status, body) => {
                    head(status, &[("x-request-id".to_owned(), ID.to_owned())], body.len() + 100) + &body
                }
                Step::Raw(bytes) => bytes,
                Step::Hangup => return,
                Step::Silence => std::future::pending().await,
            };
            let _ = stream.write_all(bytes.as_bytes()).await;
            return;
        }
    }
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> String {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = headers.concat();
    let length = if status == 204 || status == 304 {
        String::new()
    } else {
        format!("content-length: {length}\r\n")
    };
    format!("HTTP/1.1 {status} Scripted\r\n{headers}{length}\r\n")
}

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut seen = Seen {
        method,
        target,
        headers,
        body: String::new(),
        connection,
    };
    let length = seen
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}
