//! A network between a store and its server that a test can break.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Works,
    /// Connections break, and new ones too.
    Cut,
    /// Packets vanish. Connections of that time stay dead afterwards.
    Silent,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    network: watch::Sender<Network>,
    upstream: SocketAddr,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = watch::Sender::new(Network::Works);
        let listening = listen(listener, upstream, network.subscribe());
        Self {
            address,
            network,
            upstream,
            listening,
        }
    }

    /// Nobody listens any more.
    pub(crate) async fn close(&mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
        self.set(Network::Cut);
    }

    /// Somebody listens again, at the same address.
    pub(crate) async fn open(&mut self) {
        self.set(Network::Works);
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listening = listen(listener, self.upstream, self.network.subscribe());
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

fn listen(listener: TcpListener, upstream: SocketAddr, network: watch::Receiver<Network>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, upstream, network.clone()));
        }
    })
}

async fn carry(client: TcpStream, upstream: SocketAddr, network: watch::Receiver<Network>) {
    let now = *network.borrow();
    match now {
        Network::Cut => return,
        Network::Silent => std::future::pending().await,
        Network::Works => {}
    }
    let server = TcpStream::connect(upstream).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(
        pump(from_client, to_server, network.clone()),
        pump(from_server, to_client, network)
    );
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut network: watch::Receiver<Network>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = tokio::select! {
            biased;
            () = cut(&mut network) => return,
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        let now = *network.borrow();
        if now == Network::Silent {
            std::future::pending::<()>().await;
        }
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn cut(network: &mut watch::Receiver<Network>) {
    if network.wait_for(|now| *now == Network::Cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}
