//! HTTP/1.1 over a socket of our own: what is sent is sent byte for byte, and what comes back is read with suspicion.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::answer::Answer;

/// More than any answer of the contract needs.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room for what one read may bring.
const READ_BYTES: usize = 16 * 1024;

/// Paths below which the API lies; people copy them together with the address.
const BASES: [&[&str]; 3] = [&["api", "public", "v1"], &["api", "v1"], &["api", "operator", "v1"]];

/// What comes first below them. Other paths may stand before a deployment, however they begin.
const ROUTES: [&str; 13] = [
    "agents",
    "api-keys",
    "audit-log",
    "billing",
    "calls",
    "members",
    "openapi.json",
    "organization",
    "organizations",
    "requests",
    "telephony",
    "usage",
    "voices",
];

/// Where a deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    is_tls: bool,
    /// Before all paths; empty, or begins with a slash and does not end with one.
    prefix: String,
}

/// The text is not where a deployment could be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a base URL such as https://voice.example: {0}")]
pub struct BadUrl(&'static str);

impl std::str::FromStr for Target {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl("there is no scheme"))?;
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(BadUrl("the scheme is neither http nor https")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') || rest.contains(['?', '#', ' ']) {
            return Err(BadUrl("it holds more than a host and a path"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| BadUrl("the port is no port"))?)
            }
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        if host.is_empty() {
            return Err(BadUrl("there is no host"));
        }
        let path = path.trim_matches('/');
        if is_of_the_api(path) {
            return Err(BadUrl("it holds the path of the API; name the base without it"));
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            is_tls,
            prefix: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
        })
    }
}

impl Target {
    /// As people write it.
    pub(crate) fn base(&self) -> String {
        format!("{}{}", self.origin(), self.prefix)
    }

    /// The same without a path.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// For the `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) async fn connect(&self, patience: Duration) -> io::Result<Connection> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Socket> = if self.is_tls {
                self.encrypt(stream).await?
            } else {
                Box::new(stream)
            };
            Ok(Connection {
                stream,
                read: Vec::new(),
                has_ended: false,
            })
        };
        tokio::time::timeout(patience, connecting).await.map_err(|_| late())?
    }

    async fn encrypt(&self, stream: TcpStream) -> io::Result<Box<dyn Socket>> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may install theirs in the same moment, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let config = ClientConfig::with_platform_verifier().map_err(io::Error::other)?;
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(
            TlsConnector::from(Arc::new(config)).connect(name, stream).await?,
        ))
    }
}

/// Whether a path ends with a base of the API, or leads to one of its routes.
fn is_of_the_api(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let is_known = |below: &[&str]| below.first().is_none_or(|route| ROUTES.contains(route));
    (0..segments.len()).any(|at| {
        let rest = &segments[at..];
        BASES.iter().any(|base| rest.strip_prefix(*base).is_some_and(is_known))
    })
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn too_large() -> io::Error {
    io::Error::other("the answer is too large to be one")
}

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

pub(crate) struct Connection {
    stream: Box<dyn Socket>,
    /// Read, and not yet part of an answer.
    read: Vec<u8>,
    has_ended: bool,
}

/// What came back on one connection.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) answers: Vec<Answer>,
    /// Whether the server closed before our patience ended.
    pub(crate) is_closed: bool,
    /// What came and is no answer.
    pub(crate) rest: Vec<u8>,
}

impl Exchange {
    /// The answer that asks for the longest wait, if a limit spoke at all.
    pub(crate) fn limit(&self) -> Option<&Answer> {
        let limits = self.answers.iter().filter(|answer| answer.status == 429);
        limits.max_by_key(|answer| answer.retry_after())
    }
}

impl Connection {
    /// A server that reads nothing takes no more than the buffers between hold; then `patience` ends it.
    pub(crate) async fn send(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(patience, sending).await.map_err(|_| late())?
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer; interim ones (1xx) are read over.
    pub(crate) async fn answer(&mut self, is_head: bool, patience: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + patience;
        loop {
            let mut answer = self.head(deadline).await?;
            if answer.status >= 200 {
                answer.body = self.body(&answer, is_head, deadline).await?;
                return Ok(answer);
            }
        }
    }

    /// Everything until the server closes or `patience` ends. `answers_max` ends it early.
    pub(crate) async fn everything(mut self, answers_max: usize, patience: Duration) -> Exchange {
        let mut exchange = Exchange::default();
        let deadline = Instant::now() + patience;
        while exchange.answers.len() < answers_max {
            match self
                .answer(false, deadline.saturating_duration_since(Instant::now()))
                .await
            {
                Ok(answer) => exchange.answers.push(answer),
                Err(error) => {
                    exchange.is_closed = error.kind() != io::ErrorKind::TimedOut;
                    exchange.rest = self.read;
                    return exchange;
                }
            }
        }
        exchange
    }

    async fn head(&mut self, deadline: Instant) -> io::Result<Answer> {
        loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head: Vec<u8> = self.read.drain(..end + 4).collect();
                return Answer::from_head(&head).ok_or_else(|| io::Error::other("what came is no HTTP/1.1 answer"));
            }
            self.more(deadline).await?;
        }
    }

    async fn body(&mut self, answer: &Answer, is_head: bool, deadline: Instant) -> io::Result<Vec<u8>> {
        if is_head || matches!(answer.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if answer
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return self.chunks(deadline).await;
        }
        let Some(length) = answer.header("content-length") else {
            while !self.has_ended {
                self.more_or_end(deadline).await?;
            }
            return Ok(std::mem::take(&mut self.read));
        };
        let length: usize = length
            .parse()
            .map_err(|_| io::Error::other("Content-Length is no number"))?;
        self.exactly(length, deadline).await
    }

    async fn chunks(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(deadline).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| io::Error::other("a chunk without a size"))?;
            if size > ANSWER_BYTES_MAX - body.len() {
                return Err(too_large());
            }
            body.extend(self.exactly(size, deadline).await?);
            if size == 0 {
                while !self.line(deadline).await?.is_empty() {}
                return Ok(body);
            }
            self.line(deadline).await?;
        }
    }

    async fn line(&mut self, deadline: Instant) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.read, b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more(deadline).await?;
        }
    }

    async fn exactly(&mut self, length: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        if length > ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        while self.read.len() < length {
            self.more(deadline).await?;
        }
        Ok(self.read.drain(..length).collect())
    }

    async fn more(&mut self, deadline: Instant) -> io::Result<()> {
        self.more_or_end(deadline).await?;
        if self.has_ended {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    async fn more_or_end(&mut self, deadline: Instant) -> io::Result<()> {
        if self.read.len() > ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        self.read.reserve(READ_BYTES);
        let reading = self.stream.read_buf(&mut self.read);
        self.has_ended = timeout_at(deadline, reading).await.map_err(|_| late())?? == 0;
        Ok(())
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn base_urls_are_read_and_written_again() {
        for (text, base, prefix) in [
            ("https://voice.example", "https://voice.example", ""),
            ("https://voice.example:443/", "https://voice.example", ""),
            ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b", "/a/b"),
            ("http://127.0.0.1:80", "http://127.0.0.1", ""),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.base().as_str(), target.prefix()), (base, prefix));
        }
        for bad in [
            "voice.example",
            "ftp://a",
            "https://",
            "http://a:b",
            "http://u@a",
            "http://a/?x",
            "http://a?x",
            "http://a/api/public/v1",
            "http://a/api/v1/",
            "http://a/below/api/operator/v1/organizations",
            "http://a/api/v1/api/v1",
            "http://a/api/v1/agents/x",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_that_only_begins_like_the_apis_may_stand_before_it() {
        for prefix in [
            "/api/v1/voice",
            "/api/public/v1/team/a",
            "/api/v1beta",
            "/api",
            "/my-api/v1",
        ] {
            let target: Target = format!("https://a{prefix}/").parse().unwrap();
            assert_eq!(target.prefix(), prefix);
        }
    }
}
