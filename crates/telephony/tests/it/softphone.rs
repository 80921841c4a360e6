use std::time::{Duration, Instant};

use telephony::{
    sip::{SipError, SipTransport},
    softphone::{Answerer, HangUp, Impairment, Pickup, SoftphoneEvent, SoftphonePlan, SoftphoneReport, answer, call},
};
use tokio::net::UdpSocket;

use crate::support::{Party, soon};

/// Half a second of a 400 Hz square wave.
fn tone() -> Vec<i16> {
    (0..4000).map(|at| if at % 20 < 10 { 6000 } else { -6000 }).collect()
}

fn plan(callee: &Party) -> SoftphonePlan {
    SoftphonePlan {
        clips: vec![tone()],
        listen_first: false,
        quiet_after: Duration::from_millis(400),
        agent_timeout: Duration::from_secs(3),
        max_duration: Duration::from_secs(8),
        ..SoftphonePlan::new(callee.target(SipTransport::Udp).uri)
    }
}

/// Lets a softphone call another one that behaves as told.
async fn meet(
    adjust: impl FnOnce(&mut SoftphonePlan),
    callee_plan: Answerer,
) -> (Result<SoftphoneReport, SipError>, Result<SoftphoneReport, SipError>) {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut caller_plan = plan(&callee);
    adjust(&mut caller_plan);
    let answering = async {
        let incoming = callee.call().await;
        answer(&callee.endpoint, incoming, callee_plan).await
    };
    let reports = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(call(&caller.endpoint, caller_plan), answering)
    });
    let reports = reports.await.unwrap();
    caller.is_empty().await;
    callee.is_empty().await;
    reports
}

#[tokio::test]
async fn a_caller_hears_its_echo_and_hangs_up() {
    let (caller, callee) = meet(|_| {}, Answerer::echoing(Duration::from_secs(1))).await;
    let (caller, callee) = (caller.unwrap(), callee.unwrap());
    let [turn] = caller.turns[..] else {
        panic!("{:?}", caller.turns)
    };
    // The echo begins a second after the clip did, which is half a second after it ended.
    let latency = turn.latency().unwrap();
    assert!((450..900).contains(&latency.as_millis()), "{latency:?}");
    assert_eq!(caller.caller_audio.len(), caller.agent_audio.len());
    assert!(matches!(caller.events.last(), Some((_, SoftphoneEvent::HungUp))));
    assert!(matches!(callee.events.last(), Some((_, SoftphoneEvent::HungUpByPeer))));
    let loud = caller
        .agent_audio
        .iter()
        .filter(|sample| sample.unsigned_abs() > 3000)
        .count();
    assert!((3500..4700).contains(&loud), "{loud} loud samples came back");
    assert!(caller.jitter.received > 50);
}

#[tokio::test]
async fn a_lossy_line_still_carries_the_call() {
    let lossy = |plan: &mut SoftphonePlan| {
        plan.impairment = Some(Impairment {
            loss_percent: 10.0,
            jitter: Duration::from_millis(40),
            seed: 7,
        });
    };
    let (caller, callee) = meet(lossy, Answerer::echoing(Duration::from_secs(1))).await;
    assert!(callee.unwrap().jitter.lost > 0);
    assert!(caller.unwrap().turns[0].answer_started.is_some());
}

#[tokio::test]
async fn a_greeting_is_waited_for() {
    let (caller, callee) = meet(|plan| plan.listen_first = true, Answerer::saying(vec![tone()])).await;
    let events = caller.unwrap().events;
    let position = |wanted: fn(&SoftphoneEvent) -> bool| events.iter().position(|(_, event)| wanted(event)).unwrap();
    let greeted = position(|event| matches!(event, SoftphoneEvent::AgentSpeechEnded { .. }));
    let spoke = position(|event| matches!(event, SoftphoneEvent::ClipStarted(0)));
    assert!(greeted < spoke, "{events:?}");
    assert!(
        callee
            .unwrap()
            .events
            .iter()
            .any(|(_, event)| matches!(event, SoftphoneEvent::AgentSpeechStarted { .. }))
    );
}

#[tokio::test]
async fn callees_that_do_not_talk_are_reported_by_status() {
    for (pickup, status) in [(Pickup::Busy, 486), (Pickup::Decline, 603), (Pickup::Refuse(404), 404)] {
        let (caller, _) = meet(
            |_| {},
            Answerer {
                pickup,
                ..Answerer::echoing(Duration::ZERO)
            },
        )
        .await;
        let caller = caller.unwrap();
        assert_eq!((caller.refused, caller.answered_after), (Some(status), None));
    }
}

#[tokio::test]
async fn a_phone_nobody_picks_up_times_out() {
    let impatient = |plan: &mut SoftphonePlan| plan.answer_timeout = Duration::from_millis(500);
    let never = Answerer {
        pickup: Pickup::Never,
        ..Answerer::echoing(Duration::ZERO)
    };
    let (caller, callee) = meet(impatient, never).await;
    assert!(matches!(caller, Err(SipError::Timeout)));
    assert!(matches!(callee, Err(SipError::Cancelled)));
}

#[tokio::test]
async fn who_is_silent_or_rings_on_is_given_up_when_the_call_has_lasted_as_long_as_it_may() {
    let short = |plan: &mut SoftphonePlan| plan.max_duration = Duration::from_millis(500);
    let never = Answerer {
        pickup: Pickup::Never,
        ..Answerer::echoing(Duration::ZERO)
    };
    let (rings_on, _) = soon(Box::pin(meet(short, never))).await;
    assert!(matches!(rings_on, Err(SipError::Timeout)));

    let (caller, silent) = (Party::new().await, UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let mut to_silent = SoftphonePlan::new(format!("sip:1@{}", silent.local_addr().unwrap()));
    short(&mut to_silent);
    let began = Instant::now();
    assert!(matches!(
        call(&caller.endpoint, to_silent).await,
        Err(SipError::Timeout)
    ));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn ringing_counts_as_part_of_the_call() {
    let stay = |plan: &mut SoftphonePlan| {
        plan.hang_up = HangUp::Never;
        plan.max_duration = Duration::from_secs(2);
    };
    let slow = Answerer {
        pickup: Pickup::After(Duration::from_secs(1)),
        ..Answerer::saying(vec![])
    };
    let (caller, _) = soon(Box::pin(meet(stay, slow))).await;
    let caller = caller.unwrap();
    assert!(matches!(caller.events.last(), Some((_, SoftphoneEvent::TimeIsUp))));
    assert!(
        (1..=8000).contains(&caller.caller_audio.len()),
        "{}",
        caller.caller_audio.len()
    );
}

#[tokio::test]
async fn a_call_never_outlasts_its_limit() {
    let stay = |plan: &mut SoftphonePlan| {
        plan.hang_up = HangUp::Never;
        plan.max_duration = Duration::from_secs(1);
    };
    let (caller, _) = soon(Box::pin(meet(stay, Answerer::saying(vec![])))).await;
    let caller = caller.unwrap();
    assert!(matches!(caller.events.last(), Some((_, SoftphoneEvent::TimeIsUp))));
    // What is missing of a second was spent on being answered.
    assert!(
        (1..=8000).contains(&caller.caller_audio.len()),
        "{}",
        caller.caller_audio.len()
    );
}
