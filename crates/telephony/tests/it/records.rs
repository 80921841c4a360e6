//! How calls end, what is kept of them, and that nothing else is.

use domain::Change;
use std::{net::SocketAddr, time::Duration};

use contract::{Call, CallEvent, CallStatus, EndReason, Speaker};
use domain::Error;
use futures_util::TryStreamExt;
use media::{
    Codec,
    rtp::{Marker, Packetizer},
    sdp,
};
use telephony::{
    sip::{LegEvent, OutboundInvite, SipTarget, SipTransport},
    softphone::{HangUp, SoftphoneEvent, SoftphonePlan},
};
use tokio::net::UdpSocket;

use crate::{
    office::{NUMBER, Office},
    people::{Step, clip, noise},
    support::soon,
};

/// 90 characters: 5.4 s.
const LONG: &str = "We are open every day from nine in the morning until five in the afternoon without a break.";

/// A caller who stays until it is hung up on.
fn staying(office: &Office) -> SoftphonePlan {
    SoftphonePlan {
        hang_up: HangUp::Never,
        ..office.plan(vec![])
    }
}

/// The recording's header fields and its two channels.
async fn recording(office: &Office, call: &Call) -> (u16, u32, Vec<i16>, Vec<i16>) {
    let file = office
        .calls
        .call_recording(office.scope, &call.id.to_string())
        .await
        .unwrap();
    let pieces: Vec<_> = file.read(0, file.size).await.unwrap().try_collect().await.unwrap();
    let bytes = pieces.concat();
    assert_eq!(
        (&bytes[..4], &bytes[8..16]),
        (b"RIFF".as_slice(), b"WAVEfmt ".as_slice())
    );
    let channels = u16::from_le_bytes([bytes[22], bytes[23]]);
    let rate = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    let data = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
    let samples = bytes[data..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let (mut left, mut right) = (vec![], vec![]);
    for (at, sample) in samples.enumerate() {
        if at % 2 == 0 {
            left.push(sample);
        } else {
            right.push(sample);
        }
    }
    (channels, rate, left, right)
}

/// Seconds of loud sound.
fn loud_seconds(samples: &[i16]) -> f64 {
    let loud = samples
        .chunks(160)
        .filter(|frame| frame.iter().any(|sample| sample.unsigned_abs() > 1500));
    loud.count() as f64 * 0.02
}

#[tokio::test]
async fn a_caller_who_hangs_up_in_an_answer_leaves_what_was_heard_of_it() {
    let office = Office::new().await;
    office.mind.script(&[&[Step::Text(LONG)]]);
    let plan = SoftphonePlan {
        max_duration: Duration::from_secs(4),
        ..staying(&office)
    };
    let (_, call) = office
        .ring(SoftphonePlan {
            clips: vec![clip("hello")],
            ..plan
        })
        .await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::CallerHangup))
    );
    let lines = office.transcript(&call).await;
    let heard = lines[2].trim_start_matches("agent: ").trim_end_matches('…');
    assert_eq!(lines[..2], ["agent: Hello.", "user: hello"]);
    assert!(
        lines[2].ends_with('…') && LONG.starts_with(heard) && heard.len() > 10 && heard.len() < 70,
        "{lines:?}"
    );
    office.close().await;
}

#[tokio::test]
async fn a_call_ended_by_the_api_comes_back_finished() {
    let office = Office::new().await;
    let ending = async {
        let call = office.call_in(CallStatus::InProgress).await;
        office
            .event(call.id, |event| {
                matches!(event, CallEvent::TranscriptFinal { .. }).then_some(())
            })
            .await;
        let id = call.id.to_string();
        let ended = soon(office.calls.call_end(&Change::by_system(office.scope), &id))
            .await
            .unwrap();
        (
            ended,
            office.calls.call_end(&Change::by_system(office.scope), &id).await,
        )
    };
    let (report, (call, again)) = tokio::join!(office.dial(staying(&office)), ending);
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::AgentHangup))
    );
    assert!(call.ended_at.is_some() && call.duration_seconds.is_some());
    assert!(matches!(again, Err(Error::Rule { .. })), "{again:?}");
    assert_eq!(report.events.last().unwrap().1, SoftphoneEvent::HungUpByPeer);
    office.close().await;
}

#[tokio::test]
async fn the_recording_has_the_caller_left_and_the_agent_right() {
    let office = Office::new().await;
    let (_, call) = office.ring(office.plan(vec![clip("please stop talking now")])).await;
    let (channels, rate, left, right) = recording(&office, &call).await;
    assert_eq!((channels, rate, left.len()), (2, 8000, right.len()));
    let (seconds, lasted) = (left.len() as f64 / 8000.0, call.duration_seconds.unwrap());
    assert!((seconds - lasted).abs() < 0.35, "{seconds} s of {lasted} s");
    // The caller's 1.3 s; the agent's "Hello." and "Yes.", 60 ms a character.
    let (caller, agent) = (loud_seconds(&left), loud_seconds(&right));
    assert!((0.9..1.4).contains(&caller), "caller {caller} s");
    assert!((0.4..0.75).contains(&agent), "agent {agent} s");
    office.close().await;
}

#[tokio::test]
async fn a_call_that_is_not_to_be_recorded_is_not() {
    let office = Office::with(|setup| setup.agent.recording_enabled = false).await;
    let (_, call) = office.ring(office.plan(vec![])).await;
    assert!(call.recording_url.is_none());
    let recording = office.calls.call_recording(office.scope, &call.id.to_string()).await;
    assert!(matches!(recording.err(), Some(Error::NotFound { .. })));
    office.close().await;
}

#[tokio::test]
async fn a_call_that_is_not_to_be_transcribed_is_not() {
    let office = Office::with(|setup| setup.agent.transcription_enabled = false).await;
    let (report, call) = office.ring(office.plan(vec![clip("hello")])).await;
    assert!(report.turns[0].answer_started.is_some());
    assert!(office.transcript(&call).await.is_empty());
    office.close().await;
}

#[tokio::test]
async fn a_shutdown_ends_live_calls_in_order() {
    let office = Office::new().await;
    let closing = async {
        office.call_in(CallStatus::InProgress).await;
        soon(office.board.shutdown(Duration::from_secs(3))).await;
    };
    let (report, ()) = tokio::join!(office.dial(staying(&office)), closing);
    assert_eq!(report.events.last().unwrap().1, SoftphoneEvent::HungUpByPeer);
    let call = office.last_call_over().await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::AgentHangup))
    );
    office.close().await;
}

#[tokio::test]
async fn nothing_is_left_of_calls_that_are_over() {
    let office = Office::new().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    office.ring(office.plan(vec![])).await;
    let settled = async {
        while office.board.live_calls() + office.board.endpoint().dialog_count() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(settled).await;
    let before = tasks();
    let calls = (0..5).map(|_| office.dial(office.plan(vec![])));
    futures_util::future::join_all(calls).await;
    // Signalling keeps what answers repeated requests for up to 32 s (RFC 3261 section 17.2.2), one task a call.
    let gone = async {
        while tasks() > before + 5 || office.board.live_calls() + office.board.endpoint().dialog_count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(8), gone).await;
    assert!(left.is_ok(), "{} tasks before, {} after", before, tasks());
    office.close().await;
}

#[tokio::test]
async fn a_call_lost_in_a_crash_is_found_failed_with_all_that_was_kept() {
    let office = Office::new().await;
    let (call, successor) = {
        let talking = telephony::softphone::call(
            &office.caller.endpoint,
            SoftphonePlan {
                clips: vec![clip("hello")],
                ..staying(&office)
            },
        );
        let watching = async {
            let call = office.call_in(CallStatus::InProgress).await;
            let user = |event: &CallEvent| match event {
                CallEvent::TranscriptFinal { turn } if turn.speaker == Speaker::User => Some(()),
                _ => None,
            };
            office.event(call.id, user).await;
            // The turn is in the store before another instance looks.
            while office.transcript(&call).await.len() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // It finds the call as the first one left it; what the first one writes later is too late.
            let successor = office.successor();
            assert_eq!(successor.recover().await.unwrap(), 1);
            (call, successor)
        };
        tokio::select! {
            found = Box::pin(watching) => found,
            report = Box::pin(talking) => panic!("the call ended by itself: {report:?}"),
        }
    };
    let found = successor.call_fetch(office.scope, &call.id.to_string()).await.unwrap();
    assert_eq!(
        (found.status, found.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    assert_eq!(found.context.last_error.as_ref().unwrap().code, "internal_error");
    assert_eq!(office.transcript(&found).await, ["agent: Hello.", "user: hello"]);
    let (channels, _, left, _) = recording(&office, &found).await;
    assert_eq!(channels, 2);
    assert!(left.len() > 8000, "{} samples", left.len());
    assert_eq!(successor.recover().await.unwrap(), 0);
    office.close().await;
}

/// A caller made by hand: RTP on a socket of our own, as the switchboard was told.
struct HandMade {
    leg: telephony::sip::OutboundLeg,
    rtp: UdpSocket,
    remote: SocketAddr,
}

async fn by_hand(office: &Office) -> HandMade {
    let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let offer = sdp::offer(rtp.local_addr().unwrap(), sdp::Origin::new(7), &[Codec::Pcmu]);
    let target = SipTarget {
        uri: format!("sip:{NUMBER}@{}", office.board.local_addr()),
        transport: SipTransport::Udp,
    };
    let invite = OutboundInvite {
        target,
        from_user: "+14155550199".to_owned(),
        credentials: None,
        offer,
    };
    let mut leg = office.caller.endpoint.invite(invite).await.unwrap();
    loop {
        if let LegEvent::Answered { sdp } = soon(leg.events.recv()).await.unwrap() {
            let remote = sdp::accept_answer(&sdp, &[Codec::Pcmu]).unwrap().remote;
            return HandMade { leg, rtp, remote };
        }
    }
}

/// Sends `samples` to `to` at the pace of the line.
async fn send(from: &UdpSocket, to: SocketAddr, ssrc: u32, samples: &[i16]) {
    let mut packets = Packetizer::new(ssrc, 1, 1, 0);
    let mut ticks = tokio::time::interval(media::FRAME);
    let (mut payload, mut datagram) = (vec![], vec![]);
    for frame in samples.chunks_exact(160) {
        ticks.tick().await;
        payload.clear();
        Codec::Pcmu.encode(frame, &mut payload);
        packets.packet(&payload, 160, Marker::Clear, &mut datagram);
        from.send_to(&datagram, to).await.unwrap();
    }
}

#[tokio::test]
async fn sound_from_another_address_is_not_heard() {
    let office = Office::new().await;
    let caller = by_hand(&office).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // The caller is known by its silence before the stranger speaks.
    send(&caller.rtp, caller.remote, 1, &[0; 1600]).await;
    let (silence, speech) = (vec![0; 8 * 2200], noise(900, 8000));
    tokio::join!(
        send(&caller.rtp, caller.remote, 1, &silence),
        send(&stranger, caller.remote, 2, &speech)
    );
    caller.leg.control.hang_up().await;
    drop(caller.leg);
    let call = office.last_call_over().await;
    assert_eq!(office.transcript(&call).await, ["agent: Hello."]);
    let (_, _, left, _) = recording(&office, &call).await;
    assert!(loud_seconds(&left) < 0.05, "{} s of the stranger", loud_seconds(&left));
    office.close().await;
}
