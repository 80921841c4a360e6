//! What the caller hears, and what the record says, when a stage breaks.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contract::{Call, CallId, CallStatus, EndReason};
use domain::{
    error::BoxError,
    ports::{RecordingStore, RecordingWriter, StageDeadlines},
    records::Scope,
};
use futures_util::stream::BoxStream;
use telephony::softphone::{HangUp, SoftphoneEvent, SoftphonePlan, SoftphoneReport};
use tokio::time::Instant;

use crate::{
    office::{Office, Setup},
    people::{Health, Step, clip},
    support::soon,
};

const APOLOGY: &str = "agent: I'm sorry, something went wrong on our side. Please call again later. Goodbye.";

/// An office that speaks quickly, so that the apology is short.
fn brisk(setup: &mut Setup) {
    setup.millis_per_character = 20;
}

/// A caller who says something and stays until it is hung up on.
fn patient(office: &Office) -> SoftphonePlan {
    SoftphonePlan {
        hang_up: HangUp::Never,
        ..office.plan(vec![clip("what time is it")])
    }
}

/// The record of a call that broke in the stage `kind`.
fn assert_broken(call: &Call, kind: &str) {
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    let error = call.context.last_error.as_ref().unwrap();
    assert_eq!(error.code, "provider_error");
    assert_eq!(error.details["kind"], kind, "{error:?}");
    assert_eq!(error.details["provider"], "fake", "{error:?}");
}

/// How long after `asked` the caller heard the apology. It is the last speech of the call.
fn heard_after(report: &SoftphoneReport, call_began: Instant, asked: Instant) -> Duration {
    let answered = call_began + report.answered_after.unwrap();
    (answered + report.turns[0].answer_started.unwrap()).saturating_duration_since(asked)
}

#[tokio::test]
async fn a_language_model_that_refuses_or_dies_or_stalls_is_excused_and_the_call_ends() {
    let ways: [&[Step]; 4] = [
        &[Step::Fail],
        &[Step::Stall],
        &[Step::Text("Well, it "), Step::Fail],
        &[Step::Text("Well, it "), Step::Stall],
    ];
    for way in ways {
        let office = Office::with(brisk).await;
        office.mind.script(&[way]);
        let began = Instant::now();
        let (report, call) = office.ring(patient(&office)).await;
        assert_broken(&call, "llm");
        let lines = office.transcript(&call).await;
        assert_eq!(lines, ["agent: Hello.", "user: what time is it", APOLOGY], "{way:?}");
        let wait = heard_after(&report, began, office.mind.times()[0]);
        assert!(
            wait < Duration::from_secs(3),
            "{way:?}: the apology came after {wait:?}"
        );
        office.close().await;
    }
}

#[tokio::test]
async fn a_language_model_that_dies_in_the_middle_of_a_sentence_is_cut_off() {
    let office = Office::with(brisk).await;
    let dies: &[Step] = &[
        Step::Text("This is a first sentence which takes some time to be said. And "),
        Step::Wait(Duration::from_millis(600)),
        Step::Fail,
    ];
    office.mind.script(&[dies]);
    let (_, call) = office.ring(patient(&office)).await;
    assert_broken(&call, "llm");
    let lines = office.transcript(&call).await;
    assert!(
        lines[2].starts_with("agent: This is") && lines[2].ends_with('…'),
        "{lines:?}"
    );
    assert_eq!(lines[3], APOLOGY);
    office.close().await;
}

#[tokio::test]
async fn a_recogniser_that_breaks_or_stalls_is_excused_and_the_call_ends() {
    for health in [Health::Broken, Health::Stuck] {
        let office = Office::with(|setup| {
            brisk(setup);
            setup.deadlines = StageDeadlines {
                transcribe: Duration::from_millis(800),
                ..setup.deadlines
            };
        })
        .await;
        office.ears.health_set(health);
        let (_, call) = office.ring(patient(&office)).await;
        assert_broken(&call, "stt");
        assert_eq!(office.transcript(&call).await, ["agent: Hello.", APOLOGY]);
        office.close().await;
    }
}

#[tokio::test]
async fn a_voice_that_breaks_or_stalls_is_excused_by_its_understudy_in_time() {
    for health in [Health::Broken, Health::Stuck] {
        let office = Office::with(brisk).await;
        office.mouth.health_set(health);
        let mut plan = patient(&office);
        plan.clips = vec![];
        let (report, call) = office.ring(plan).await;
        assert_broken(&call, "tts");
        assert_eq!(office.transcript(&call).await, [APOLOGY]);
        assert_eq!(office.understudy.said().len(), 1);
        let (first_sound, _) = report.events[0];
        assert!(
            first_sound < Duration::from_secs(3),
            "{health:?}: silent for {first_sound:?}"
        );
        office.close().await;
    }
}

#[tokio::test]
async fn where_nothing_can_speak_the_call_ends_in_order() {
    let office = Office::with(|setup| setup.has_understudy = false).await;
    office.mouth.health_set(Health::Broken);
    let mut plan = patient(&office);
    plan.clips = vec![];
    let (report, call) = office.ring(plan).await;
    assert_broken(&call, "tts");
    assert!(office.transcript(&call).await.is_empty());
    assert!(report.agent_audio.iter().all(|sample| sample.unsigned_abs() < 100));
    office.close().await;
}

#[tokio::test]
async fn the_apology_is_said_though_the_caller_goes_on_talking() {
    let office = Office::with(brisk).await;
    office.ears.health_set(Health::Broken);
    let mut plan = patient(&office);
    // A pause is enough to look for words; then the caller does not stop.
    plan.clips = vec![[clip("hello"), vec![0; 8 * 400], crate::people::noise(5000, 8000)].concat()];
    let (report, call) = office.ring(plan).await;
    assert_broken(&call, "stt");
    assert!(
        report.caller_audio.len() < 8 * 6000,
        "{} samples",
        report.caller_audio.len()
    );
    assert_eq!(office.transcript(&call).await, ["agent: Hello.", APOLOGY]);
    office.close().await;
}

#[tokio::test]
async fn a_caller_who_leaves_during_the_apology_leaves_a_failed_call() {
    let office = Office::new().await;
    office.mind.script(&[&[Step::Fail]]);
    let (_, call) = office
        .ring(SoftphonePlan {
            max_duration: Duration::from_millis(3800),
            ..patient(&office)
        })
        .await;
    assert_broken(&call, "llm");
    let lines = office.transcript(&call).await;
    assert!(lines.last().unwrap().ends_with('…'), "{lines:?}");
    office.close().await;
}

#[tokio::test]
async fn a_slow_voice_has_the_apology_ready_before_it_is_needed() {
    let office = Office::with(|setup| {
        brisk(setup);
        setup.has_understudy = false;
    })
    .await;
    // Slower than anybody would wait for an apology in need.
    office.mouth.health_set(Health::Slow(Duration::from_millis(1400)));
    office
        .mind
        .script(&[&[Step::Wait(Duration::from_millis(800)), Step::Fail]]);
    let (_, call) = office.ring(patient(&office)).await;
    assert_broken(&call, "llm");
    let expected = ["agent: Hello.", "user: what time is it", APOLOGY];
    assert_eq!(office.transcript(&call).await, expected);
    office.close().await;
}

#[tokio::test]
async fn the_understudy_has_the_apology_ready_before_the_first_call() {
    let office = Office::with(brisk).await;
    let ready = async {
        while office.understudy.said().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(ready).await;
    assert_eq!(
        office.understudy.said(),
        [APOLOGY.trim_start_matches("agent: ").to_owned()]
    );
    office.close().await;
}

/// The record of a call that a defect of ours ended.
fn assert_defect(call: &Call) {
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Failed, Some(EndReason::Error))
    );
    let error = call.context.last_error.as_ref().unwrap();
    assert_eq!(error.code, "internal_error", "{error:?}");
    assert!(call.answered_at.is_some() && call.ended_at.is_some());
}

#[tokio::test]
async fn a_session_that_dies_leaves_a_closed_record_with_what_was_said() {
    let office = Office::with(brisk).await;
    office.ears.health_set(Health::Defective);
    let (report, call) = office.ring(patient(&office)).await;
    assert_defect(&call);
    assert_eq!(office.transcript(&call).await, ["agent: Hello."]);
    assert_eq!(report.events.last().unwrap().1, SoftphoneEvent::HungUpByPeer);
    office.close().await;
}

#[tokio::test]
async fn a_voice_that_dies_is_excused_and_the_call_ends() {
    let office = Office::with(brisk).await;
    office.mind.script(&[&[Step::Panic]]);
    let (_, call) = office.ring(patient(&office)).await;
    assert_defect(&call);
    let expected = ["agent: Hello.", "user: what time is it", APOLOGY];
    assert_eq!(office.transcript(&call).await, expected);
    office.close().await;
}

/// A disk that answers nothing.
struct Hung;

#[async_trait]
impl RecordingStore for Hung {
    async fn recording_create(&self, _: Scope, _: CallId, _: u32) -> Result<Box<dyn RecordingWriter>, BoxError> {
        std::future::pending().await
    }

    async fn recording_size(&self, _: Scope, _: CallId) -> Result<Option<u64>, BoxError> {
        std::future::pending().await
    }

    async fn recording_read(
        &self,
        _: Scope,
        _: CallId,
        _: u64,
        _: u64,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, BoxError> {
        std::future::pending().await
    }

    async fn recording_repair(&self, _: Scope, _: CallId) -> Result<bool, BoxError> {
        std::future::pending().await
    }

    async fn recording_delete(&self, _: Scope, _: CallId) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_disk_that_hangs_costs_the_recording_and_not_the_call() {
    let office = Office::with(|setup| setup.recordings = Arc::new(Hung)).await;
    let (report, call) = office.ring(office.plan(vec![clip("hello")])).await;
    assert!(report.turns[0].answer_started.is_some());
    assert_eq!(call.status, CallStatus::Completed);
    assert!(call.recording_url.is_none());
    office.close().await;
}
