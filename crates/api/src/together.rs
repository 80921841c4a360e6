//! Answers that go out together.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// A connection that puts off its first write after a read until the others that are ready too had their turn.
///
/// Whoever has many connections to this server, such as a proxy before it, is then woken once for the answers to all
/// that it asked in one go, and not once for each. To wake a process on another core costs about as much as the rest
/// of a small answer, on either side. An answer waits for about as long as the tasks take that were ready when it was;
/// one that is larger than hyper's buffer, or the last of its connection, may go out at once.
///
/// It takes no slices, so head and body come as one piece: for answers as small as most are, putting them together costs
/// less than a system call that gathers them.
pub(crate) struct Together<I> {
    inner: I,
    has_let_others_go: bool,
}

impl<I> Together<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self {
            inner,
            has_let_others_go: false,
        }
    }

    fn let_others_go(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_let_others_go, true) {
            return Poll::Ready(());
        }
        // A task that wakes itself is queued behind all that are ready.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: Read + Unpin> Read for Together<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.has_let_others_go = false;
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Together<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.let_others_go(cx));
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn all_that_is_ready_is_read_before_the_first_answer_is_written_and_later_parts_of_it_do_not_wait() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut clients = Vec::new();
        let mut servers = Vec::new();
        for name in ["a", "b"] {
            let (client, server) = tokio::io::duplex(64);
            clients.push(client);
            let said = Arc::clone(&said);
            let say = move |what: &str| said.lock().unwrap().push(format!("{name} {what}"));
            servers.push(tokio::spawn(async move {
                let mut server = TokioIo::new(Together::new(TokioIo::new(server)));
                for _ in 0..2 {
                    server.read_exact(&mut [0]).await.unwrap();
                    say("reads");
                    server.write_all(b"!").await.unwrap();
                    say("writes");
                    server.write_all(b"!").await.unwrap();
                    say("writes on");
                }
            }));
        }
        for _ in 0..2 {
            for client in &mut clients {
                client.write_all(b"?").await.unwrap();
            }
            for client in &mut clients {
                client.read_exact(&mut [0; 2]).await.unwrap();
            }
            let order = std::mem::take(&mut *said.lock().unwrap());
            let expected = [
                "a reads",
                "b reads",
                "a writes",
                "a writes on",
                "b writes",
                "b writes on",
            ];
            assert_eq!(order, expected);
        }
        for server in servers {
            server.await.unwrap();
        }
    }
}
