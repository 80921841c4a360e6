//! Who is heard when both speak.

use std::time::Duration;

use contract::Greeting;
use telephony::softphone::{SoftphoneEvent, SoftphonePlan, SoftphoneReport};

use crate::{
    office::{Office, Setup},
    people::{Step, clip, noise},
};

/// 55 characters: 3.3 s.
const LONG: &str = "We are open every day from nine in the morning to five.";
const LONG_ANSWER: &[Step] = &[Step::Text(LONG)];

/// A caller who speaks `clips` over the greeting, one second into it.
fn over_the_greeting(office: &Office, words: Vec<i16>) -> SoftphonePlan {
    SoftphonePlan {
        barge_in_after: Some(Duration::from_secs(1)),
        ..office.plan(vec![words])
    }
}

fn talkative(setup: &mut Setup) {
    setup.agent.greeting = Some(Greeting {
        text: Some(LONG.to_owned()),
        prompt: None,
        interruptible: true,
    });
}

/// When the caller's first clip began, and when the stretch of agent's speech that was going on then ended.
fn overlap(report: &SoftphoneReport) -> (Duration, Duration) {
    let (began, _) = report
        .events
        .iter()
        .find(|(_, event)| *event == SoftphoneEvent::ClipStarted(0))
        .unwrap();
    let (ended, _) = report
        .events
        .iter()
        .find(|(at, event)| at > began && matches!(event, SoftphoneEvent::AgentSpeechEnded { .. }))
        .unwrap();
    (*began, *ended)
}

#[tokio::test]
async fn an_agent_that_is_interrupted_stops_and_remembers_what_was_heard() {
    let office = Office::new().await;
    office.mind.script(&[LONG_ANSWER, &[Step::Text("Fine.")]]);
    let plan = SoftphonePlan {
        barge_in_after: Some(Duration::from_millis(1000)),
        listen_first: false,
        ..office.plan(vec![clip("what time is it"), clip("please stop talking now")])
    };
    let (report, call) = office.ring(plan).await;
    let began = report
        .events
        .iter()
        .find(|(_, event)| *event == SoftphoneEvent::ClipStarted(1))
        .unwrap()
        .0;
    let stopped = report.turns[0].answer_ended.unwrap();
    assert!(
        stopped > began && stopped - began < Duration::from_millis(600),
        "{:?}",
        stopped - began
    );
    let lines = office.transcript(&call).await;
    let cut = lines.iter().find(|line| line.ends_with('…')).unwrap();
    let heard = cut.trim_start_matches("agent: ").trim_end_matches('…');
    assert!(
        LONG.starts_with(heard) && !heard.is_empty() && heard.len() < 40,
        "{lines:?}"
    );
    assert_eq!(
        lines[lines.len() - 2..],
        ["user: please stop talking now", "agent: Fine."]
    );
    let told = office.mind.conversations().pop().unwrap();
    assert_eq!(told[told.len() - 2], format!("agent: {heard} (interrupted)"));
    office.close().await;
}

#[tokio::test]
async fn a_short_noise_does_not_stop_the_agent() {
    for millis in [80, 150] {
        let office = Office::with(talkative).await;
        let (report, call) = office.ring(over_the_greeting(&office, noise(millis, 8000))).await;
        let (began, ended) = overlap(&report);
        assert!(
            ended - began > Duration::from_millis(1800),
            "stopped after {:?}",
            ended - began
        );
        assert_eq!(office.transcript(&call).await, [format!("agent: {LONG}")]);
        assert!(office.mind.conversations().is_empty());
        office.close().await;
    }
}

#[tokio::test]
async fn an_agent_that_may_not_be_interrupted_speaks_on() {
    let office = Office::with(|setup| {
        talkative(setup);
        setup.agent.interruption.enabled = false;
    })
    .await;
    let (_, call) = office.ring(over_the_greeting(&office, clip("what time is it"))).await;
    assert_eq!(office.transcript(&call).await, [format!("agent: {LONG}")]);
    office.close().await;
}

#[tokio::test]
async fn where_words_are_needed_one_word_does_not_interrupt() {
    let office = Office::with(|setup| {
        talkative(setup);
        setup.agent.interruption.min_words = 3;
    })
    .await;
    // Long enough to be speech, and one word: "hello".
    let (report, call) = office.ring(over_the_greeting(&office, noise(400, 8000))).await;
    let (began, ended) = overlap(&report);
    assert!(
        ended - began > Duration::from_millis(1800),
        "stopped after {:?}",
        ended - began
    );
    assert_eq!(office.transcript(&call).await, [format!("agent: {LONG}")]);
    assert!(office.mind.conversations().is_empty());
    office.close().await;
}

#[tokio::test]
async fn where_words_are_needed_three_words_interrupt() {
    let office = Office::with(|setup| {
        talkative(setup);
        setup.agent.interruption.min_words = 3;
    })
    .await;
    let (report, call) = office
        .ring(over_the_greeting(&office, clip("please stop talking now")))
        .await;
    let (began, ended) = overlap(&report);
    assert!(
        ended - began < Duration::from_millis(1400),
        "stopped after {:?}",
        ended - began
    );
    let lines = office.transcript(&call).await;
    assert!(lines[0].ends_with('…') && LONG.starts_with(lines[0].trim_start_matches("agent: ").trim_end_matches('…')));
    assert_eq!(lines[1..], ["user: please stop talking now", "agent: Yes."]);
    // Looking for words again and again must not mean asking as fast as the recogniser answers.
    assert!(office.ears.requests() < 12, "{} requests", office.ears.requests());
    office.close().await;
}
