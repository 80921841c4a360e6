//! A way between us and a server that can be cut, held up and mended.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections stay, and nothing comes through.
    Held,
    /// Connections are closed, old and new.
    Cut,
}

/// Forwards connections to a server until the test says otherwise.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// In front of `server`, open.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = Arc::clone(&way);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                if *ways.borrow() == Way::Cut {
                    continue;
                }
                let server = TcpStream::connect(server).await.expect("the server behind the proxy");
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(forward(from_client, to_server, ways.subscribe()));
                tokio::spawn(forward(from_server, to_client, ways.subscribe()));
            }
        });
        Self { address, way, task }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and new ones at once.
    pub fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// Lets nothing through, in silence.
    pub fn hold(&self) {
        self.way.send_replace(Way::Held);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.way.send_replace(Way::Open);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn forward(from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut space = [0; 4096];
    loop {
        let now = *way.borrow_and_update();
        if now == Way::Cut {
            return;
        }
        tokio::select! {
            biased;
            changed = way.changed() => if changed.is_err() { return },
            ready = from.readable(), if now == Way::Open => {
                if ready.is_err() {
                    return;
                }
                match from.try_read(&mut space) {
                    Ok(0) => return,
                    Ok(read) => if to.write_all(&space[..read]).await.is_err() { return },
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
    }
}
