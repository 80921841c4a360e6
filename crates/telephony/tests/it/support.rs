//! Two endpoints and what tests do with them.

use std::{net::SocketAddr, time::Duration};

use telephony::sip::{
    Credentials, IncomingCall, LegEvent, OutboundInvite, OutboundLeg, SipConfig, SipEndpoint, SipTarget, SipTransport,
};
use tokio::{sync::mpsc, time::timeout};

pub(crate) const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
pub(crate) const ANSWER: &str =
    "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0\r\n";

/// An endpoint with the queue of calls that come to it.
pub(crate) struct Party {
    pub(crate) endpoint: SipEndpoint,
    pub(crate) calls: mpsc::Receiver<IncomingCall>,
}

pub(crate) fn config() -> SipConfig {
    SipConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        external: None,
        user_agent: "Callwright/test".to_owned(),
        realm: "callwright".to_owned(),
    }
}

impl Party {
    pub(crate) async fn new() -> Self {
        Self::with_queue(16).await
    }

    pub(crate) async fn with_queue(length: usize) -> Self {
        let (sender, calls) = mpsc::channel(length);
        let endpoint = SipEndpoint::bind(config(), sender).await.unwrap();
        Self { endpoint, calls }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.local_addr()
    }

    pub(crate) fn target(&self, transport: SipTransport) -> SipTarget {
        SipTarget {
            uri: format!("sip:%2B14155550100@{}", self.address()),
            transport,
        }
    }

    /// The next call to come in.
    pub(crate) async fn call(&mut self) -> IncomingCall {
        soon(self.calls.recv()).await.unwrap()
    }

    /// Waits until no dialog is left, which the engine would otherwise keep for ever.
    pub(crate) async fn is_empty(&self) {
        let empty = async {
            while self.endpoint.dialog_count() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(empty).await;
    }
}

/// Places a call from one party to the other.
pub(crate) async fn place(
    from: &Party,
    to: &Party,
    transport: SipTransport,
    credentials: Option<Credentials>,
) -> OutboundLeg {
    let request = OutboundInvite {
        target: to.target(transport),
        from_user: "+14155550199".to_owned(),
        credentials,
        offer: OFFER.to_owned(),
    };
    from.endpoint.invite(request).await.unwrap()
}

/// The first event that is not progress.
pub(crate) async fn outcome(leg: &mut OutboundLeg) -> LegEvent {
    loop {
        match soon(leg.events.recv()).await.unwrap() {
            LegEvent::Proceeding | LegEvent::Ringing => {}
            event => return event,
        }
    }
}

/// What must happen within ten seconds.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), work).await.unwrap()
}
