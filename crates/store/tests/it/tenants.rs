//! No tenant sees, changes or deletes what is another's.

use contract::{CallStatus, EndReason, Number};
use domain::{
    Alongside,
    ports::{AgentStore, CallStore, OrganizationStore, TelephonyStore, VoiceStore},
    records::{CallFilter, NumberCreated, NumberFilter, Version},
};

use crate::support::{ALL, Engine, World, at, call, call_put, ending, number, turn};

crate::on_both_engines![
    agents_are_their_tenants_own,
    trunks_are_their_tenants_own,
    numbers_are_their_tenants_own_and_stay_on_its_trunks_and_agents,
    calls_are_their_tenants_own,
    keys_are_their_tenants_own,
    system_voices_are_everyones_and_keep_their_ids
];

async fn agents_are_their_tenants_own(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let mut agent = world.agent(ours).await;
    assert_eq!(
        world.store.agent_fetch(ours, agent.id).await.unwrap().as_ref(),
        Some(&agent)
    );
    assert_eq!(world.store.agent_fetch(theirs, agent.id).await.unwrap(), None);
    // Also once it was read, and may be remembered.
    for _ in 0..2 {
        let own = world.store.agent_snapshot(ours, agent.id).await.unwrap().unwrap();
        assert_eq!(own.record(), &agent);
        assert!(world.store.agent_snapshot(theirs, agent.id).await.unwrap().is_none());
    }
    assert_eq!(world.store.agent_list(theirs, ALL).await.unwrap().total, 0);
    assert!(
        !world
            .store
            .agent_delete(theirs, agent.id, Version(1), &Alongside::nothing())
            .await
            .unwrap()
    );
    "Stolen".clone_into(&mut agent.settings.name);
    assert!(
        !world
            .store
            .agent_update(theirs, &agent, Version(1), &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(
        world
            .store
            .agent_fetch(ours, agent.id)
            .await
            .unwrap()
            .unwrap()
            .settings
            .name,
        "Ada"
    );
}

async fn trunks_are_their_tenants_own(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let mut trunk = world.trunk(ours).await;
    assert_eq!(
        world.store.trunk_fetch(ours, trunk.trunk.id).await.unwrap().as_ref(),
        Some(&trunk)
    );
    assert_eq!(world.store.trunk_fetch(theirs, trunk.trunk.id).await.unwrap(), None);
    assert_eq!(world.store.trunk_list(theirs, ALL).await.unwrap().items, []);
    assert_eq!(
        world
            .store
            .trunk_delete(theirs, trunk.trunk.id, Version(1), &Alongside::nothing())
            .await
            .unwrap(),
        None
    );
    "evil.example.com".clone_into(&mut trunk.trunk.host);
    assert!(
        !world
            .store
            .trunk_update(theirs, &trunk, Version(1), &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(
        world
            .store
            .trunk_fetch(ours, trunk.trunk.id)
            .await
            .unwrap()
            .unwrap()
            .trunk
            .host,
        "pbx.example.com"
    );
}

async fn numbers_are_their_tenants_own_and_stay_on_its_trunks_and_agents(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let (agent, stranger) = (world.agent(ours).await, world.agent(theirs).await);
    let known = world.number(ours, "+14155550100").await;
    assert_eq!(world.store.number_fetch(theirs, known.id).await.unwrap(), None);
    assert_eq!(
        world
            .store
            .number_list(theirs, NumberFilter::default(), ALL)
            .await
            .unwrap()
            .total,
        0
    );
    assert!(
        !world
            .store
            .number_delete(theirs, known.id, Version(1), &Alongside::nothing())
            .await
            .unwrap()
    );
    let served_by = |agent| Number {
        inbound_agent_id: Some(agent),
        outbound_agent_id: Some(agent),
        ..known.clone()
    };
    for (scope, agent, is_done) in [
        (theirs, stranger.id, false),
        (ours, stranger.id, false),
        (ours, agent.id, true),
    ] {
        let with = Alongside::nothing();
        let done = world
            .store
            .number_assign(scope, &served_by(agent), Version(1), &with)
            .await;
        assert_eq!(done.unwrap(), is_done);
    }
    let on_our_trunk = number(&world.trunk(ours).await, "+14155550101");
    assert!(
        world
            .store
            .number_create(theirs, &on_our_trunk, &Alongside::nothing())
            .await
            .unwrap()
            == NumberCreated::NoTrunk
    );
}

async fn calls_are_their_tenants_own(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let call = call(world.agent(ours).await.id);
    assert!(call_put(&world.store, ours, &call, 10).await.unwrap());
    assert_eq!(
        world.store.call_fetch(ours, call.id).await.unwrap().as_ref(),
        Some(&call)
    );
    assert_eq!(world.store.call_fetch(theirs, call.id).await.unwrap(), None);
    assert_eq!(
        world
            .store
            .call_list(theirs, CallFilter::default(), ALL)
            .await
            .unwrap()
            .total,
        0
    );
    assert_eq!(world.store.call_transcript(theirs, call.id).await.unwrap(), None);
    world
        .store
        .call_progress(theirs, call.id, CallStatus::InProgress, Some(at(1)))
        .await
        .unwrap();
    world
        .store
        .call_turn_append(theirs, call.id, 0, &turn("Ours?"))
        .await
        .unwrap();
    assert!(
        !world
            .store
            .call_finish(theirs, call.id, &ending(CallStatus::Failed, EndReason::Error))
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .call_delete(theirs, call.id, &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(world.store.call_fetch(ours, call.id).await.unwrap(), Some(call));
}

async fn keys_are_their_tenants_own(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let key = world.store.key_list(ours, ALL).await.unwrap().items.remove(0);
    assert!(
        !world
            .store
            .key_revoke(theirs, key.id, Version(1), at(0), &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(world.store.key_list(ours, ALL).await.unwrap().items[0].revoked_at, None);
    assert!(
        world
            .store
            .key_list(theirs, ALL)
            .await
            .unwrap()
            .items
            .iter()
            .all(|other| other.id != key.id)
    );
}

async fn system_voices_are_everyones_and_keep_their_ids(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let voice = world.voice().await;
    for scope in [ours, theirs] {
        assert_eq!(
            world.store.voice_fetch(scope, voice.id).await.unwrap().unwrap().name,
            "amy"
        );
    }
    let mut renamed = crate::support::voice("local", "amy");
    "Amy".clone_into(&mut renamed.name);
    assert_eq!(world.store.voice_register_system(&renamed).await.unwrap(), voice.id);
    let listed = world.store.voice_list(ours, ALL).await.unwrap();
    assert_eq!(
        (listed.total, listed.items[0].id, listed.items[0].name.as_str()),
        (1, voice.id, "Amy")
    );
}
