//! The accept loop: deadlines for slow clients, a cap on connections, an orderly end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    App, Peer, Problem,
    bare::{self, Enveloped},
};

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// Most bytes of a request's head; also the read buffer of a connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;

/// Refused connections that are told so at once; more are closed without a word.
const REFUSALS_MAX: usize = 64;

/// Longest time spent on telling one.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(1);

/// Pause after a failed accept, which says that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `app` until `shutdown`, then lets requests under way finish within the configured time while new ones are
/// told that the server is stopping.
pub async fn serve(listener: TcpListener, app: App, shutdown: CancellationToken) {
    let router = crate::router(app.clone());
    serve_router(listener, app, router, shutdown).await;
}

/// As [`serve`], with a router made by [`crate::router_with`].
pub async fn serve_router(listener: TcpListener, app: App, router: Router, shutdown: CancellationToken) {
    let server = Server::new(app, router);
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
}

struct Server {
    app: App,
    router: Router,
    http: Arc<Builder<TokioExecutor>>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    tracker: TaskTracker,
    /// Ends connections after the request they are at.
    drain: CancellationToken,
    /// Ends connections at once.
    abort: CancellationToken,
}

impl Server {
    fn new(app: App, router: Router) -> Self {
        let head_patience = Duration::from_millis(app.config().header_timeout_ms);
        let mut http = Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head_patience)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .keep_alive_interval(head_patience)
            .keep_alive_timeout(head_patience);
        Self {
            http: Arc::new(http),
            places: Arc::new(Semaphore::new(app.config().connections_max)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            tracker: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            app,
            router,
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
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            self.serve_one(stream, peer, place);
        } else if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            let bytes = bare::answer(
                &Problem::overload("The server has no place for another connection."),
                &**self.app.clock(),
            );
            tokio::spawn(async move {
                let _permit = permit;
                let _ = timeout(REFUSAL_TIME_MAX, refuse(stream, bytes)).await;
            });
        }
    }

    fn serve_one(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let router = self.router.clone();
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let io = Enveloped::new(TokioIo::new(stream), Arc::clone(self.app.clock()));
        let http = Arc::clone(&self.http);
        // A connection of after the signal answers once that the server is stopping, and closes by that answer.
        let drain = if self.drain.is_cancelled() {
            CancellationToken::new()
        } else {
            self.drain.clone()
        };
        let abort = self.abort.clone();
        self.tracker.spawn(async move {
            let _place = place;
            let connection = http.serve_connection(io, TowerToHyperService::new(service));
            tokio::pin!(connection);
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = abort.cancelled() => return,
                () = drain.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        result = connection.as_mut() => result,
                        () = abort.cancelled() => return,
                    }
                }
            };
            if let Err(error) = result {
                tracing::debug!(error, "a connection ended badly");
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
