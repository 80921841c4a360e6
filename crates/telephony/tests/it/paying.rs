//! Calls that somebody pays for, and what becomes of them when nobody does.

use std::{sync::Arc, time::Duration};

use contract::{CallEvent, CallStatus, Credits, EndReason, Timestamp};
use domain::{Change, clock::ManualClock};
use telephony::softphone::{HangUp, SoftphoneEvent, SoftphonePlan};

use crate::{
    office::{Office, Setup},
    people::clip,
};

const FAREWELL: &str = "agent: I'm sorry, I have to end our call here. Goodbye.";

/// An office whose trial pays for twelve seconds, ten of which a call needs to begin.
fn poor(setup: &mut Setup) {
    setup.millis_per_character = 20;
    setup.billing.enabled = true;
    setup.billing.trial_credits = Credits::from_micros(200_000);
    setup.billing.prices.call_minimum_seconds = 10;
    setup.billing.extend_seconds = 10;
}

#[tokio::test]
async fn a_call_whose_credits_run_out_is_told_goodbye_and_pays_for_what_it_had() {
    let office = Office::with(poor).await;
    let billing = office.billing();
    billing.trial_begin(&Change::by_system(office.scope)).await.unwrap();
    let plan = SoftphonePlan {
        hang_up: HangUp::Never,
        ..office.plan(vec![clip("what time is it")])
    };
    let (_, call) = office.ring(plan).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    let error = call.context.last_error.as_ref().unwrap();
    assert_eq!(error.code, "payment_required");
    assert_eq!(error.details["reason"], "insufficient_credits");
    assert_eq!(error.details["balance"], 0);
    let lines = office.transcript(&call).await;
    assert_eq!(lines.last().map(String::as_str), Some(FAREWELL), "{lines:?}");
    let cost = Credits::try_from(call.cost_credits.unwrap()).unwrap();
    assert!(
        cost > Credits::from_micros(50_000) && cost <= Credits::from_micros(200_000),
        "{cost}"
    );
    let after = billing.billing_fetch(office.scope).await.unwrap();
    assert_eq!(
        (after.balance.plus(cost), after.reserved),
        (Credits::from_micros(200_000), Credits::ZERO)
    );
    assert_eq!(billing.ledger_verify().await.unwrap().faults, Vec::<String>::new());
    office.close().await;
}

#[tokio::test]
async fn an_inbound_call_of_who_can_t_pay_is_temporarily_unavailable() {
    let office = Office::with(poor).await;
    let report = office.dial(office.plan(vec![])).await;
    assert_eq!(report.refused, Some(480));
    assert!(office.records().await.is_empty());
    office.close().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_the_call_is_being_paid_leaves_no_open_record() {
    let office = Office::with(poor).await;
    let billing = office.billing();
    billing.trial_begin(&Change::by_system(office.scope)).await.unwrap();
    // Paid for ten seconds, so more is asked for after two.
    let plan = SoftphonePlan {
        hang_up: HangUp::Never,
        max_duration: Duration::from_secs(4),
        ..office.plan(vec![])
    };
    let locking = async {
        let mut outsider = office.outsider().await;
        office.call_in(CallStatus::InProgress).await;
        outsider.lock_out_writers().await;
        tokio::time::sleep(Duration::from_millis(4500)).await;
        outsider.let_go().await;
    };
    tokio::join!(office.dial(plan), locking);
    let call = office.last_call_over().await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::CallerHangup))
    );
    let after = billing.billing_fetch(office.scope).await.unwrap();
    let cost = Credits::try_from(call.cost_credits.unwrap()).unwrap();
    assert_eq!(
        (after.balance.plus(cost), after.reserved),
        (Credits::from_micros(200_000), Credits::ZERO)
    );
    office.close().await;
}

#[tokio::test]
async fn a_clock_that_is_set_during_a_call_does_not_change_what_the_call_costs() {
    let clock = Arc::new(ManualClock::default());
    let office = Office::with(|setup| {
        poor(setup);
        setup.clock = clock.clone();
    })
    .await;
    let billing = office.billing();
    billing.trial_begin(&Change::by_system(office.scope)).await.unwrap();
    let plan = SoftphonePlan {
        hang_up: HangUp::Never,
        max_duration: Duration::from_secs(2),
        ..office.plan(vec![])
    };
    let setting = async {
        office.call_in(CallStatus::InProgress).await;
        clock.jump(Timestamp::from_millis(1_767_225_600_000 - 3_600_000));
    };
    tokio::join!(office.dial(plan), setting);
    let call = office.last_call_over().await;
    let lasted = call.duration_seconds.unwrap();
    assert!((1.0..6.0).contains(&lasted), "{lasted}");
    assert!(call.cost_credits.unwrap() > 0.0);
    office.close().await;
}

#[tokio::test]
async fn a_call_whose_record_was_closed_elsewhere_ends_without_a_word_of_money() {
    let office = Office::with(poor).await;
    let billing = office.billing();
    billing.trial_begin(&Change::by_system(office.scope)).await.unwrap();
    let plan = SoftphonePlan {
        hang_up: HangUp::Never,
        ..office.plan(vec![])
    };
    let closing = async {
        let call = office.call_in(CallStatus::InProgress).await;
        assert_eq!(office.successor().recover().await.unwrap(), 1);
        let error = |event: &CallEvent| match event {
            CallEvent::Error { error } => Some(error.clone()),
            _ => None,
        };
        office.event(call.id, error).await
    };
    let (report, error) = tokio::join!(office.dial(plan), closing);
    assert_eq!(error.code, "internal_error");
    assert_eq!(report.events.last().unwrap().1, SoftphoneEvent::HungUpByPeer);
    let call = office.last_call_over().await;
    assert_eq!(call.context.last_error.unwrap().code, "internal_error");
    office.close().await;
}
