//! The life of one call leg, ours or theirs: engine states in, leg events out, one task per leg.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rsipstack::{
    dialog::{
        DialogId,
        dialog::{DialogState, DialogStateReceiver, TransactionHandle},
        dialog_layer::DialogLayer,
        invitation::InviteAsyncResult,
        invite_dialog::InviteDialog,
    },
    sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind, prelude::HeadersExt},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::SipError;

/// Events that may wait for a slow owner.
pub(crate) const EVENTS_MAX: usize = 32;
/// How long a BYE or CANCEL may take before the leg is given up.
const HANG_UP_WITHIN: Duration = Duration::from_secs(5);
/// How long the owner of a leg may take to answer a new offer.
const REOFFER_WITHIN: Duration = Duration::from_secs(5);
/// No call may ring longer, whatever the peer's provisional answers say.
const RING_MAX: Duration = Duration::from_secs(200);
/// Methods named in Allow headers.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE";

/// What happens to a leg.
#[derive(Debug)]
pub enum LegEvent {
    /// The peer is working on it (100, or a provisional answer that is not ringing).
    Proceeding,
    /// The callee's phone rings (180, 183).
    Ringing,
    /// The callee picked up; `sdp` is the answer to our offer.
    Answered {
        /// The SDP answer.
        sdp: String,
    },
    /// The peer's final answer was not a success.
    Refused {
        /// SIP status.
        status: u16,
        /// The peer's reason phrase.
        reason: String,
    },
    /// The peer could not be reached, or never gave a final answer.
    Failed(SipError),
    /// The other side ended the established call.
    HungUp,
    /// The peer offers new media, for example to hold the call.
    Reoffered {
        /// The new offer.
        sdp: String,
        /// Our answer, or the status to refuse with; no answer within five seconds is a refusal.
        reply: oneshot::Sender<Result<String, u16>>,
    },
}

/// Ends a leg.
#[derive(Clone, Debug)]
pub struct LegControl {
    pub(crate) signals: Arc<Signals>,
}

impl LegControl {
    /// As [`Self::hang_up`], without waiting.
    pub fn let_go(&self) {
        self.signals.hang_up.cancel();
    }

    /// Ends the call, with CANCEL before it was answered and BYE after, and waits for that up to six seconds.
    pub async fn hang_up(&self) {
        self.let_go();
        let deadline = HANG_UP_WITHIN + Duration::from_secs(1);
        timeout(deadline, self.signals.ended.cancelled()).await.ok();
    }

    /// Resolves once the leg is over, whoever ended it.
    pub async fn ended(&self) {
        self.signals.ended.cancelled().await;
    }
}

/// What the tasks round a leg tell each other.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) hang_up: CancellationToken,
    pub(crate) confirmed: CancellationToken,
    pub(crate) cancelled: CancellationToken,
    pub(crate) ended: CancellationToken,
    /// What we last said about our media, to repeat to a peer who asks by a re-INVITE without an offer.
    local_sdp: Mutex<String>,
}

impl Signals {
    /// `closing` is the endpoint's: when it shuts down, the leg hangs up.
    pub(crate) fn new(closing: &CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            hang_up: closing.child_token(),
            confirmed: CancellationToken::new(),
            cancelled: CancellationToken::new(),
            ended: CancellationToken::new(),
            local_sdp: Mutex::default(),
        })
    }

    pub(crate) fn set_local_sdp(&self, sdp: &str) {
        sdp.clone_into(&mut self.local_sdp.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn local_sdp(&self) -> String {
        self.local_sdp.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A leg as its task sees it.
pub(crate) struct Leg {
    pub(crate) dialog: InviteDialog,
    pub(crate) layer: Arc<DialogLayer>,
    pub(crate) states: DialogStateReceiver,
    pub(crate) events: mpsc::Sender<LegEvent>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) user_agent: String,
}

/// Whether a leg goes on after an engine state.
enum Next {
    Stay,
    Over,
}

impl Leg {
    /// Follows a call we take, from its INVITE to its end.
    pub(crate) async fn run_incoming(mut self) {
        self.follow().await;
        self.finish(None);
    }

    /// Follows a call we place, from its INVITE to its end.
    pub(crate) async fn run_outgoing(mut self, mut invite: JoinHandle<InviteAsyncResult>) {
        let outcome = self.await_final(&mut invite).await;
        let mut confirmed = None;
        match outcome {
            Some(Ok(Ok((id, Some(response))))) => {
                let cancelled =
                    self.signals.hang_up.is_cancelled() && matches!(self.dialog.state(), DialogState::Terminated(..));
                if response.status_code == StatusCode::OK && !cancelled {
                    self.tell(LegEvent::Answered {
                        sdp: String::from_utf8_lossy(&response.body).into_owned(),
                    });
                    self.signals.confirmed.cancel();
                    self.follow().await;
                } else {
                    self.tell(self.refusal(&response));
                }
                confirmed = Some(id);
            }
            Some(Ok(Ok((_, None)))) => self.tell(LegEvent::Failed(SipError::Timeout)),
            Some(Ok(Err(error))) => self.tell(LegEvent::Failed(SipError::Unreachable(error_kind(&error)))),
            Some(Err(_)) | None => self.tell(LegEvent::Failed(SipError::Cancelled)),
        }
        self.finish(confirmed.as_ref());
    }

    /// Waits for the INVITE's final answer; `None` when the call was given up before one came.
    async fn await_final(
        &mut self,
        invite: &mut JoinHandle<InviteAsyncResult>,
    ) -> Option<Result<InviteAsyncResult, tokio::task::JoinError>> {
        let mut deadline = Instant::now() + RING_MAX;
        let mut cancelling = false;
        loop {
            tokio::select! {
                biased;
                Some(state) = self.states.recv() => self.report_progress(&state),
                outcome = &mut *invite => return Some(outcome),
                () = given_up(&self.signals, &self.events), if !cancelling => {
                    cancelling = true;
                    deadline = Instant::now() + HANG_UP_WITHIN;
                    let dialog = self.dialog.clone();
                    // The CANCEL has its own transaction; waiting for it here would delay the 487.
                    tokio::spawn(async move { dialog.cancel().await.ok() });
                }
                () = tokio::time::sleep_until(deadline) => {
                    // Aborting drops the engine's guard, which cancels the INVITE and forgets the dialog.
                    invite.abort();
                    return None;
                }
            }
        }
    }

    fn report_progress(&self, state: &DialogState) {
        match state {
            DialogState::Trying(_) => self.tell(LegEvent::Proceeding),
            DialogState::Early(_, response) => match response.status_code {
                StatusCode::Ringing | StatusCode::SessionProgress => self.tell(LegEvent::Ringing),
                _ => self.tell(LegEvent::Proceeding),
            },
            _ => {}
        }
    }

    /// Follows engine states until the dialog or its owner ends it.
    async fn follow(&mut self) {
        loop {
            tokio::select! {
                biased;
                state = self.states.recv() => match state {
                    Some(state) => if let Next::Over = self.on_state(state) { return },
                    None => return,
                },
                () = given_up(&self.signals, &self.events) => return self.end().await,
            }
        }
    }

    fn on_state(&self, state: DialogState) -> Next {
        match state {
            DialogState::Confirmed(..) => self.signals.confirmed.cancel(),
            DialogState::Terminated(..) => {
                if self.signals.confirmed.is_cancelled() {
                    self.tell(LegEvent::HungUp);
                } else {
                    self.signals.cancelled.cancel();
                }
                return Next::Over;
            }
            DialogState::Updated(_, request, handle) => self.on_offer(&request, handle),
            DialogState::Info(_, _, handle) => answer(handle, StatusCode::OK, vec![], None),
            DialogState::Options(_, _, handle) => answer(handle, StatusCode::OK, capabilities(), None),
            DialogState::Refer(_, _, handle) => answer(handle, StatusCode::Forbidden, vec![], None),
            DialogState::Notify(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Publish(_, _, handle) => {
                answer(
                    handle,
                    StatusCode::MethodNotAllowed,
                    vec![Header::Allow(ALLOW.into())],
                    None,
                );
            }
            DialogState::Calling(_) | DialogState::Trying(_) | DialogState::Early(..) | DialogState::WaitAck(..) => {}
        }
        Next::Stay
    }

    /// A re-INVITE or UPDATE: with an offer, without one, or only to keep the session alive.
    fn on_offer(&self, request: &Request, handle: TransactionHandle) {
        let mut headers = session_timer(request);
        if request.body.is_empty() {
            let body = (request.method == Method::Invite).then(|| self.signals.local_sdp().into_bytes());
            if body.is_some() {
                headers.push(sdp_type());
            }
            return answer(handle, StatusCode::OK, headers, body);
        }
        let (reply, decision) = oneshot::channel();
        let sdp = String::from_utf8_lossy(&request.body).into_owned();
        if self.events.try_send(LegEvent::Reoffered { sdp, reply }).is_err() {
            return answer(
                handle,
                StatusCode::ServerInternalError,
                vec![Header::RetryAfter("5".into())],
                None,
            );
        }
        let signals = Arc::clone(&self.signals);
        tokio::spawn(async move {
            let decided = timeout(REOFFER_WITHIN, decision).await;
            match decided {
                Ok(Ok(Ok(sdp))) => {
                    signals.set_local_sdp(&sdp);
                    headers.push(sdp_type());
                    handle
                        .respond(StatusCode::OK, Some(headers), Some(sdp.into_bytes()))
                        .await
                        .ok();
                }
                Ok(Ok(Err(status))) => drop(handle.reply(StatusCode::from(status)).await),
                Ok(Err(_)) | Err(_) => drop(handle.reply(StatusCode::NotAcceptableHere).await),
            }
        });
    }

    /// Ends the dialog from our side.
    async fn end(&self) {
        if matches!(
            self.dialog.state(),
            DialogState::Confirmed(..) | DialogState::WaitAck(..)
        ) {
            match timeout(HANG_UP_WITHIN, self.dialog.bye()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = %error_kind(&error), "bye failed"),
                Err(_) => tracing::debug!("bye was not answered in time"),
            }
        } else {
            self.dialog.reject(Some(StatusCode::TemporarilyUnavailable), None).ok();
        }
    }

    /// The engine keeps a dialog until told otherwise.
    fn finish(self, confirmed: Option<&DialogId>) {
        self.layer.remove_dialog(&self.dialog.id());
        if let Some(id) = confirmed {
            self.layer.remove_dialog(id);
        }
        self.signals.ended.cancel();
    }

    /// A full queue loses the event; the end of the channel still tells the owner that the leg is over.
    fn tell(&self, event: LegEvent) {
        self.events.try_send(event).ok();
    }

    fn refusal(&self, response: &Response) -> LegEvent {
        let status = u16::from(response.status_code.clone());
        if self.is_made_up(response) {
            return match status {
                408 => LegEvent::Failed(SipError::Timeout),
                _ => LegEvent::Failed(SipError::Unreachable("the connection broke".to_owned())),
            };
        }
        let reason = response
            .wire_reason
            .clone()
            .unwrap_or_else(|| response.status_code.text().to_owned());
        LegEvent::Refused { status, reason }
    }

    /// The engine turns its own timeouts into 408 and broken streams into 503. Such a response carries our
    /// User-Agent and a Via that no peer has completed.
    fn is_made_up(&self, response: &Response) -> bool {
        if !matches!(
            response.status_code,
            StatusCode::RequestTimeout | StatusCode::ServiceUnavailable
        ) {
            return false;
        }
        let ours = response
            .headers
            .iter()
            .any(|header| matches!(header, Header::UserAgent(agent) if agent.value() == self.user_agent));
        let untouched = response
            .via_header()
            .is_ok_and(|via| !via.value().contains("rport=") && !via.value().contains("received="));
        ours && untouched
    }
}

/// Resolves when the leg's owner hung up or dropped its events.
async fn given_up(signals: &Signals, events: &mpsc::Sender<LegEvent>) {
    tokio::select! {
        () = signals.hang_up.cancelled() => {}
        () = events.closed() => {}
    }
}

fn answer(handle: TransactionHandle, status: StatusCode, headers: Vec<Header>, body: Option<Vec<u8>>) {
    tokio::spawn(async move { handle.respond(status, Some(headers), body).await.ok() });
}

pub(crate) fn sdp_type() -> Header {
    Header::ContentType("application/sdp".into())
}

/// What we can do, for OPTIONS.
pub(crate) fn capabilities() -> Vec<Header> {
    vec![
        Header::Allow(ALLOW.into()),
        Header::Accept("application/sdp".into()),
        Header::Supported("timer".into()),
    ]
}

/// Accepts a session timer (RFC 4028) when the peer refreshes it itself. A peer that wants us to refresh gets
/// no timer, which the RFC lets it take as "runs without".
pub(crate) fn session_timer(request: &Request) -> Vec<Header> {
    let supported = request.headers.iter().any(|header| matches!(header, Header::Supported(value) if value.value().split(',').any(|tag| tag.trim() == "timer")));
    let wanted = request.headers.iter().find_map(|header| match header {
        Header::SessionExpires(value) => Some(value.value().to_ascii_lowercase()),
        _ => None,
    });
    let Some(wanted) = wanted.filter(|_| supported) else {
        return vec![];
    };
    let seconds: u32 = wanted
        .split(';')
        .next()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default();
    if seconds < 90 || wanted.contains("refresher=uas") {
        return vec![];
    }
    vec![
        Header::SessionExpires(format!("{seconds};refresher=uac").into()),
        Header::Require("timer".into()),
    ]
}

pub(crate) fn is_success(response: &Response) -> bool {
    response.status_code.kind() == StatusCodeKind::Successful
}

/// The engine's error without addresses or URIs, for messages and logs.
pub(crate) fn error_kind(error: &rsipstack::Error) -> String {
    use rsipstack::Error as E;
    match error {
        E::DnsResolutionError(_) => "its name does not resolve".to_owned(),
        E::TransportLayerError(..) => "no transport leads there".to_owned(),
        E::IoError(error) => error.kind().to_string(),
        E::SipMessageError(_) => "its message is malformed".to_owned(),
        _ => "the request failed".to_owned(),
    }
}
