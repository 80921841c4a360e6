use telephony::sip::{Authentication, Credentials, LegEvent, SipTransport};

use crate::support::{ANSWER, Party, outcome, place, soon};

fn credentials(password: &str) -> Credentials {
    Credentials {
        username: "trunk".to_owned(),
        password: password.to_owned(),
    }
}

#[tokio::test]
async fn a_caller_who_knows_the_password_gets_through() {
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let (caller, mut callee) = (Party::new().await, Party::new().await);
        let mut leg = place(&caller, &callee, transport, Some(credentials("secret"))).await;
        let first = callee.call().await;
        assert_eq!(first.authenticate("trunk", "secret"), Authentication::Missing);
        assert_eq!(first.claimed_username(), None);
        first.challenge(false).await;
        let second = callee.call().await;
        assert_eq!(second.claimed_username().as_deref(), Some("trunk"));
        assert_eq!(second.authenticate("other", "secret"), Authentication::Wrong);
        assert_eq!(second.authenticate("trunk", "secret"), Authentication::Good);
        // The same proof again is a replay.
        assert_eq!(second.authenticate("trunk", "secret"), Authentication::Stale);
        let _taken = soon(second.accept(ANSWER.to_owned())).await.unwrap();
        assert!(matches!(outcome(&mut leg).await, LegEvent::Answered { .. }));
        leg.control.hang_up().await;
        caller.is_empty().await;
        callee.is_empty().await;
    }
}

#[tokio::test]
async fn a_wrong_password_ends_in_401() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, Some(credentials("guess"))).await;
    callee.call().await.challenge(false).await;
    let second = callee.call().await;
    assert_eq!(second.authenticate("trunk", "secret"), Authentication::Wrong);
    second.challenge(false).await;
    assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 401, .. }));
    caller.is_empty().await;
    callee.is_empty().await;
}

#[tokio::test]
async fn a_stale_challenge_is_answered_again() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, Some(credentials("secret"))).await;
    callee.call().await.challenge(false).await;
    callee.call().await.challenge(true).await;
    let third = callee.call().await;
    assert_eq!(third.authenticate("trunk", "secret"), Authentication::Good);
    third.reject(486).await;
    assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 486, .. }));
}

#[tokio::test]
async fn a_challenge_without_credentials_is_a_refusal() {
    let (caller, mut callee) = (Party::new().await, Party::new().await);
    let mut leg = place(&caller, &callee, SipTransport::Udp, None).await;
    callee.call().await.challenge(false).await;
    assert!(matches!(outcome(&mut leg).await, LegEvent::Refused { status: 401, .. }));
    caller.is_empty().await;
    callee.is_empty().await;
}
