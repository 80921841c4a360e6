//! What is said and when, in calls where nothing breaks.

use std::time::Duration;

use contract::{AfterInactivity, CallEvent, CallStatus, EndReason, InactivityMessage, Span, Speaker};
use telephony::softphone::{HangUp, SoftphoneEvent};

use crate::{
    office::Office,
    people::{Health, Step, clip, with_pause},
};

const ANSWER: &[Step] = &[Step::Text("It is noon.")];

#[tokio::test]
async fn the_greeting_is_said_and_stands_in_the_transcript() {
    let office = Office::new().await;
    let (report, call) = office.ring(office.plan(vec![])).await;
    let speech: Vec<_> = report.events.iter().map(|(_, event)| event).collect();
    let heard = speech.iter().find_map(|event| match event {
        SoftphoneEvent::AgentSpeechEnded { from_sample, to_sample } => Some(to_sample - from_sample),
        _ => None,
    });
    // Six characters of 60 ms.
    assert!((2400..3600).contains(&heard.unwrap()), "{heard:?} samples");
    assert_eq!(office.transcript(&call).await, ["agent: Hello."]);
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::CallerHangup))
    );
    assert!(call.answered_at.is_some() && call.duration_seconds.is_some());
    assert!(office.mind.conversations().is_empty());
    office.close().await;
}

#[tokio::test]
async fn the_callers_words_reach_the_brain_and_its_answer_is_said() {
    let office = Office::new().await;
    office
        .mind
        .script(&[ANSWER, &[Step::Text("You are "), Step::Text("welcome.")]]);
    let plan = office.plan(vec![clip("what time is it"), clip("hello")]);
    let (report, call) = office.ring(plan).await;
    assert!(
        report.turns.iter().all(|turn| turn.answer_started.is_some()),
        "{report:?}"
    );
    let expected = [
        "agent: Hello.",
        "user: what time is it",
        "agent: It is noon.",
        "user: hello",
        "agent: You are welcome.",
    ];
    assert_eq!(office.transcript(&call).await, expected);
    let last = office.mind.conversations().pop().unwrap();
    assert_eq!(
        last[last.len() - 3..],
        ["user: what time is it", "agent: It is noon.", "user: hello"]
    );
    office.close().await;
}

#[tokio::test]
async fn each_turn_is_measured_by_stage() {
    let office = Office::new().await;
    let thinks = Duration::from_millis(300);
    office.mind.script(&[&[Step::Wait(thinks), Step::Text("It is noon.")]]);
    let (report, call) = office.ring(office.plan(vec![clip("what time is it")])).await;
    let [turn] = call.metrics.turns[..] else {
        panic!("{:?}", call.metrics)
    };
    let parts = [turn.endpointing_ms, turn.stt_ms, turn.llm_ms, turn.tts_ms].map(Option::unwrap);
    let [endpointing, recognition, thought, synthesis] = parts;
    assert!((600.0..1100.0).contains(&endpointing), "{turn:?}");
    assert!((0.0..300.0).contains(&recognition), "{turn:?}");
    assert!((300.0..600.0).contains(&thought), "{turn:?}");
    assert!((0.0..300.0).contains(&synthesis), "{turn:?}");
    let total = turn.total_ms.unwrap();
    assert!(total >= parts.iter().sum::<f64>() - 1.0 && total < 2000.0, "{turn:?}");
    // The caller's own stopwatch agrees, jitter buffers and ticks aside.
    let noticed = report.turns[0].latency().unwrap().as_secs_f64() * 1000.0;
    assert!((noticed - total).abs() < 250.0, "{noticed} noticed, {total} measured");
    office.close().await;
}

#[tokio::test]
async fn a_caller_who_goes_on_before_the_answer_gets_one_answer_to_everything() {
    let office = Office::new().await;
    let slow: &[Step] = &[Step::Wait(Duration::from_millis(1200)), Step::Text("Never said.")];
    office.mind.script(&[slow, ANSWER]);
    // The first half is taken for a whole turn; the second comes while the model still thinks.
    let both = with_pause("good morning", Duration::from_millis(1100), "what time is it");
    let (_, call) = office.ring(office.plan(vec![both])).await;
    let expected = [
        "agent: Hello.",
        "user: good morning what time is it",
        "agent: It is noon.",
    ];
    assert_eq!(office.transcript(&call).await, expected);
    let asked = office.mind.conversations();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].last().unwrap(), "user: good morning what time is it");
    office.close().await;
}

#[tokio::test]
async fn an_answer_that_is_ready_waits_until_the_caller_has_finished_going_on() {
    let office = Office::new().await;
    // Ready just when the caller pauses for breath at the end of the second half.
    let slow: &[Step] = &[Step::Wait(Duration::from_millis(1500)), Step::Text("Never said.")];
    office.mind.script(&[slow, ANSWER]);
    let both = with_pause("good morning", Duration::from_millis(1100), "what time is it");
    let (_, call) = office.ring(office.plan(vec![both])).await;
    let expected = [
        "agent: Hello.",
        "user: good morning what time is it",
        "agent: It is noon.",
    ];
    assert_eq!(office.transcript(&call).await, expected);
    office.close().await;
}

#[tokio::test]
async fn a_call_the_agent_ends_is_over_when_its_last_words_were_said() {
    let office = Office::new().await;
    office.mind.script(&[&[Step::Text("Goodbye then."), Step::EndCall]]);
    let mut plan = office.plan(vec![clip("hello")]);
    plan.hang_up = HangUp::Never;
    let (report, call) = office.ring(plan).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::AgentHangup))
    );
    assert_eq!(office.transcript(&call).await.last().unwrap(), "agent: Goodbye then.");
    let (ended, last) = report.events.last().unwrap();
    assert_eq!(*last, SoftphoneEvent::HungUpByPeer);
    let spoke = ended.checked_sub(report.turns[0].answer_started.unwrap()).unwrap();
    // Thirteen characters of 60 ms, all of them before the line went dead.
    assert!(spoke >= Duration::from_millis(13 * 60), "{report:?}");
    assert!(spoke < Duration::from_millis(13 * 60 + 800), "{report:?}");
    office.close().await;
}

#[tokio::test]
async fn a_call_lasts_no_longer_than_its_agent_allows() {
    let office = Office::with(|setup| setup.agent.max_duration = Span::millis(1500)).await;
    let mut plan = office.plan(vec![]);
    plan.hang_up = HangUp::Never;
    let (_, call) = office.ring(plan).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::MaxDuration))
    );
    let seconds = call.duration_seconds.unwrap();
    assert!((1.4..2.2).contains(&seconds), "{seconds}");
    office.close().await;
}

#[tokio::test]
async fn a_caller_who_says_nothing_is_asked_and_then_left() {
    let message = |text: &str, then| InactivityMessage {
        after: Span::millis(700),
        message: text.to_owned(),
        then,
    };
    let messages = vec![
        message("Are you there?", AfterInactivity::Continue),
        message("Bye.", AfterInactivity::HangUp),
    ];
    let office = Office::with(|setup| setup.agent.inactivity_messages = messages).await;
    let mut plan = office.plan(vec![]);
    plan.hang_up = HangUp::Never;
    let (_, call) = office.ring(plan).await;
    assert_eq!(
        (call.status, call.end_reason),
        (CallStatus::Completed, Some(EndReason::Inactivity))
    );
    let expected = ["agent: Hello.", "agent: Are you there?", "agent: Bye."];
    assert_eq!(office.transcript(&call).await, expected);
    office.close().await;
}

#[tokio::test]
async fn keys_count_as_words_after_a_hash_or_a_pause() {
    for (keys, words) in [("42#", "42"), ("17", "17")] {
        let office = Office::new().await;
        let mut plan = office.plan(vec![]);
        plan.dtmf = keys.to_owned();
        plan.hang_up = HangUp::Never;
        plan.max_duration = Duration::from_secs(5);
        let (_, call) = office.ring(plan).await;
        assert_eq!(call.context.dtmf, keys);
        let said = format!("user: {words}");
        assert_eq!(office.mind.conversations().pop().unwrap().last(), Some(&said));
        assert_eq!(office.transcript(&call).await, ["agent: Hello.", &said, "agent: Yes."]);
        office.close().await;
    }
}

#[tokio::test]
async fn words_said_while_the_last_ones_are_being_recognised_are_not_lost() {
    let office = Office::new().await;
    office.ears.health_set(Health::Slow(Duration::from_secs(1)));
    // The first half is recognised from 200 ms into the silence to 1200 ms; it seems to be a turn after 700 ms.
    let both = with_pause("hello", Duration::from_millis(850), "good morning");
    let (_, call) = office.ring(office.plan(vec![both])).await;
    // Heard as one, it is as long as this phrase.
    let phrase = "user: and where exactly is your office please";
    assert_eq!(office.transcript(&call).await, ["agent: Hello.", phrase, "agent: Yes."]);
    assert_eq!(office.mind.conversations().len(), 1);
    office.close().await;
}

#[tokio::test]
async fn a_caller_here_is_not_told_the_address_for_the_world() {
    let office = Office::with(|setup| setup.rtp_external = Some([203, 0, 113, 9].into())).await;
    let (_, call) = office.ring(office.plan(vec![clip("hello")])).await;
    assert_eq!(
        office.transcript(&call).await,
        ["agent: Hello.", "user: hello", "agent: Yes."]
    );
    office.close().await;
}

#[tokio::test]
async fn watchers_learn_of_a_call_as_it_happens() {
    let office = Office::new().await;
    let dialling = office.dial(office.plan(vec![clip("what time is it")]));
    let watching = async {
        let id = office.call_in(CallStatus::InProgress).await.id;
        let latency = office.event(id, |event| match event {
            CallEvent::Latency { metrics, .. } => metrics.total_ms,
            _ => None,
        });
        let words = office.event(id, |event| match event {
            CallEvent::TranscriptFinal { turn } if turn.speaker == Speaker::User => Some(turn.text.clone()),
            _ => None,
        });
        let partial = office.event(id, |event| match event {
            CallEvent::TranscriptPartial { text, .. } => Some(text.clone()),
            _ => None,
        });
        let over = office.event(id, |event| match event {
            CallEvent::Status { status, end_reason, .. } if status.is_final() => *end_reason,
            _ => None,
        });
        tokio::join!(latency, words, partial, over)
    };
    let (_, (latency, words, partial, over)) = tokio::join!(dialling, watching);
    assert!(latency > 0.0);
    assert_eq!(
        (words.as_str(), partial.as_str()),
        ("what time is it", "what time is it")
    );
    assert_eq!(over, EndReason::CallerHangup);
    office.close().await;
}
