//! An outbound call: INVITE, what comes of it, and then its session.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use contract::{CallEvent, CallId, CallStatus, EndReason, ProviderKind, TrunkId};
use domain::{
    ProviderFailure, ProviderFault,
    calls::{Destination, OutboundCall, SessionPlan},
    events::EventPublisher,
    ports::Placed,
    records::{Scope, TrunkRecord},
};
use media::sdp::{self, Origin};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tracing::Instrument as _;

use super::{CODECS, Enlisted, PROVIDER, Switchboard};
use crate::{
    rtp_socket::RtpSocket,
    session::{AnsweredLeg, Control, Described, Pending, Session, pending},
    sip::{LegEvent, OutboundInvite, OutboundLeg, SipError, SipTarget},
};

/// How long a request waits for the peer's first word; later news goes into the record.
const GRACE: Duration = Duration::from_secs(4);

/// How the ringing of an outbound call came out.
enum Outcome {
    Answered { sdp: String },
    Ended { status: CallStatus, reason: EndReason },
    Failed(ProviderFailure),
}

/// The record of a call that rings, and who watches it.
#[derive(Clone, Copy)]
struct Record<'a> {
    scope: Scope,
    id: CallId,
    events: &'a EventPublisher,
}

/// Tells the one who asked for the call what came of it, once.
struct FirstWord(Option<oneshot::Sender<Result<Placed, ProviderFailure>>>);

impl FirstWord {
    fn say(&mut self, word: Result<Placed, ProviderFailure>) {
        if let Some(asker) = self.0.take() {
            // The asker may have stopped waiting.
            let _ = asker.send(word);
        }
    }
}

impl Switchboard {
    pub(super) async fn outbound(&self, call: OutboundCall) -> Result<Placed, ProviderFailure> {
        metrics::counter!("callwright_calls_total", "direction" => "outbound").increment(1);
        let (say, hear) = oneshot::channel();
        let switchboard = self.clone();
        let (enlisted, controls) = self.enlist(call.plan.call.id);
        let holding = async move {
            Box::pin(switchboard.ring_and_hold(call, FirstWord(Some(say)), enlisted, controls)).await;
        };
        self.inner.tasks.spawn(holding.in_current_span());
        match timeout(GRACE, hear).await {
            Ok(Ok(word)) => word,
            // No word yet, or none to come: the record tells.
            Ok(Err(_)) | Err(_) => Ok(Placed::Proceeding),
        }
    }

    async fn ring_and_hold(
        &self,
        call: OutboundCall,
        mut first_word: FirstWord,
        enlisted: Enlisted,
        mut controls: mpsc::Receiver<Control>,
    ) {
        let OutboundCall {
            plan,
            trunk,
            from,
            to,
            join_timeout,
        } = call;
        let Ok(_place) = self.inner.places.clone().try_acquire_owned() else {
            let failure = failure(ProviderFault::Rejected).with_source("this process holds as many calls as it may");
            return self.fail(plan, trunk.trunk.id, failure, first_word).await;
        };
        let peer = peer_address(&trunk).await;
        let socket = match RtpSocket::bind(self.inner.config.rtp_ip, self.inner.config.rtp_ports) {
            Ok(socket) => socket,
            Err(error) => {
                let failure = failure(ProviderFault::Unreachable).with_source(error);
                return self.fail(plan, trunk.trunk.id, failure, first_word).await;
            }
        };
        if let Some(peer) = peer {
            socket.set_signalling(peer.ip());
        }
        let advertised = self.advertised(socket.local_addr(), peer.unwrap_or_else(|| self.local_addr()));
        let origin = Origin::new(u64::from(rand::random::<u32>()));
        let described = Described {
            advertised,
            origin,
            sdp: sdp::offer(advertised, origin, CODECS),
        };
        let invite = OutboundInvite {
            target: target(&trunk, &to),
            from_user: from,
            credentials: super::credentials(&trunk),
            offer: described.sdp.clone(),
        };
        let mut leg = match self.inner.endpoint.invite(invite).await {
            Ok(leg) => leg,
            Err(error) => return self.fail(plan, trunk.trunk.id, from_sip(error), first_word).await,
        };
        let record = Record {
            scope: plan.scope,
            id: plan.call.id,
            events: &plan.events,
        };
        let outcome = self
            .ring(record, &mut leg, &mut controls, &mut first_word, join_timeout)
            .await;
        match outcome {
            Outcome::Failed(failure) => {
                // A peer that said nothing may still answer, and must not find a call that has failed.
                leg.control.let_go();
                self.fail(plan, trunk.trunk.id, failure, first_word).await;
            }
            Outcome::Ended { status, reason } => {
                leg.control.hang_up().await;
                self.end_unanswered(plan, (status, reason, None)).await;
                first_word.say(Ok(Placed::Ended));
            }
            Outcome::Answered { sdp } => match sdp::accept_answer(&sdp, CODECS) {
                Err(_) => {
                    leg.control.hang_up().await;
                    let failure = failure(ProviderFault::BadResponse);
                    self.fail(plan, trunk.trunk.id, failure, first_word).await;
                }
                Ok(negotiated) => {
                    first_word.say(Ok(Placed::Answered));
                    let leg = AnsweredLeg {
                        events: leg.events,
                        control: leg.control,
                        socket,
                        negotiated,
                        described,
                    };
                    Session::hold(
                        self.inner.calls.clone(),
                        self.inner.fallbacks.clone(),
                        plan,
                        leg,
                        controls,
                    )
                    .await;
                }
            },
        }
        drop(enlisted);
    }

    /// Waits until the call is answered, refused, given up or ended.
    async fn ring(
        &self,
        record: Record<'_>,
        leg: &mut OutboundLeg,
        controls: &mut mpsc::Receiver<Control>,
        first_word: &mut FirstWord,
        join_timeout: Duration,
    ) -> Outcome {
        let give_up = Instant::now() + join_timeout;
        // Beside the loop: a callee who answers must not wait for the store.
        let mut noting: Pending<()> = None;
        let mut is_there = false;
        loop {
            let event = tokio::select! {
                biased;
                Some(Control::End) = controls.recv() => {
                    return Outcome::Ended { status: CallStatus::Cancelled, reason: EndReason::Cancelled };
                }
                event = leg.events.recv() => event,
                () = sleep_until(give_up) => return unanswered(is_there),
                () = pending(&mut noting) => {
                    first_word.say(Ok(Placed::Proceeding));
                    continue;
                }
            };
            is_there = true;
            match event {
                Some(LegEvent::Proceeding | LegEvent::Reoffered { .. }) => {}
                Some(LegEvent::Ringing) => noting = Some(self.rings(record)),
                Some(LegEvent::Answered { sdp }) => return Outcome::Answered { sdp },
                Some(LegEvent::Refused { status, .. }) => return refusal(status),
                Some(LegEvent::Failed(error)) => return Outcome::Failed(from_sip(error)),
                Some(LegEvent::HungUp) | None => return Outcome::Failed(failure(ProviderFault::Unreachable)),
            }
        }
    }

    /// Tells whoever watches; the record is to follow.
    fn rings(&self, record: Record<'_>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        record.events.publish(CallEvent::Status {
            status: CallStatus::Ringing,
            end_reason: None,
            at: self.inner.calls.now(),
        });
        let (calls, scope, id) = (self.inner.calls.clone(), record.scope, record.id);
        Box::pin(async move { calls.call_progress(scope, id, CallStatus::Ringing, None).await })
    }

    /// The record first, then the asker: who reads the record after a 502 finds the reason in it.
    async fn fail(&self, plan: SessionPlan, trunk: TrunkId, failure: ProviderFailure, mut first_word: FirstWord) {
        let failure = failure.about("trunk_id", trunk);
        tracing::info!(call_id = %plan.call.id, %failure, "an outbound call failed");
        let error = failure.later(self.inner.calls.now());
        self.end_unanswered(plan, (CallStatus::Failed, EndReason::Error, Some(error)))
            .await;
        first_word.say(Err(failure));
    }
}

/// Nobody picked up in time. A peer that rings says so at once (RFC 3261 section 17.2.1 allows it 200 ms); one that
/// says nothing at all is not there.
fn unanswered(is_there: bool) -> Outcome {
    if is_there {
        Outcome::Ended {
            status: CallStatus::Completed,
            reason: EndReason::NoAnswer,
        }
    } else {
        Outcome::Failed(
            failure(ProviderFault::Timeout)
                .with_source("the peer answered nothing, not even 100, since it was last asked"),
        )
    }
}

/// What a final refusal means (RFC 3261 sections 21.4 to 21.6).
fn refusal(status: u16) -> Outcome {
    let ended = |reason| Outcome::Ended {
        status: CallStatus::Completed,
        reason,
    };
    match status {
        486 | 600 => ended(EndReason::Busy),
        603 | 607 | 608 => ended(EndReason::Declined),
        408 | 480 | 487 => ended(EndReason::NoAnswer),
        401 | 407 => Outcome::Failed(failure(ProviderFault::Credentials).with_status(status)),
        429 => Outcome::Failed(failure(ProviderFault::RateLimited).with_status(status)),
        _ => {
            let mut failure = failure(ProviderFault::Rejected).with_status(status);
            failure.retryable = status >= 500;
            Outcome::Failed(failure)
        }
    }
}

fn failure(fault: ProviderFault) -> ProviderFailure {
    ProviderFailure::new(PROVIDER, ProviderKind::Telephony, "place_call", fault)
}

fn from_sip(error: SipError) -> ProviderFailure {
    let fault = match error {
        SipError::Timeout => ProviderFault::Timeout,
        SipError::BadTarget => ProviderFault::Rejected,
        SipError::AddressInUse { .. }
        | SipError::Bind { .. }
        | SipError::Unreachable(_)
        | SipError::Cancelled
        | SipError::ShutDown
        | SipError::Engine(_) => ProviderFault::Unreachable,
    };
    failure(fault).with_source(error)
}

fn target(trunk: &TrunkRecord, to: &Destination) -> SipTarget {
    let uri = match to {
        Destination::SipUri(uri) => uri.clone(),
        Destination::Phone(number) => format!(
            "sip:{number}@{}:{}",
            super::bracketed(&trunk.trunk.host),
            trunk.trunk.port
        ),
    };
    SipTarget {
        uri,
        transport: super::transport(trunk),
    }
}

/// The peer's address, to learn which of ours it can reach. A name that does not resolve fails later, in the
/// INVITE.
async fn peer_address(trunk: &TrunkRecord) -> Option<SocketAddr> {
    const RESOLVE: Duration = Duration::from_secs(2);
    let lookup = tokio::net::lookup_host((trunk.trunk.host.as_str(), trunk.trunk.port));
    timeout(RESOLVE, lookup).await.ok()?.ok()?.next()
}
