//! Calls that the agent places.

use std::time::Duration;

use contract::{CallStatus, EndReason, Span};
use domain::{Change, Error, ProviderFault};
use telephony::{
    sip::SipError,
    softphone::{Answerer, Pickup, SoftphoneReport, answer},
};
use tokio::net::UdpSocket;

use crate::{
    office::Office,
    people::clip,
    support::{Party, soon},
};

const CALLEE: &str = "+14155550123";

/// An office whose trunk leads to a softphone.
async fn with_callee(adjust: impl FnOnce(&mut crate::office::Setup)) -> (Office, Party) {
    let callee = Party::new().await;
    let office = Office::with(|setup| {
        setup.trunk.trunk.port = callee.address().port();
        adjust(setup);
    })
    .await;
    (office, callee)
}

async fn pick_up(callee: &mut Party, plan: Answerer) -> Result<SoftphoneReport, SipError> {
    let call = callee.call().await;
    assert_eq!(
        (call.to_user.as_str(), call.from.as_str()),
        (CALLEE, crate::office::NUMBER)
    );
    let answered = Box::pin(answer(&callee.endpoint, call, plan));
    tokio::time::timeout(Duration::from_secs(20), answered).await.unwrap()
}

fn behaving(pickup: Pickup) -> Answerer {
    Answerer {
        pickup,
        max_duration: Duration::from_secs(3),
        ..Answerer::saying(vec![])
    }
}

#[tokio::test]
async fn a_callee_who_picks_up_talks_with_the_agent() {
    let (office, mut callee) = with_callee(|_| {}).await;
    let change = Change::by_system(office.scope);
    let placing = office.calls.call_create(&change, office.outbound_to(CALLEE));
    let mut plan = Answerer::saying(vec![clip("what time is it")]);
    plan.script.listen_first = true;
    plan.script.quiet_after = Duration::from_millis(400);
    plan.script.hang_up = telephony::softphone::HangUp::AfterLastAnswer;
    plan.pickup = Pickup::After(Duration::from_millis(200));
    let (placed, report) = tokio::join!(placing, pick_up(&mut callee, plan));
    let placed = placed.unwrap();
    assert!(!placed.status.is_final(), "{placed:?}");
    assert!(report.unwrap().turns[0].answer_started.is_some());
    let call = office.call_over(placed.id).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::CallerHangup))
    );
    let lines = ["agent: Hello.", "user: what time is it", "agent: Yes."];
    assert_eq!(office.transcript(&call).await, lines);
    callee.is_empty().await;
    office.close().await;
}

#[tokio::test]
async fn a_callee_who_answers_while_the_store_is_locked_hears_the_agent_at_once() {
    let (office, mut callee) = with_callee(|_| {}).await;
    let change = Change::by_system(office.scope);
    let placing = office.calls.call_create(&change, office.outbound_to(CALLEE));
    let answering = async {
        let call = callee.call().await;
        let mut outsider = office.outsider().await;
        outsider.lock_out_writers().await;
        let plan = behaving(Pickup::After(Duration::from_millis(200)));
        let report = soon(Box::pin(answer(&callee.endpoint, call, plan))).await.unwrap();
        outsider.let_go().await;
        report
    };
    let (placed, report) = tokio::join!(placing, answering);
    assert!(report.agent_audio.iter().any(|sample| sample.unsigned_abs() > 1500));
    let call = office.call_over(placed.unwrap().id).await;
    assert_eq!(call.status, CallStatus::Completed);
    callee.is_empty().await;
    office.close().await;
}

#[tokio::test]
async fn a_callee_who_is_busy_or_declines_ends_the_call_without_a_failure() {
    for (pickup, reason) in [(Pickup::Busy, EndReason::Busy), (Pickup::Decline, EndReason::Declined)] {
        let (office, mut callee) = with_callee(|_| {}).await;
        let change = Change::by_system(office.scope);
        let placing = office.calls.call_create(&change, office.outbound_to(CALLEE));
        let (placed, _) = tokio::join!(placing, pick_up(&mut callee, behaving(pickup)));
        let call = office.call_over(placed.unwrap().id).await;
        assert_eq!((call.status, call.end_reason), (CallStatus::Completed, Some(reason)));
        assert!(call.context.last_error.is_none() && call.answered_at.is_none());
        office.close().await;
    }
}

#[tokio::test]
async fn a_phone_nobody_picks_up_stops_ringing_in_time() {
    let (office, mut callee) = with_callee(|setup| setup.agent.join_timeout = Span::millis(900)).await;
    let change = Change::by_system(office.scope);
    let placing = office.calls.call_create(&change, office.outbound_to(CALLEE));
    let (placed, cancelled) = tokio::join!(placing, pick_up(&mut callee, behaving(Pickup::Never)));
    assert!(matches!(cancelled, Err(SipError::Cancelled)), "no CANCEL came");
    let call = office.call_over(placed.unwrap().id).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::NoAnswer))
    );
    callee.is_empty().await;
    office.close().await;
}

#[tokio::test]
async fn a_peer_that_refuses_is_a_provider_failure_and_the_record_says_so() {
    let (office, mut callee) = with_callee(|_| {}).await;
    let change = Change::by_system(office.scope);
    let placing = office.calls.call_create(&change, office.outbound_to(CALLEE));
    let (placed, _) = tokio::join!(placing, pick_up(&mut callee, behaving(Pickup::Refuse(503))));
    let Err(Error::Provider(failure)) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!((failure.provider.as_str(), failure.status), ("sip", Some(503)));
    let call = office.last_call_over().await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    let error = call.context.last_error.unwrap();
    assert_eq!(error.code, "provider_error");
    assert_eq!(
        (&error.details["kind"], &error.details["provider_status"]),
        (&"telephony".into(), &503.into())
    );
    let trunk = |about: &(&'static str, String)| about.0 == "trunk_id" && error.details["trunk_id"] == about.1;
    assert!(failure.about.iter().any(trunk), "{:?}", failure.about);
    office.close().await;
}

#[tokio::test]
async fn a_call_that_still_rings_can_be_called_off() {
    let (office, mut callee) = with_callee(|_| {}).await;
    let placing = async {
        let placed = office
            .calls
            .call_create(&Change::by_system(office.scope), office.outbound_to(CALLEE))
            .await
            .unwrap();
        assert_eq!(placed.status, CallStatus::Ringing);
        soon(
            office
                .calls
                .call_end(&Change::by_system(office.scope), &placed.id.to_string()),
        )
        .await
        .unwrap()
    };
    let (ended, cancelled) = tokio::join!(placing, pick_up(&mut callee, behaving(Pickup::Never)));
    assert!(matches!(cancelled, Err(SipError::Cancelled)), "no CANCEL came");
    assert_eq!(
        (ended.status, ended.end_reason),
        (CallStatus::Cancelled, Some(EndReason::Cancelled))
    );
    assert!(ended.answered_at.is_none());
    callee.is_empty().await;
    office.close().await;
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_a_failure_before_long() {
    let (office, callee) = with_callee(|setup| {
        setup.trunk.trunk.transport = contract::SipTransport::Tcp;
    })
    .await;
    soon(callee.endpoint.shutdown()).await;
    let placed = soon(
        office
            .calls
            .call_create(&Change::by_system(office.scope), office.outbound_to(CALLEE)),
    )
    .await;
    assert!(matches!(placed, Err(Error::Provider(_))), "{placed:?}");
    let call = office.last_call_over().await;
    assert_eq!(call.status, CallStatus::Failed);
    assert!(call.context.last_error.is_some());
    office.close().await;
}

#[tokio::test]
async fn a_peer_that_never_says_a_word_is_a_failure_and_no_missed_call() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let office = Office::with(|setup| {
        setup.trunk.trunk.port = silent.local_addr().unwrap().port();
        setup.agent.join_timeout = Span::millis(1200);
    })
    .await;
    let change = Change::by_system(office.scope);
    let placed = soon(office.calls.call_create(&change, office.outbound_to(CALLEE))).await;
    let Err(Error::Provider(failure)) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!((failure.fault, failure.retryable), (ProviderFault::Timeout, true));
    let mut invite = [0; 2048];
    let length = soon(silent.recv(&mut invite)).await.unwrap();
    assert!(invite[..length].starts_with(b"INVITE "));
    let call = office.last_call_over().await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    let error = call.context.last_error.unwrap();
    assert_eq!(
        (error.code.as_str(), &error.details["reason"]),
        ("provider_error", &"timeout".into())
    );
    office.close().await;
}
