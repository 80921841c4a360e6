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

/// How long the agent spoke on after the caller's first clip began.
fn spoke_on(report: &SoftphoneReport) -> Duration {
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
    ended.saturating_sub(*began)
}

#[tokio::test]
async fn an_agent_that_is_interrupted_stops_and_remembers_what_was_heard() {
    let office = Office::new().await;
    office.mind.script(&[LONG_ANSWER, &[Step::Text("Fine.")]]);
    let plan = SoftphonePlan {
        barge_in_after: Some(Duration::from_secs(1)),
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
    let spoke_on = stopped.checked_sub(began).unwrap();
    assert!(spoke_on < Duration::from_millis(600), "{spoke_on:?}");
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
        let spoke_on = spoke_on(&report);
        assert!(spoke_on > Duration::from_millis(1800), "stopped after {spoke_on:?}");
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
    let spoke_on = spoke_on(&report);
    assert!(spoke_on > Duration::from_millis(1800), "stopped after {spoke_on:?}");
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
    let spoke_on = spoke_on(&report);
    assert!(spoke_on < Duration::from_millis(1400), "stopped after {spoke_on:?}");
    let lines = office.transcript(&call).await;
    assert!(lines[0].ends_with('…') && LONG.starts_with(lines[0].trim_start_matches("agent: ").trim_end_matches('…')));
    assert_eq!(lines[1..], ["user: please stop talking now", "agent: Yes."]);
    // Looking for words again and again must not mean asking as fast as the recogniser answers.
    assert!(office.ears.requests() < 12, "{} requests", office.ears.requests());
    office.close().await;
}

#[tokio::test]
async fn an_agent_that_a_noise_interrupted_goes_on_where_it_stopped() {
    let office = Office::with(talkative).await;
    office.ears.deaf_set(700);
    let (report, call) = office.ring(over_the_greeting(&office, noise(500, 8000))).await;
    let stretches: Vec<_> = report
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            SoftphoneEvent::AgentSpeechEnded { from_sample, to_sample } => Some(to_sample - from_sample),
            SoftphoneEvent::AgentSpeechStarted { .. }
            | SoftphoneEvent::ClipStarted(_)
            | SoftphoneEvent::ClipEnded(_)
            | SoftphoneEvent::KeysPressed
            | SoftphoneEvent::HungUpByPeer
            | SoftphoneEvent::HungUp
            | SoftphoneEvent::TimeIsUp => None,
        })
        .collect();
    let [before, after] = stretches[..] else {
        panic!("{:?}", report.events)
    };
    assert!(before < 8 * 1800, "it did not stop: {before} samples");
    // 3.3 s in all.
    assert!((8 * 3100..8 * 3600).contains(&(before + after)), "{before} + {after}");
    assert_eq!(office.transcript(&call).await, [format!("agent: {LONG}")]);
    assert!(office.mind.conversations().is_empty());
    office.close().await;
}

#[tokio::test]
async fn where_words_are_needed_one_word_does_not_make_the_agent_deaf() {
    let office = Office::with(|setup| {
        talkative(setup);
        setup.agent.interruption.min_words = 3;
        // 5 s.
        setup.millis_per_character = 90;
    })
    .await;
    let both = [noise(400, 8000), vec![0; 8 * 1200], clip("please stop talking now")].concat();
    let (_, call) = office.ring(over_the_greeting(&office, both)).await;
    let lines = office.transcript(&call).await;
    assert!(lines[0].ends_with('…'), "{lines:?}");
    assert_eq!(lines[1..], ["user: please stop talking now", "agent: Yes."]);
    office.close().await;
}

#[tokio::test]
async fn the_end_of_an_interrupted_answer_is_not_the_beginning_of_the_next() {
    let office = Office::with(talkative).await;
    office
        .mind
        .script(&[&[Step::Wait(Duration::from_millis(500)), Step::Text("Fine.")]]);
    let (_, call) = office.ring(over_the_greeting(&office, clip("what time is it"))).await;
    let [turn] = call.metrics.turns[..] else {
        panic!("{:?}", call.metrics)
    };
    let (thought, total) = (turn.llm_ms.unwrap(), turn.total_ms.unwrap());
    assert!(thought >= 500.0 && total > thought, "{turn:?}");
    office.close().await;
}
