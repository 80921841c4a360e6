//! The softphone as callee, for outbound calls in tests and demonstrations.

use std::time::Duration;

use media::Codec;
use tokio::time::{Instant, timeout};

use super::{
    HangUp, Script, SoftphoneReport,
    line::{Line, LineEnd},
};
use crate::sip::{IncomingCall, SipEndpoint, SipError};

/// What the callee does when it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pickup {
    /// Rings so long, then answers.
    After(Duration),
    /// Is on the phone already (486).
    Busy,
    /// Doesn't want to talk (603).
    Decline,
    /// Refuses with this status.
    Refuse(u16),
    /// Lets it ring until the caller gives up.
    Never,
}

/// A scripted callee.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// What happens when it rings.
    pub pickup: Pickup,
    /// Codecs it takes.
    pub codecs: Vec<Codec>,
    /// What it says.
    pub script: Script,
    /// Says again what it hears, so much later, instead of playing the script.
    pub echo_after: Option<Duration>,
    /// The call never lasts longer.
    pub max_duration: Duration,
}

impl Answerer {
    /// A callee that picks up at once and plays `clips`, the first one as its greeting.
    pub fn saying(clips: Vec<Vec<i16>>) -> Self {
        Self {
            pickup: Pickup::After(Duration::ZERO),
            codecs: Codec::ALL.to_vec(),
            script: Script {
                clips,
                listen_first: false,
                quiet_after: Duration::from_millis(900),
                agent_timeout: Duration::from_secs(10),
                barge_in_after: None,
                hang_up: HangUp::Never,
                dtmf: String::new(),
            },
            echo_after: None,
            max_duration: Duration::from_mins(2),
        }
    }

    /// A callee that picks up at once and repeats what it hears, so much later.
    pub fn echoing(delay: Duration) -> Self {
        Self {
            echo_after: Some(delay),
            ..Self::saying(vec![])
        }
    }
}

/// Takes, or doesn't take, a call as planned. A call that was not taken is a report without an answer.
pub async fn answer(endpoint: &SipEndpoint, call: IncomingCall, plan: Answerer) -> Result<SoftphoneReport, SipError> {
    let rang = Instant::now();
    let status = match plan.pickup {
        Pickup::After(delay) => {
            call.ring().await;
            if timeout(delay, call.cancelled()).await.is_ok() {
                return Err(SipError::Cancelled);
            }
            None
        }
        Pickup::Busy => Some(486),
        Pickup::Decline => Some(603),
        Pickup::Refuse(status) => Some(status),
        Pickup::Never => {
            call.ring().await;
            match timeout(plan.max_duration, call.cancelled()).await {
                Ok(()) => return Err(SipError::Cancelled),
                Err(_) => Some(480),
            }
        }
    };
    if let Some(status) = status {
        call.reject(status).await;
        return Ok(SoftphoneReport {
            refused: Some(status),
            ..SoftphoneReport::default()
        });
    }
    let negotiated = call
        .offer
        .as_deref()
        .and_then(|offer| media::sdp::negotiate(offer, &plan.codecs).ok());
    let line = Line::open(endpoint, endpoint.media_ip_for(call.source))?;
    let prepared = negotiated.and_then(|negotiated| {
        let answer = line.answer(call.offer.as_deref().unwrap_or_default(), &negotiated)?;
        Some((negotiated, answer))
    });
    let Some((negotiated, sdp)) = prepared else {
        call.reject(488).await;
        return Ok(SoftphoneReport {
            refused: Some(488),
            ..SoftphoneReport::default()
        });
    };
    let mut leg = call.accept(sdp).await?;
    let mut talk = line.talk(negotiated, plan.script, None, plan.max_duration);
    if let Some(delay) = plan.echo_after {
        talk = talk.echoing(delay);
    }
    let (end, mut report) = Box::pin(talk.run(&mut leg.events)).await;
    if end != LineEnd::ByPeer {
        leg.control.hang_up().await;
    }
    report.answered_after = Some(rang.elapsed());
    Ok(report)
}
