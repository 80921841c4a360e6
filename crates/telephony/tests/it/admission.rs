//! Who gets in, and what the others are told.

use std::time::Duration;

use contract::{AgentStatus, CallStatus, EndReason};
use media::Codec;
use telephony::{
    sip::Credentials,
    softphone::{HangUp, SoftphonePlan},
};

use crate::office::{Office, Setup};

/// What a call is refused with; the record must not know of it.
async fn refusal(office: &Office, plan: SoftphonePlan) -> Option<u16> {
    let report = office.dial(plan).await;
    assert!(report.answered_after.is_none(), "answered");
    assert_eq!(office.board.live_calls(), 0);
    report.refused
}

#[tokio::test]
async fn a_number_nobody_knows_is_not_found() {
    let office = Office::new().await;
    let mut plan = office.plan(vec![]);
    plan.target = plan.target.replace("+14155550100", "+14155550177");
    assert_eq!(refusal(&office, plan).await, Some(404));
    assert!(office.records().await.is_empty());
    office.close().await;
}

#[tokio::test]
async fn a_number_without_an_active_agent_is_temporarily_unavailable() {
    let office = Office::with(|setup| setup.agent.status = AgentStatus::Draft).await;
    assert_eq!(refusal(&office, office.plan(vec![])).await, Some(480));
    assert!(office.records().await.is_empty());
    office.close().await;
}

#[tokio::test]
async fn a_caller_without_a_common_codec_is_refused() {
    // Not our codecs, but a real offer: the softphone offers nothing at all.
    let office = Office::new().await;
    let mut plan = office.plan(vec![]);
    plan.codecs = Vec::<Codec>::new();
    assert_eq!(refusal(&office, plan).await, Some(488));
    assert!(office.records().await.is_empty());
    office.close().await;
}

fn guarded(setup: &mut Setup) {
    let trunk = &mut setup.trunk;
    trunk.trunk.source_addresses = vec!["192.0.2.0/24".to_owned()];
    trunk.trunk.username = Some("line".to_owned());
    trunk.trunk.has_password = true;
    trunk.password = Some("secret".to_owned());
}

fn credentials(password: &str) -> Credentials {
    Credentials {
        username: "line".to_owned(),
        password: password.to_owned(),
    }
}

#[tokio::test]
async fn a_stranger_must_prove_who_it_is() {
    let office = Office::with(guarded).await;
    let plan = |credentials| SoftphonePlan {
        credentials,
        ..office.plan(vec![])
    };
    assert_eq!(refusal(&office, plan(None)).await, Some(401));
    assert_eq!(refusal(&office, plan(Some(credentials("wrong")))).await, Some(403));
    assert!(office.records().await.is_empty());
    let (report, call) = office.ring(plan(Some(credentials("secret")))).await;
    assert!(report.answered_after.is_some());
    assert_eq!(call.status, CallStatus::Completed);
    office.close().await;
}

#[tokio::test]
async fn a_stranger_is_refused_where_the_trunk_has_no_credentials() {
    let office = Office::with(|setup| setup.trunk.trunk.source_addresses = vec!["192.0.2.7".to_owned()]).await;
    assert_eq!(refusal(&office, office.plan(vec![])).await, Some(403));
    office.close().await;
}

#[tokio::test]
async fn at_the_cap_callers_hear_busy_and_a_call_that_ends_makes_room() {
    let office = Office::with(|setup| setup.concurrent_calls = 2).await;
    let stay = || SoftphonePlan {
        hang_up: HangUp::Never,
        max_duration: Duration::from_millis(1500),
        ..office.plan(vec![])
    };
    let third = async {
        while office.records().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        office.dial(office.plan(vec![])).await
    };
    let (first, second, third) = tokio::join!(office.dial(stay()), office.dial(stay()), third);
    assert!(first.answered_after.is_some() && second.answered_after.is_some());
    assert_eq!(third.refused, Some(486));
    for call in office.records().await {
        office.call_over(call.id).await;
    }
    let (report, call) = office.ring(office.plan(vec![])).await;
    assert!(report.answered_after.is_some());
    assert_eq!(call.end_reason, Some(EndReason::CallerHangup));
    assert_eq!(office.records().await.len(), 3);
    office.close().await;
}

#[tokio::test]
async fn a_process_that_holds_as_many_calls_as_it_may_is_unavailable() {
    let office = Office::with(|setup| setup.calls_max = 0).await;
    assert_eq!(refusal(&office, office.plan(vec![])).await, Some(503));
    office.close().await;
}
