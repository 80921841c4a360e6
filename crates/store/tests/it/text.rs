//! Words that come from elsewhere are kept, whatever they are made of.

use contract::{CallStatus, EndReason, LaterFailure, Reason};
use domain::ports::CallStore;
use serde_json::json;

use crate::support::{Engine, World, at, call, call_put, ending, turn};

crate::on_both_engines![a_call_does_not_fail_for_a_character_no_server_keeps];

async fn a_call_does_not_fail_for_a_character_no_server_keeps(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let call = call(world.agent(scope).await.id);
    assert!(call_put(&world.store, scope, &call, 10).await.unwrap());
    let details = json!({ "said": "b\0c \\u0000" }).as_object().cloned().unwrap();
    let error = LaterFailure::new(Reason::Internal, "It broke\0.", details, at(0));
    world.store.call_error_set(scope, call.id, &error).await.unwrap();
    let mut end = ending(CallStatus::Failed, EndReason::Error);
    end.turns = vec![turn("Hello\0 there")];
    assert!(world.store.call_finish(scope, call.id, &end).await.unwrap());
    let turns = world.store.call_transcript(scope, call.id).await.unwrap().unwrap();
    let kept = world
        .store
        .call_fetch(scope, call.id)
        .await
        .unwrap()
        .unwrap()
        .context
        .last_error
        .unwrap();
    assert_eq!(turns[0].text, "Hello\u{fffd} there");
    assert_eq!(kept.details["said"], "b\u{fffd}c \\u0000");
}
