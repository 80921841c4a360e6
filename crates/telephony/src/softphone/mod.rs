//! A scripted telephone for demonstrations, tests and load: it calls, plays clips, listens to the agent,
//! and reports what it heard and how quickly it was answered. The other half picks up instead.
//!
//! Nothing here knows what is being said; speech is told from silence by loudness.

mod answerer;
mod line;
mod script;

use std::time::Duration;

use media::{Codec, jitter::JitterStats};
use tokio::time::{Instant, timeout, timeout_at};

use crate::sip::{Credentials, LegEvent, OutboundInvite, OutboundLeg, SipEndpoint, SipError, SipTarget, SipTransport};

pub use answerer::{Answerer, Pickup, answer};
use line::{Line, LineEnd};
pub use script::Script;

/// How long a callee that did not answer may take to confirm that the call is given up. One that never said a word
/// would be waited for longer, and for nothing.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);

/// When the softphone ends the call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Once the agent has answered the last clip and fallen silent.
    AfterLastAnswer,
    /// Never; it stays until the agent hangs up or `max_duration` is over.
    Never,
}

/// What the network does to the packets the softphone sends.
#[derive(Clone, Copy, Debug)]
pub struct Impairment {
    /// Share of packets lost, in percent.
    pub loss_percent: f64,
    /// Further delay, evenly spread from zero to this.
    pub jitter: Duration,
    /// The same seed loses the same packets.
    pub seed: u64,
}

/// A call to place and what to do in it.
#[derive(Clone, Debug)]
pub struct SoftphonePlan {
    /// Whom to call: `sip:…`.
    pub target: String,
    /// How to send SIP.
    pub transport: SipTransport,
    /// The number shown to the callee.
    pub from_user: String,
    /// For callees that challenge.
    pub credentials: Option<Credentials>,
    /// Codecs to offer, the preferred one first.
    pub codecs: Vec<Codec>,
    /// 8 kHz mono clips, played one after another with the agent's answers between.
    pub clips: Vec<Vec<i16>>,
    /// Wait for the agent's greeting before the first clip.
    pub listen_first: bool,
    /// The agent has finished when it was quiet for so long; 900 ms is usual.
    pub quiet_after: Duration,
    /// How long it may ring, if `max_duration` is not over before.
    pub answer_timeout: Duration,
    /// How long the agent may take to begin an answer; then the script goes on.
    pub agent_timeout: Duration,
    /// The call never lasts longer, ringing included; bounds the recordings.
    pub max_duration: Duration,
    /// Start the next clip so long after the agent began to speak, whether or not it has finished.
    pub barge_in_after: Option<Duration>,
    /// When to hang up.
    pub hang_up: HangUp,
    /// Keys to press after the last clip.
    pub dtmf: String,
    /// Trouble on the way out.
    pub impairment: Option<Impairment>,
}

impl SoftphonePlan {
    /// A plan for `target` that says nothing, listens, and hangs up after one answer.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            transport: SipTransport::Udp,
            from_user: "softphone".to_owned(),
            credentials: None,
            codecs: Codec::ALL.to_vec(),
            clips: vec![],
            listen_first: true,
            quiet_after: Duration::from_millis(900),
            answer_timeout: Duration::from_secs(30),
            agent_timeout: Duration::from_secs(10),
            max_duration: Duration::from_mins(2),
            barge_in_after: None,
            hang_up: HangUp::AfterLastAnswer,
            dtmf: String::new(),
            impairment: None,
        }
    }

    fn script(&self) -> Script {
        Script {
            clips: self.clips.clone(),
            listen_first: self.listen_first,
            quiet_after: self.quiet_after,
            agent_timeout: self.agent_timeout,
            barge_in_after: self.barge_in_after,
            hang_up: self.hang_up,
            dtmf: self.dtmf.clone(),
        }
    }
}

/// Something that happened in a call; times in the report count from when it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftphoneEvent {
    /// The agent began to speak, at this sample of its recording.
    AgentSpeechStarted {
        /// First voiced sample.
        at_sample: usize,
    },
    /// The agent stopped.
    AgentSpeechEnded {
        /// First voiced sample.
        from_sample: usize,
        /// Behind the last voiced sample.
        to_sample: usize,
    },
    /// A clip began.
    ClipStarted(usize),
    /// A clip's last sample was sent.
    ClipEnded(usize),
    /// The keys were pressed.
    KeysPressed,
    /// The agent hung up.
    HungUpByPeer,
    /// The softphone hung up.
    HungUp,
    /// The call was cut because it had lasted as long as it may.
    TimeIsUp,
}

/// One clip and what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftphoneTurn {
    /// Index of the clip.
    pub clip: usize,
    /// When its last voiced sample was sent.
    pub clip_ended: Duration,
    /// When the agent's first voiced packet after that arrived.
    pub answer_started: Option<Duration>,
    /// When the last voiced packet of the answer arrived.
    pub answer_ended: Option<Duration>,
}

impl SoftphoneTurn {
    /// From the last word said to the first word heard.
    pub fn latency(&self) -> Option<Duration> {
        self.answer_started
            .and_then(|started| started.checked_sub(self.clip_ended))
    }
}

/// What a call was like.
#[derive(Clone, Debug, Default)]
pub struct SoftphoneReport {
    /// How long it rang; `None` if nobody answered.
    pub answered_after: Option<Duration>,
    /// The status of a refusal.
    pub refused: Option<u16>,
    /// In order of time, since the answer.
    pub events: Vec<(Duration, SoftphoneEvent)>,
    /// One entry per clip played.
    pub turns: Vec<SoftphoneTurn>,
    /// What was sent, 8 kHz mono.
    pub caller_audio: Vec<i16>,
    /// What was heard, as long as `caller_audio` and aligned with it.
    pub agent_audio: Vec<i16>,
    /// How the agent's packets arrived.
    pub jitter: JitterStats,
}

/// Places a call and plays the script. A refusal is a report, an unreachable peer an error.
pub async fn call(endpoint: &SipEndpoint, plan: SoftphonePlan) -> Result<SoftphoneReport, SipError> {
    let target = SipTarget {
        uri: plan.target.clone(),
        transport: plan.transport,
    };
    let placed = Instant::now();
    let deadline = placed + plan.answer_timeout.min(plan.max_duration);
    let dialled = timeout_at(deadline, dial(endpoint, target, &plan)).await;
    let (line, mut leg) = dialled.map_err(|_| SipError::Timeout)??;
    let answer = loop {
        match timeout_at(deadline, leg.events.recv()).await {
            Ok(Some(LegEvent::Answered { sdp })) => break sdp,
            Ok(Some(LegEvent::Refused { status, .. })) => {
                return Ok(SoftphoneReport {
                    refused: Some(status),
                    ..SoftphoneReport::default()
                });
            }
            Ok(Some(LegEvent::Failed(error))) => return Err(error),
            Ok(Some(LegEvent::Proceeding | LegEvent::Ringing | LegEvent::Reoffered { .. })) => {}
            Ok(Some(LegEvent::HungUp) | None) => return Err(SipError::Cancelled),
            Err(_) => {
                timeout(GIVEN_UP_WITHIN, leg.control.hang_up()).await.ok();
                return Err(SipError::Timeout);
            }
        }
    };
    let answered_after = placed.elapsed();
    let Ok(negotiated) = media::sdp::accept_answer(&answer, &plan.codecs) else {
        leg.control.hang_up().await;
        return Err(SipError::Engine(
            "the answer's session description is unusable".to_owned(),
        ));
    };
    let left = plan.max_duration.saturating_sub(answered_after);
    let talk = line.talk(negotiated, plan.script(), plan.impairment, left);
    let (end, mut report) = Box::pin(talk.run(&mut leg.events)).await;
    if end != LineEnd::ByPeer {
        leg.control.hang_up().await;
    }
    report.answered_after = Some(answered_after);
    Ok(report)
}

/// Finds the callee, which may mean a name and a connection, and sends it the INVITE.
async fn dial(
    endpoint: &SipEndpoint,
    target: SipTarget,
    plan: &SoftphonePlan,
) -> Result<(Line, OutboundLeg), SipError> {
    let advertised = endpoint.address_for_target(&target).await?.ip();
    let line = Line::open(endpoint, advertised)?;
    let invite = OutboundInvite {
        target,
        from_user: plan.from_user.clone(),
        credentials: plan.credentials.clone(),
        offer: line.offer(&plan.codecs),
    };
    let leg = endpoint.invite(invite).await?;
    Ok((line, leg))
}
