//! What the HTTP library does with a connection by itself, and the contract forbids: it answers a head that it can't
//! parse with an empty body, and closes while the client still sends, which resets the connection and may take the
//! answer away. This wraps the connection, puts the contract's envelope in place of such an answer, and reads on for a
//! while before it closes.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use contract::Reason;
use hyper::{
    StatusCode,
    rt::{Read, ReadBuf, ReadBufCursor, Write},
};
use tokio::time::Sleep;

use crate::{
    App, Problem, RequestContext,
    envelope::{body_of, help},
    exchange::Exchange,
    support::{self, Seen},
};

/// A head longer than this was not written by the library alone.
const BARE_BYTES_MAX: usize = 256;

/// Most of what a client still sends that is read and thrown away before its connection closes.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest time spent on that.
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);

/// A connection whose bare refusals become envelopes, and whose answers arrive before it closes.
pub(crate) struct Enveloped<I> {
    inner: I,
    app: App,
    peer: IpAddr,
    /// What replaces a refusal, and how much of it is on its way.
    replacement: Option<(Vec<u8>, usize)>,
    exchange: Exchange,
    linger: Option<Linger>,
    /// Runs while the client takes nothing of what is written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Enveloped<I> {
    pub(crate) fn new(inner: I, app: App, peer: IpAddr, exchange: Exchange) -> Self {
        Self {
            inner,
            app,
            peer,
            replacement: None,
            exchange,
            linger: None,
            stalled: None,
        }
    }

    /// What came of a write. A client that reads nothing for long must not hold its place, nor what was written for it.
    fn unless_stalled(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = Duration::from_millis(self.app.config().write_timeout_ms);
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// What is left of the time and the bytes that a closing connection is given.
struct Linger {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Linger {
    fn begin() -> Self {
        Self {
            deadline: Box::pin(tokio::time::sleep(LINGER_TIME_MAX)),
            bytes: LINGER_BYTES_MAX,
        }
    }

    /// Ready once the client has ended too, or was given enough.
    fn poll<I: Read + Unpin>(&mut self, inner: &mut I, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while self.deadline.as_mut().poll(cx).is_pending() {
            let mut thrown_away = ReadBuf::new(&mut space);
            let result = ready!(Pin::new(&mut *inner).poll_read(cx, thrown_away.unfilled()));
            let read = thrown_away.filled().len();
            if result.is_err() || read == 0 || read > self.bytes {
                break;
            }
            self.bytes -= read;
        }
        Poll::Ready(())
    }
}

/// The status of an answer that the library wrote by itself: complete, empty, and without our request id.
fn bare_status(bytes: &[u8]) -> Option<StatusCode> {
    if bytes.len() > BARE_BYTES_MAX || !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let status: u16 = head.get(9..12)?.parse().ok()?;
    let is_ours = head.contains("x-request-id") || !head.contains("content-length: 0\r\n");
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| !is_ours && status.as_u16() >= 400)
}

/// A whole answer as bytes, for a connection that will be closed after it.
pub(crate) fn answer(problem: &Problem, app: &App, peer: IpAddr) -> Vec<u8> {
    let context = RequestContext::new(app, peer);
    let meta = context.meta();
    app.refusals().note(problem);
    let body = body_of(problem, meta);
    let (status, reason) = (problem.status(), problem.reason());
    tracing::info!(request_id = %meta.request_id, status = status.as_u16(), code = reason.code().name(), reason = reason.name(), "request refused");
    support::note(app, &context, problem, Seen::default(), None);
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nx-request-id: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
        meta.request_id,
    );
    let link = help(reason.code());
    for (name, value) in problem
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .chain([("link", &link)])
    {
        head.extend([name, ": ", value.to_str().unwrap_or_default(), "\r\n"]);
    }
    [head.as_bytes(), b"\r\n", &body].concat()
}

fn problem_of(status: StatusCode) -> Problem {
    let sentence = match status.as_u16() {
        414 => "The request's address is too long.",
        431 => "The request's headers are too large or too many.",
        _ => "The request's head can't be read.",
    };
    Problem::new(Reason::MalformedHeader, sentence)
}

impl<I: Read + Unpin> Read for Enveloped<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Enveloped<I> {
    /// Sends what is left of a replacement. Its length is of no concern to the library, which is done.
    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, sent)) = self.replacement.take() {
            let written = Pin::new(&mut self.inner).poll_write(cx, &bytes[sent..]);
            let Poll::Ready(written) = self.unless_stalled(cx, written)? else {
                self.replacement = Some((bytes, sent));
                return Poll::Pending;
            };
            let sent = sent + written;
            if sent < bytes.len() && written > 0 {
                self.replacement = Some((bytes, sent));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Read + Write + Unpin> Write for Enveloped<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_replacement(cx))?;
        if let Some(status) = bare_status(buf) {
            let bytes = answer(&problem_of(status), &self.app, self.peer);
            self.exchange.set_unread(true);
            self.replacement = Some((bytes, 0));
            // The rest goes out with the flush that follows; the library takes its own bytes for written.
            let _ = self.poll_replacement(cx)?;
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.unless_stalled(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(cx))?;
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !this.exchange.is_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::begin);
        linger.poll(&mut this.inner, cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_librarys_own_refusals_are_replaced() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(bare_status(bare), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        for other in [
            &b"HTTP/1.1 204 No Content\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"RIFF....\r\n\r\n",
            b"",
        ] {
            assert_eq!(bare_status(other), None);
        }
    }
}
