use std::time::Duration;

use telephony::sip::{LegEvent, SipEndpoint, SipError, SipTransport};
use tokio::sync::mpsc;

use crate::support::{ANSWER, OFFER, Party, config, outcome, place, soon};

#[tokio::test]
async fn a_call_is_taken_and_the_caller_hangs_up() {
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let (caller, mut callee) = (Party::new().await, Party::new().await);
        let mut leg = place(&caller, &callee, transport, None).await;
        let call = callee.call().await;
        assert_eq!(
            (call.to_user.as_str(), call.from.as_str()),
            ("+14155550100", "+14155550199")
        );
        assert_eq!(call.transport, transport);
        assert_eq!(call.offer.as_deref(), Some(OFFER));
        call.ring().await;
        let mut taken = soon(call.accept(ANSWER.to_owned())).await.unwrap();
        let LegEvent::Answered { sdp } = outcome(&mut leg).await else {
            panic!("not answered")
        };
        assert_eq!(sdp, ANSWER);
        assert_eq!((caller.endpoint.dialog_count(), callee.endpoint.dialog_count()), (1, 1));

        leg.control.hang_up().await;
        assert!(matches!(soon(taken.events.recv()).await, Some(LegEvent::HungUp)));
        assert!(soon(taken.events.recv()).await.is_none());
        caller.is_empty().await;
        callee.is_empty().await;
    }
}

#[tokio::test]
async fn the_callee_hangs_up() {
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let (caller, mut callee) = (Party::new().await, Party::new().await);
        let mut leg = place(&caller, &callee, transport, None).await;
        let taken = soon(callee.call().await.accept(ANSWER.to_owned())).await.unwrap();
        assert!(matches!(outcome(&mut leg).await, LegEvent::Answered { .. }));
        taken.control.hang_up().await;
        assert!(matches!(outcome(&mut leg).await, LegEvent::HungUp), "{transport:?}");
        caller.is_empty().await;
        callee.is_empty().await;
    }
}

#[tokio::test]
async fn dropping_the_events_hangs_up() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
    let mut taken = soon(callee.call().await.accept(ANSWER.to_owned())).await.unwrap();
    assert!(matches!(outcome(&mut leg).await, LegEvent::Answered { .. }));
    drop(leg);
    assert!(matches!(soon(taken.events.recv()).await, Some(LegEvent::HungUp)));
    caller.is_empty().await;
}

#[tokio::test]
async fn refusals_arrive_with_their_status() {
    for (status, seen) in [
        (404, 404),
        (403, 403),
        (486, 486),
        (488, 488),
        (503, 503),
        (603, 603),
        (200, 500),
    ] {
        let (caller, mut callee) = (Party::new().await, Party::new().await);
        let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
        callee.call().await.reject(status).await;
        match outcome(&mut leg).await {
            LegEvent::Refused { status, .. } => assert_eq!(status, seen),
            other => panic!("{status}: {other:?}"),
        }
        caller.is_empty().await;
        callee.is_empty().await;
    }
}

#[tokio::test]
async fn a_forgotten_call_is_refused() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
    drop(callee.call().await);
    assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 480, .. }));
    callee.is_empty().await;
}

#[tokio::test]
async fn a_full_queue_answers_503() {
    let (caller, callee) = (Party::new().await, Party::with_queue(1).await);
    let _waiting = place(&caller, &callee, SipTransport::Udp, None).await;
    let mut refused = 0;
    for _ in 0..2 {
        let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
        let event = tokio::time::timeout(Duration::from_secs(2), outcome(&mut leg)).await;
        refused += usize::from(matches!(event, Ok(LegEvent::Refused { status: 503, .. })));
    }
    assert!(refused >= 1);
}

#[tokio::test]
async fn a_caller_who_gives_up_cancels() {
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let (caller, mut callee) = (Party::new().await, Party::new().await);
        let mut leg = place(&caller, &callee, transport, None).await;
        let call = callee.call().await;
        call.ring().await;
        loop {
            if matches!(soon(leg.events.recv()).await.unwrap(), LegEvent::Ringing) {
                break;
            }
        }
        leg.control.hang_up().await;
        soon(call.cancelled()).await;
        assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 487, .. }));
        assert!(matches!(
            soon(call.accept(ANSWER.to_owned())).await,
            Err(SipError::Cancelled)
        ));
        caller.is_empty().await;
        callee.is_empty().await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let first = Party::new().await;
    let (sender, _calls) = mpsc::channel(1);
    let mut taken = config();
    taken.listen = first.address();
    let error = SipEndpoint::bind(taken, sender).await.unwrap_err();
    assert!(matches!(error, SipError::AddressInUse { .. }), "{error:?}");
    let sentence = format!(
        "UDP port {} is already in use; choose another SIP port or stop the program that holds it",
        first.address()
    );
    assert_eq!(error.to_string(), sentence);
}

#[tokio::test]
async fn shutting_down_hangs_up_and_frees_the_port() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
    let _taken = soon(callee.call().await.accept(ANSWER.to_owned())).await.unwrap();
    assert!(matches!(outcome(&mut leg).await, LegEvent::Answered { .. }));
    let address = callee.address();
    soon(callee.endpoint.shutdown()).await;
    assert!(matches!(outcome(&mut leg).await, LegEvent::HungUp));
    assert!(tokio::net::TcpListener::bind(address).await.is_ok());
}

#[tokio::test]
async fn an_unreachable_tcp_peer_fails_quickly() {
    let caller = Party::new().await;
    let gone = Party::new().await;
    let target = gone.target(SipTransport::Tcp);
    soon(gone.endpoint.shutdown()).await;
    let request = telephony::sip::OutboundInvite {
        target,
        from_user: "a".to_owned(),
        credentials: None,
        offer: OFFER.to_owned(),
    };
    let outcome = soon(caller.endpoint.invite(request)).await;
    assert!(matches!(outcome, Err(SipError::Unreachable(_))), "{outcome:?}");
    caller.is_empty().await;
}
