//! Answers that the HTTP library writes by itself, before any request of ours exists: it could not parse the head.
//! This wraps the connection and puts the contract's envelope in place of such an empty answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use contract::{Meta, Reason, RequestId};
use domain::ports::Clock;
use hyper::{
    StatusCode,
    rt::{Read, ReadBufCursor, Write},
};

use crate::{
    Problem,
    envelope::{body_of, help},
};

/// A head longer than this was not written by the library alone.
const BARE_BYTES_MAX: usize = 256;

/// A connection whose bare refusals become envelopes.
pub(crate) struct Enveloped<I> {
    inner: I,
    clock: Arc<dyn Clock>,
    /// What replaces a refusal, and how much of it is on its way.
    replacement: Option<(Vec<u8>, usize)>,
}

impl<I> Enveloped<I> {
    pub(crate) fn new(inner: I, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            replacement: None,
        }
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
pub(crate) fn answer(problem: &Problem, clock: &dyn Clock) -> Vec<u8> {
    let meta = Meta {
        request_id: RequestId::new(),
        ts: clock.now(),
    };
    let body = body_of(problem, meta);
    let (status, reason) = (problem.status(), problem.reason());
    tracing::info!(request_id = %meta.request_id, status = status.as_u16(), code = reason.code().name(), reason = reason.name(), "request refused");
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
        while let Some((bytes, sent)) = &mut self.replacement {
            let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, &bytes[*sent..]))?;
            *sent += written;
            if *sent >= bytes.len() || written == 0 {
                self.replacement = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Enveloped<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_replacement(cx))?;
        if let Some(status) = bare_status(buf) {
            let bytes = answer(&problem_of(status), &*self.clock);
            self.replacement = Some((bytes, 0));
            // The rest goes out with the flush that follows; the library takes its own bytes for written.
            let _ = self.poll_replacement(cx)?;
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_replacement(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_replacement(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if self.replacement.is_some() || first.is_some_and(|first| bare_status(first).is_some()) {
            return self.poll_write(cx, first.map_or(&[][..], |first| first));
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
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
