//! The accept loop: deadlines for slow clients, a cap on connections, an orderly end.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::places::{Place, Places};
use hyper::{Request, body::Incoming, server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    App, Front, Problem,
    bare::{self, Enveloped},
    exchange::{Exchange, Socket},
    lazily::{Called, OneTimer},
    limits::network,
    together::Together,
};

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// Most bytes of a request's head; also the read buffer of a connection.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Refused connections that are told so at once; more are closed without a word.
const REFUSALS_MAX: usize = 64;

/// Longest time spent on telling one.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(1);

/// Pause after a failed accept, which says that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `app` until `shutdown`, then lets requests under way finish within the configured time while new ones are
/// told that the server is stopping.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) {
    let front = crate::router(app.clone());
    serve_router(listener, app, front, shutdown).await;
}

/// As [`serve`], with a router made by [`crate::router_with`].
pub async fn serve_router(listener: TcpListener, app: App, front: Front, shutdown: CancellationToken) {
    let server = Server::new(app.clone(), front);
    let watched = server.app.clone();
    server
        .tracker
        .spawn(async move { watched.load().lag().watch(watched.stop_token()).await });
    let ended = CancellationToken::new();
    let end = ended.clone().drop_guard();
    let recorder = tokio::spawn(async move { app.recorder().run(ended).await });
    tokio::select! {
        () = server.accept_all(&listener) => {}
        () = shutdown.cancelled() => {}
    }
    server.app.stop();
    server.drain.cancel();
    server.tracker.close();
    let patience = Duration::from_millis(server.app.config().shutdown_timeout_ms);
    let finished = async {
        tokio::select! {
            () = server.accept_all(&listener) => {}
            () = server.tracker.wait() => {}
        }
    };
    if timeout(patience, finished).await.is_err() {
        tracing::warn!(
            connections = server.tracker.len(),
            "connections were cut at the end of the shutdown time"
        );
    }
    server.abort.cancel();
    // Last of all, so that the failures of the last moment are kept too.
    drop(end);
    let _ = recorder.await;
}

struct Server {
    app: App,
    front: Front,
    /// HTTP/1.1 only: what its library refuses by itself becomes an envelope, which HTTP/2's frames do not allow.
    http: Builder,
    places: Arc<Semaphore>,
    addresses: Places<IpAddr>,
    refusals: Arc<Semaphore>,
    tracker: TaskTracker,
    /// Ends connections after the request they are at.
    drain: CancellationToken,
    /// Ends connections at once.
    abort: CancellationToken,
}

/// What a connection holds while it lives.
struct Held {
    /// None for a proxy that is trusted: whoever comes through it shares its address.
    _of_address: Option<Place<IpAddr>>,
    _of_server: OwnedSemaphorePermit,
}

impl Server {
    fn new(app: App, front: Front) -> Self {
        let head_patience = Duration::from_millis(app.config().header_timeout_ms);
        let mut http = Builder::new();
        // The wait for a head begins with the connection, so one that says nothing ends too.
        http.header_read_timeout(head_patience)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX);
        Self {
            http,
            addresses: Places::default(),
            places: Arc::new(Semaphore::new(app.config().connections_max)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            tracker: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            app,
            front,
        }
    }

    /// Never comes back by itself.
    async fn accept_all(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        match self.place(peer.ip()) {
            Ok(place) => self.serve_one(stream, peer, place),
            Err(problem) => self.turn_away(stream, peer.ip(), &problem),
        }
    }

    fn place(&self, address: IpAddr) -> Result<Held, Problem> {
        let config = self.app.config();
        let (limit, limit_of_one) = (config.connections_max, config.connections_per_address_max);
        let is_proxy = config.trusted_proxies.iter().any(|proxies| proxies.contains(address));
        let of_address = self.addresses.take(network(address), limit_of_one);
        if of_address.is_none() && !is_proxy {
            let message = "This address has no place for another connection.";
            return Err(Problem::no_place("connections_per_address", limit_of_one, message));
        }
        let of_server = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "The server has no place for another connection.";
            Problem::no_place("connections", limit, message)
        })?;
        Ok(Held {
            _of_address: of_address,
            _of_server: of_server,
        })
    }

    fn turn_away(&self, stream: TcpStream, peer: IpAddr, problem: &Problem) {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        let bytes = bare::answer(problem, &self.app, peer);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = timeout(REFUSAL_TIME_MAX, refuse(stream, bytes)).await;
        });
    }

    fn serve_one(&self, stream: TcpStream, peer: SocketAddr, place: Held) {
        let front = self.front.clone();
        let exchange = Exchange::default();
        let io = TokioIo::new(Socket::new(stream, exchange.clone()));
        let io = Together::new(Enveloped::new(io, self.app.clone(), peer.ip(), exchange.clone()));
        let service = service_fn(move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            let body = exchange.begin(&parts.method, body);
            let request = Request::from_parts(parts, body);
            let (front, exchange) = (front.clone(), exchange.clone());
            async move {
                let answer = front.answer(request, peer.ip()).await;
                exchange.answer_is_made();
                Ok::<_, Infallible>(answer)
            }
        });
        let mut http = self.http.clone();
        http.timer(OneTimer::default());
        // A connection of after the signal answers once that the server is stopping, and closes by that answer.
        let drain = Some(self.drain.clone()).filter(|drain| !drain.is_cancelled());
        let abort = self.abort.clone();
        self.tracker.spawn(async move {
            let _place = place;
            let connection = http.serve_connection(io, service);
            tokio::pin!(connection);
            // Nothing is lost by listening to one signal at a time: `abort` never comes before `drain`.
            let mut result = None;
            if let Some(drain) = drain {
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => result = Some(ended),
                    () = Called::new(drain.cancelled()) => connection.as_mut().graceful_shutdown(),
                }
            }
            let result = if let Some(ended) = result {
                ended
            } else {
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = Called::new(abort.cancelled()) => return,
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
}

/// Says why, then reads what the client had to say: closing before would reset the connection, and the reset could
/// overtake the answer.
async fn refuse(mut stream: TcpStream, bytes: Vec<u8>) -> std::io::Result<()> {
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
