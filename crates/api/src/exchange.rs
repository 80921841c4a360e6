//! Where a connection stands between a request and its answer.

use std::{
    io, mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::{
    Method,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The present exchange of a connection, as its layers see it.
#[derive(Clone, Default)]
pub(crate) struct Exchange(Arc<State>);

#[derive(Default)]
struct State {
    is_unread: AtomicBool,
    is_unanswered: AtomicBool,
}

impl Exchange {
    /// A request's body. A request begins only once what came before it was read, by whomever.
    pub(crate) fn begin(&self, method: &Method, body: Incoming) -> axum::body::Body {
        // What asks for something to be done is broken off when its client goes away, and the next with its key is told
        // how far it came. So its client's end must be seen until the answer is made.
        self.set_unanswered(method.is_safe());
        let is_empty = body.is_end_stream();
        self.set_unread(!is_empty);
        if is_empty {
            return axum::body::Body::empty();
        }
        axum::body::Body::new(Watched {
            body,
            exchange: self.clone(),
        })
    }

    /// The answer is made, and waits for its turn to be written.
    pub(crate) fn answer_is_made(&self) {
        self.set_unanswered(true);
    }

    fn set_unanswered(&self, unanswered: bool) {
        self.0.is_unanswered.store(unanswered, Ordering::Relaxed);
    }

    pub(crate) fn set_unread(&self, unread: bool) {
        self.0.is_unread.store(unread, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody is going to read.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.is_unread.load(Ordering::Relaxed)
    }

    fn is_only_unanswered(&self) -> bool {
        self.0.is_unanswered.load(Ordering::Relaxed) && !self.is_unread()
    }
}

/// A body that tells when its end was read; until then there is more of it.
struct Watched {
    body: Incoming,
    exchange: Exchange,
}

impl Body for Watched {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.exchange.set_unread(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that reads nothing while a request that changes nothing, or a finished answer, waits to be answered.
///
/// Who says that nothing more comes (`nc -N`, some health checks) still waits for the answer, and the HTTP library takes
/// an end in the middle of an exchange for a client that is gone. It hears of the end once the answer has begun, so a
/// stream of events still ends with its client.
pub(crate) struct Socket {
    stream: TcpStream,
    exchange: Exchange,
    /// Somebody was kept from reading what is there.
    has_put_off: bool,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, exchange: Exchange) -> Self {
        Self {
            stream,
            exchange,
            has_put_off: false,
        }
    }

    fn noted(&mut self, cx: &Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.exchange.set_unanswered(false);
            if mem::take(&mut self.has_put_off) {
                cx.waker().wake_by_ref();
            }
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.exchange.is_only_unanswered() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        ready!(self.stream.poll_read_ready(cx))?;
        self.has_put_off = true;
        Poll::Pending
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
