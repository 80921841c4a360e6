//! Calls: the limit, the transcript, and the one ending.

use contract::{CallStatus, EndReason, LaterFailure, Reason};
use domain::ports::CallStore;

use crate::support::{World, at, call, ending, turn};

#[tokio::test]
async fn parallel_calls_never_pass_the_limit() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let store = world.store.clone();
            tokio::spawn(async move { store.call_create(scope, &call(agent), 10).await.unwrap() })
        })
        .collect();
    let mut admitted = 0;
    for attempt in attempts {
        admitted += u32::from(attempt.await.unwrap());
    }
    assert_eq!(admitted, 10);
    let other = world.tenant().await;
    assert!(
        world.store.call_create(other, &call(agent), 1).await.unwrap(),
        "another tenant has its own limit"
    );
}

#[tokio::test]
async fn a_call_that_ended_makes_room() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let first = call(agent);
    assert!(world.store.call_create(scope, &first, 1).await.unwrap());
    assert!(!world.store.call_create(scope, &call(agent), 1).await.unwrap());
    world
        .store
        .call_finish(scope, first.id, &ending(CallStatus::Completed, EndReason::Busy))
        .await
        .unwrap();
    assert!(world.store.call_create(scope, &call(agent), 1).await.unwrap());
}

#[tokio::test]
async fn the_first_ending_stays_with_all_that_follows_from_it() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    world.store.call_create(scope, &created, 10).await.unwrap();
    world
        .store
        .call_turn_append(scope, created.id, 0, &turn("Hello, this was cut"))
        .await
        .unwrap();
    let over = ending(CallStatus::Completed, EndReason::CallerHangup);
    assert!(world.store.call_finish(scope, created.id, &over).await.unwrap());
    let mut late = ending(CallStatus::Failed, EndReason::Error);
    late.turns.clear();
    assert!(!world.store.call_finish(scope, created.id, &late).await.unwrap());
    world
        .store
        .call_progress(scope, created.id, CallStatus::Ringing, None)
        .await
        .unwrap();
    world
        .store
        .call_turn_append(scope, created.id, 9, &turn("Too late"))
        .await
        .unwrap();

    let ended = world.store.call_fetch(scope, created.id).await.unwrap().unwrap();
    assert_eq!(
        (ended.status, ended.end_reason),
        (CallStatus::Completed, Some(EndReason::CallerHangup))
    );
    assert_eq!(
        (ended.answered_at, ended.ended_at, ended.duration_seconds),
        (Some(at(1_000)), Some(at(3_500)), Some(2.5))
    );
    assert_eq!((ended.metrics, ended.context.dtmf.as_str()), (over.metrics, "12#"));
    assert_eq!(
        ended.recording_url,
        Some(format!("/api/public/v1/calls/{}/recording", created.id))
    );
    assert_eq!(
        ended.transcript_url,
        Some(format!("/api/public/v1/calls/{}/transcript", created.id))
    );
    assert_eq!(
        world.store.call_transcript(scope, created.id).await.unwrap(),
        Some(over.turns)
    );
}

#[tokio::test]
async fn a_call_progresses_but_never_back() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    world.store.call_create(scope, &created, 10).await.unwrap();
    world
        .store
        .call_progress(scope, created.id, CallStatus::InProgress, Some(at(500)))
        .await
        .unwrap();
    world
        .store
        .call_progress(scope, created.id, CallStatus::Ringing, None)
        .await
        .unwrap();
    let live = world.store.call_fetch(scope, created.id).await.unwrap().unwrap();
    assert_eq!((live.status, live.answered_at), (CallStatus::InProgress, Some(at(500))));
    assert!(
        world
            .store
            .call_progress(scope, created.id, CallStatus::Completed, None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn turns_are_kept_while_the_call_goes_on() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    world.store.call_create(scope, &created, 10).await.unwrap();
    assert_eq!(
        world.store.call_transcript(scope, created.id).await.unwrap(),
        Some(vec![])
    );
    for (index, text) in [(1, "Second"), (0, "First"), (1, "Second, corrected")] {
        world
            .store
            .call_turn_append(scope, created.id, index, &turn(text))
            .await
            .unwrap();
    }
    let turns = world.store.call_transcript(scope, created.id).await.unwrap().unwrap();
    assert_eq!(turns, [turn("First"), turn("Second, corrected")]);
}

#[tokio::test]
async fn an_error_noted_during_the_call_survives_an_ending_without_one() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    world.store.call_create(scope, &created, 10).await.unwrap();
    let error = LaterFailure::new(Reason::ProviderTimeout, "Slow.", serde_json::Map::new(), at(2));
    world.store.call_error_set(scope, created.id, &error).await.unwrap();
    world
        .store
        .call_finish(scope, created.id, &ending(CallStatus::Failed, EndReason::Error))
        .await
        .unwrap();
    let ended = world.store.call_fetch(scope, created.id).await.unwrap().unwrap();
    assert_eq!(ended.context.last_error, Some(error));
}

#[tokio::test]
async fn only_a_call_that_is_over_can_be_deleted_and_its_transcript_goes_with_it() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    world.store.call_create(scope, &created, 10).await.unwrap();
    assert!(!world.store.call_delete(scope, created.id).await.unwrap());
    world
        .store
        .call_finish(scope, created.id, &ending(CallStatus::Cancelled, EndReason::Cancelled))
        .await
        .unwrap();
    assert!(world.store.call_delete(scope, created.id).await.unwrap());
    assert!(!world.store.call_delete(scope, created.id).await.unwrap());
    assert_eq!(world.store.call_transcript(scope, created.id).await.unwrap(), None);
}

#[tokio::test]
async fn unfinished_calls_of_all_tenants_are_found() {
    let world = World::new().await;
    let [one, two] = [world.tenant().await, world.tenant().await];
    let calls = [
        call(world.agent(one).await.id),
        call(world.agent(one).await.id),
        call(world.agent(two).await.id),
    ];
    for (scope, call) in [one, one, two].into_iter().zip(&calls) {
        world.store.call_create(scope, call, 10).await.unwrap();
    }
    world
        .store
        .call_finish(one, calls[0].id, &ending(CallStatus::Failed, EndReason::Error))
        .await
        .unwrap();
    let unfinished = world.store.calls_unfinished().await.unwrap();
    let found: Vec<_> = unfinished
        .iter()
        .map(|owned| (owned.organization, owned.call.id))
        .collect();
    assert_eq!(
        found,
        [(one.organization, calls[1].id), (two.organization, calls[2].id)]
    );
}
