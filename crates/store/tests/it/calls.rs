//! Calls: the limit, the transcript, and the one ending.

use contract::{CallStatus, EndReason, LaterFailure, Reason};
use domain::Alongside;
use domain::nodes::NodeStore;
use domain::ports::CallStore;
use domain::records::CallEnding;

use crate::support::{Engine, World, at, call, call_put, ending, turn};

crate::on_both_engines![
    parallel_calls_never_pass_the_limit,
    a_call_that_ended_makes_room,
    the_first_ending_stays_with_all_that_follows_from_it,
    a_call_progresses_but_never_back,
    turns_are_kept_while_the_call_goes_on,
    an_error_noted_during_the_call_survives_an_ending_without_one,
    only_a_call_that_is_over_can_be_deleted_and_its_transcript_goes_with_it,
    a_call_is_paid_from_when_it_was_answered_whoever_ends_it,
    unfinished_calls_of_all_tenants_are_found
];

async fn parallel_calls_never_pass_the_limit(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let store = world.store.clone();
            tokio::spawn(async move { call_put(&store, scope, &call(agent), 10).await.unwrap() })
        })
        .collect();
    let mut admitted = 0;
    for attempt in attempts {
        admitted += u32::from(attempt.await.unwrap());
    }
    assert_eq!(admitted, 10);
    let other = world.tenant().await;
    assert!(
        call_put(&world.store, other, &call(agent), 1).await.unwrap(),
        "another tenant has its own limit"
    );
}

async fn a_call_that_ended_makes_room(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let first = call(agent);
    assert!(call_put(&world.store, scope, &first, 1).await.unwrap());
    assert!(!call_put(&world.store, scope, &call(agent), 1).await.unwrap());
    world
        .store
        .call_finish(scope, first.id, &ending(CallStatus::Completed, EndReason::Busy))
        .await
        .unwrap();
    assert!(call_put(&world.store, scope, &call(agent), 1).await.unwrap());
}

async fn the_first_ending_stays_with_all_that_follows_from_it(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &created, 10).await.unwrap();
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

async fn a_call_progresses_but_never_back(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &created, 10).await.unwrap();
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

async fn turns_are_kept_while_the_call_goes_on(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &created, 10).await.unwrap();
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

async fn an_error_noted_during_the_call_survives_an_ending_without_one(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &created, 10).await.unwrap();
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

async fn only_a_call_that_is_over_can_be_deleted_and_its_transcript_goes_with_it(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &created, 10).await.unwrap();
    assert!(
        !world
            .store
            .call_delete(scope, created.id, &Alongside::nothing())
            .await
            .unwrap()
    );
    world
        .store
        .call_finish(scope, created.id, &ending(CallStatus::Cancelled, EndReason::Cancelled))
        .await
        .unwrap();
    assert!(
        world
            .store
            .call_delete(scope, created.id, &Alongside::nothing())
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .call_delete(scope, created.id, &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(world.store.call_transcript(scope, created.id).await.unwrap(), None);
}

async fn a_call_is_paid_from_when_it_was_answered_whoever_ends_it(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let answered = call(world.agent(scope).await.id);
    call_put(store, scope, &answered, 10).await.unwrap();
    let progress = store.call_progress(scope, answered.id, CallStatus::InProgress, Some(at(0)));
    progress.await.unwrap();
    // Who ends it could not look up when it was answered.
    let ending = CallEnding::before_answer(CallStatus::Failed, EndReason::Error, at(60_000), None);
    assert!(store.call_finish(scope, answered.id, &ending).await.unwrap());
    let shown = store.call_fetch(scope, answered.id).await.unwrap().unwrap();
    assert_eq!((shown.duration_seconds, shown.cost_credits), (Some(60.0), Some(1.0)));
}

async fn unfinished_calls_of_all_tenants_are_found(engine: Engine) {
    let world = World::new(engine).await;
    let [one, two] = [world.tenant().await, world.tenant().await];
    let calls = [
        call(world.agent(one).await.id),
        call(world.agent(one).await.id),
        call(world.agent(two).await.id),
    ];
    for (scope, call) in [one, one, two].into_iter().zip(&calls) {
        call_put(&world.store, scope, call, 10).await.unwrap();
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
