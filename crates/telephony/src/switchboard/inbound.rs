//! An inbound call: whose number, who may call it, which codec, and then its session.

use contract::{CallEvent, CallStatus, EndReason};
use domain::{
    calls::{Refusal, SessionPlan, later},
    records::{CallEnding, InboundNumber},
    rules::Cidr,
};
use media::sdp::{self, Negotiated, Origin};

use super::{CODECS, Switchboard};
use crate::{
    rtp_socket::RtpSocket,
    session::{AnsweredLeg, Described, Session},
    sip::{Authentication, IncomingCall},
};

/// What an INVITE is answered with when it is not taken (RFC 3261 section 21).
mod status {
    pub(super) const FORBIDDEN: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const TEMPORARILY_UNAVAILABLE: u16 = 480;
    pub(super) const BUSY_HERE: u16 = 486;
    pub(super) const NOT_ACCEPTABLE_HERE: u16 = 488;
    pub(super) const SERVER_ERROR: u16 = 500;
    pub(super) const UNAVAILABLE: u16 = 503;
}

enum Admission {
    Welcome,
    Challenge { stale: bool },
    Refused,
}

impl Switchboard {
    pub(super) async fn inbound(&self, call: IncomingCall) {
        let number = match self.inner.calls.inbound_lookup(&call.to_user).await {
            Ok(Some(number)) => number,
            Ok(None) => return refuse(call, status::NOT_FOUND, "unknown_number").await,
            Err(error) => {
                tracing::error!(%error, "an inbound call could not be looked up");
                return refuse(call, status::SERVER_ERROR, "error").await;
            }
        };
        match admission(&call, &number) {
            Admission::Welcome => {}
            Admission::Challenge { stale } => return call.challenge(stale).await,
            Admission::Refused => return refuse(call, status::FORBIDDEN, "not_allowed").await,
        }
        let offer = call.offer.as_deref();
        let Some(negotiated) = offer.and_then(|offer| sdp::negotiate(offer, CODECS).ok()) else {
            return refuse(call, status::NOT_ACCEPTABLE_HERE, "media").await;
        };
        match self.inner.calls.inbound_admit(&number, call.from.clone()).await {
            Ok(plan) => Box::pin(self.take(call, negotiated, plan)).await,
            Err(Refusal::NobodyHome) => refuse(call, status::TEMPORARILY_UNAVAILABLE, "no_agent").await,
            Err(Refusal::Unpaid) => refuse(call, status::TEMPORARILY_UNAVAILABLE, "payment_required").await,
            Err(Refusal::Full) => refuse(call, status::BUSY_HERE, "concurrent_calls").await,
            Err(Refusal::Broken(error)) => {
                tracing::error!(%error, "an inbound call could not be admitted");
                refuse(call, status::SERVER_ERROR, "error").await;
            }
        }
    }

    /// Rings, answers, and holds the call.
    async fn take(&self, call: IncomingCall, negotiated: Negotiated, plan: SessionPlan) {
        let (scope, id) = (plan.scope, plan.call.id);
        let (_enlisted, controls) = self.enlist(id);
        metrics::counter!("callwright_calls_total", "direction" => "inbound").increment(1);
        call.ring().await;
        let socket = match RtpSocket::bind(self.inner.config.rtp_ip, self.inner.config.rtp_ports) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(%error, "no port for media");
                let failure = later(
                    &domain::Error::internal("bind a media port", error),
                    self.inner.calls.now(),
                );
                let ending = (CallStatus::Failed, EndReason::Error, Some(failure));
                self.end_unanswered(plan, ending).await;
                return refuse(call, status::UNAVAILABLE, "ports").await;
            }
        };
        socket.set_signalling(call.source.ip());
        let advertised = self.advertised(socket.local_addr(), call.source);
        let offer = call.offer.clone().unwrap_or_default();
        let origin = Origin::new(u64::from(rand::random::<u32>()));
        let Ok(answer) = sdp::answer(&offer, advertised, origin, &negotiated) else {
            self.end_unanswered(plan, (CallStatus::Failed, EndReason::Error, None))
                .await;
            return refuse(call, status::NOT_ACCEPTABLE_HERE, "media").await;
        };
        let leg = match call.accept(answer.clone()).await {
            Ok(leg) => leg,
            Err(error) => {
                tracing::info!(call_id = %id, %error, "the caller was gone before the call was answered");
                return self
                    .end_unanswered(plan, (CallStatus::Cancelled, EndReason::Cancelled, None))
                    .await;
            }
        };
        tracing::info!(call_id = %id, organization_id = %scope.organization, "inbound call answered");
        let leg = AnsweredLeg {
            events: leg.events,
            control: leg.control,
            socket,
            negotiated,
            described: Described {
                advertised,
                origin,
                sdp: answer,
            },
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

    /// Ends the record of a call that was never answered.
    pub(super) async fn end_unanswered(
        &self,
        plan: SessionPlan,
        (status, end_reason, error): (CallStatus, EndReason, Option<contract::LaterFailure>),
    ) {
        let at = self.inner.calls.now();
        let ending = CallEnding::before_answer(status, end_reason, at, error);
        self.inner.calls.call_finish(plan.scope, plan.call.id, &ending).await;
        plan.events.publish(CallEvent::Status {
            status,
            end_reason: Some(end_reason),
            at,
        });
    }
}

/// A known address is welcome; others prove the trunk's credentials, where it has some.
fn admission(call: &IncomingCall, number: &InboundNumber) -> Admission {
    let trunk = &number.trunk.trunk;
    let source = call.source.ip();
    let known = trunk
        .source_addresses
        .iter()
        .filter_map(|text| text.parse::<Cidr>().ok());
    if known.into_iter().any(|network| network.contains(source)) {
        return Admission::Welcome;
    }
    let (Some(username), Some(password)) = (&trunk.username, &number.trunk.password) else {
        return Admission::Refused;
    };
    match call.authenticate(username, password) {
        Authentication::Good => Admission::Welcome,
        Authentication::Missing => Admission::Challenge { stale: false },
        Authentication::Stale => Admission::Challenge { stale: true },
        Authentication::Wrong => Admission::Refused,
    }
}

async fn refuse(call: IncomingCall, status: u16, reason: &'static str) {
    metrics::counter!("callwright_calls_refused_total", "reason" => reason).increment(1);
    tracing::info!(status, reason, source = %call.source, "inbound call refused");
    call.reject(status).await;
}
