//! TCP streams of the endpoint. What we say to a peer waits in a bounded buffer of ours, never in the engine.
//!
//! The engine writes some of its answers in the one loop that takes everybody's messages, and there waits until the
//! peer has read them: a peer that sends and never reads would stop the endpoint. So the engine gets one end of a
//! socket pair, whose other end is read at all times, and a task of ours passes on what goes either way.

use std::{net::SocketAddr, os::fd::OwnedFd, os::unix::net::UnixStream as StdUnixStream, sync::Arc, time::Duration};

use rsipstack::transport::{SipAddr, stream::StreamConnectionInner, tcp::TcpConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    net::{
        TcpStream, UnixStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        unix,
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Bytes that may wait for the peer to read. A large answer is some kilobytes.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// A peer that has read nothing for so long, though something waits for it, is gone.
const STALLED: Duration = Duration::from_secs(10);
/// How long what waits may take to leave once the engine has closed its end.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Passed on at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// The two ends between the peer and the engine.
pub(crate) struct Relay {
    peer: TcpStream,
    engine: UnixStream,
}

/// A connection for the engine that never makes it wait, and what must run for it to work. `local` is where we
/// listen, also for streams that we opened: it is how such connections are told from those of the engine's own making.
pub(crate) fn guarded(
    stream: TcpStream,
    local: SipAddr,
    remote: SipAddr,
    token: CancellationToken,
) -> std::io::Result<(TcpConnection, Relay)> {
    let (ours, engines) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    engines.set_nonblocking(true)?;
    // The engine wants a TCP stream, and reads and writes it like any socket.
    let engines = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(engines)))?;
    let (read_half, write_half) = split(engines);
    let connection = TcpConnection {
        inner: Arc::new(StreamConnectionInner::new(local, remote, read_half, write_half)),
        cancel_token: Some(token),
    };
    let relay = Relay {
        peer: stream,
        engine: UnixStream::from_std(ours)?,
    };
    Ok((connection, relay))
}

/// A TCP peer as the engine names it.
pub(crate) fn address_of(peer: SocketAddr) -> SipAddr {
    SipAddr {
        r#type: Some(rsipstack::sip::Transport::Tcp),
        addr: peer.into(),
    }
}

impl Relay {
    /// Passes on what goes either way until one end is gone, or the peer does not read. Then both are closed.
    pub(crate) async fn run(self) {
        let (from_peer, to_peer) = self.peer.into_split();
        let (from_engine, to_engine) = self.engine.into_split();
        tokio::select! {
            () = inwards(from_peer, to_engine) => {}
            () = outwards(from_engine, to_peer) => {}
        }
    }
}

/// What the peer says, as fast as the engine takes it. A peer that says no more still hears what waits for it, until
/// the engine closes its end.
async fn inwards(mut from: OwnedReadHalf, mut to: unix::OwnedWriteHalf) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece).await {
            Ok(0) => break,
            Ok(read) => {
                if to.write_all(&piece[..read]).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
    to.shutdown().await.ok();
    std::future::pending::<()>().await;
}

async fn outwards(mut from: unix::OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut moved = Instant::now();
    loop {
        tokio::select! {
            read = from.read(&mut piece) => match read {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    if waiting.is_empty() {
                        moved = Instant::now();
                    }
                    waiting.extend_from_slice(&piece[..read]);
                }
            },
            written = to.write(&waiting), if !waiting.is_empty() => match written {
                Ok(written) => {
                    waiting.drain(..written);
                    moved = Instant::now();
                }
                Err(_) => return,
            },
            () = sleep_until(moved + STALLED), if !waiting.is_empty() => return too_slow(),
        }
        if waiting.len() > WAITING_BYTES_MAX {
            return too_slow();
        }
    }
    timeout(LAST_WORDS, to.write_all(&waiting)).await.ok();
}

fn too_slow() {
    metrics::counter!("callwright_sip_dropped_total", "why" => "peer_does_not_read").increment(1);
    tracing::debug!("a sip tcp connection is closed: its peer does not read");
}
