//! Takes every G.711 call on the given address and repeats what it hears; for `sipp` and by ear.
//!
//! `cargo run -p telephony --example sip_answerer -- 127.0.0.1:5070`

use std::{net::SocketAddr, time::Duration};

use telephony::{
    sip::{SipConfig, SipEndpoint, SipError},
    softphone::{Answerer, answer},
};
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), SipError> {
    let listen: SocketAddr = std::env::args()
        .nth(1)
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 5070)));
    let (sender, mut calls) = mpsc::channel(64);
    let config = SipConfig {
        listen,
        external: None,
        user_agent: "Callwright".to_owned(),
        realm: "callwright".to_owned(),
    };
    let endpoint = SipEndpoint::bind(config, sender).await?;
    while let Some(call) = calls.recv().await {
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let plan = Answerer::echoing(Duration::from_millis(500));
            answer(&endpoint, call, plan).await.ok();
        });
    }
    Ok(())
}
