//! A call that has come in and waits for a decision.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rsipstack::{
    dialog::invite_dialog::InviteDialog,
    sip::{Header, Param, Request, Response, StatusCode, headers, prelude::ToTypedHeader},
    transaction::transaction::{TransactionEvent, TransactionEventSender},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    SipError, SipTransport,
    digest::{Authentication, NonceKeeper, Presented, challenges, claimed_username},
    leg::{ALLOW, LegControl, LegEvent, Signals, sdp_type, session_timer},
};

/// Longer than the 32 seconds after which the engine gives up a 200 nobody acknowledged.
const ACK_WITHIN: Duration = Duration::from_secs(35);

/// An INVITE that asks to be taken. 100 Trying has gone out already.
///
/// Dropping it answers 480.
#[derive(Debug)]
pub struct IncomingCall {
    /// Where the packet came from: what allow-lists look at.
    pub source: SocketAddr,
    /// How it came.
    pub transport: SipTransport,
    /// User part of the From header, else its host.
    pub from: String,
    /// User part of the Request-URI, percent-decoded: the number that was called.
    pub to_user: String,
    /// The Call-ID, to find the call in a peer's log.
    pub call_id: String,
    /// SDP offer; `None` when the caller leaves the offer to us.
    pub offer: Option<String>,
    pub(crate) inner: Inner,
}

/// The parts of an incoming call that stay inside the module.
pub(crate) struct Inner {
    pub(crate) dialog: InviteDialog,
    pub(crate) request: Request,
    pub(crate) responder: TransactionEventSender,
    pub(crate) signals: Arc<Signals>,
    pub(crate) events: mpsc::Receiver<LegEvent>,
    pub(crate) nonces: Arc<NonceKeeper>,
    pub(crate) realm: String,
    pub(crate) user_agent: String,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

/// A taken call.
///
/// Dropping `events` hangs up.
#[derive(Debug)]
pub struct EstablishedLeg {
    /// Ends after the last event of the call.
    pub events: mpsc::Receiver<LegEvent>,
    /// Ends the call.
    pub control: LegControl,
}

impl IncomingCall {
    /// Checks the caller's digest against one account. `Good` is given once per request count.
    pub fn authenticate(&self, username: &str, password: &str) -> Authentication {
        let request = Presented {
            header: self.authorization(),
            method: "INVITE",
            realm: &self.inner.realm,
        };
        self.inner.nonces.check(&request, username, password, SystemTime::now())
    }

    /// The user name the caller claims in its Authorization header, to choose the account to check.
    pub fn claimed_username(&self) -> Option<String> {
        self.authorization().and_then(claimed_username)
    }

    fn authorization(&self) -> Option<&str> {
        self.inner.request.headers.iter().find_map(|header| match header {
            Header::Authorization(value) => Some(value.value()),
            _ => None,
        })
    }

    /// Asks for credentials: 401 with an MD5 and a SHA-256 challenge.
    #[expect(
        clippy::unused_async,
        reason = "answering is asynchronous to callers; the engine only queues it today"
    )]
    pub async fn challenge(self, stale: bool) {
        let headers = challenges(&self.inner.nonces, &self.inner.realm, stale, SystemTime::now())
            .map(|challenge| Header::WwwAuthenticate(headers::WwwAuthenticate::new(challenge)));
        self.inner.refuse(StatusCode::Unauthorized, headers.into());
    }

    /// Tells the caller that it rings (180).
    #[expect(
        clippy::unused_async,
        reason = "answering is asynchronous to callers; the engine only queues it today"
    )]
    pub async fn ring(&self) {
        self.inner.dialog.ringing(None, None).ok();
    }

    /// Takes the call with our SDP and waits for the caller's ACK.
    pub async fn accept(self, answer_sdp: String) -> Result<EstablishedLeg, SipError> {
        let Inner {
            dialog,
            request,
            signals,
            events,
            ..
        } = self.inner;
        signals.set_local_sdp(&answer_sdp);
        let mut headers = vec![
            sdp_type(),
            Header::Allow(ALLOW.into()),
            Header::Supported("timer".into()),
        ];
        headers.extend(session_timer(&request));
        dialog
            .accept(Some(headers), Some(answer_sdp.into_bytes()))
            .map_err(|_| SipError::Cancelled)?;
        let acknowledged = async {
            tokio::select! {
                biased;
                () = signals.confirmed.cancelled() => Ok(()),
                () = signals.ended.cancelled() => Err(SipError::Cancelled),
            }
        };
        timeout(ACK_WITHIN, acknowledged)
            .await
            .map_err(|_| SipError::Timeout)??;
        Ok(EstablishedLeg {
            events,
            control: LegControl { signals },
        })
    }

    /// Refuses the call; 488 carries a Warning and 503 a Retry-After.
    #[expect(
        clippy::unused_async,
        reason = "answering is asynchronous to callers; the engine only queues it today"
    )]
    pub async fn reject(self, status: u16) {
        let headers = match status {
            488 => vec![Header::Warning(
                "304 callwright \"No common codec: offer PCMU or PCMA\"".into(),
            )],
            503 => vec![Header::RetryAfter("10".into())],
            _ => vec![],
        };
        // A success or a provisional status would leave the caller hanging.
        let status = if (300..700).contains(&status) { status } else { 500 };
        self.inner.refuse(StatusCode::from(status), headers);
    }

    /// Resolves when the caller gives up before the call was taken; 487 is answered already.
    pub async fn cancelled(&self) {
        self.inner.signals.cancelled.cancelled().await;
    }
}

impl Inner {
    /// Sends a final refusal with headers of ours, which the engine's own `reject` can't.
    fn refuse(&self, status: StatusCode, extra: Vec<Header>) {
        let response = self.response(status, extra);
        self.responder.send(TransactionEvent::Respond(response)).ok();
        // Ends the dialog; the second response this queues is refused by the transaction's state.
        self.dialog.reject(None, None).ok();
    }

    fn response(&self, status: StatusCode, extra: Vec<Header>) -> Response {
        let mut headers = headers::Headers::default();
        for header in self.request.headers.iter() {
            match header {
                Header::Via(_) | Header::From(_) | Header::CSeq(_) | Header::CallId(_) => headers.push(header.clone()),
                Header::To(to) => headers.push(self.tagged(to)),
                _ => {}
            }
        }
        headers.push(Header::Server(self.user_agent.clone().into()));
        headers.extend(extra);
        headers.push(Header::ContentLength(0_u32.into()));
        Response {
            status_code: status,
            wire_reason: None,
            version: self.request.version,
            headers,
            body: vec![],
        }
    }

    fn tagged(&self, to: &headers::To) -> Header {
        match to.clone().typed() {
            Ok(mut to) => {
                to.params.push(Param::Tag(self.dialog.id().local_tag.into()));
                Header::To(to.into())
            }
            Err(_) => Header::To(to.clone()),
        }
    }
}
