//! No tenant sees, changes or deletes what is another's.

use contract::{CallStatus, EndReason, NumberDirection};
use domain::{
    ports::{AgentStore, CallStore, OrganizationStore, TelephonyStore, VoiceStore},
    records::CallFilter,
};

use crate::support::{ALL, World, at, call, ending, number, turn};

#[tokio::test]
async fn agents_are_their_tenants_own() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let mut agent = world.agent(ours).await;
    assert_eq!(
        world.store.agent_fetch(ours, agent.id).await.unwrap().as_ref(),
        Some(&agent)
    );
    assert_eq!(world.store.agent_fetch(theirs, agent.id).await.unwrap(), None);
    assert_eq!(world.store.agent_list(theirs, ALL).await.unwrap().total, 0);
    assert!(!world.store.agent_delete(theirs, agent.id).await.unwrap());
    agent.settings.name = "Stolen".to_owned();
    assert!(!world.store.agent_update(theirs, &agent).await.unwrap());
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

#[tokio::test]
async fn trunks_are_their_tenants_own() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let mut trunk = world.trunk(ours).await;
    assert_eq!(
        world.store.trunk_fetch(ours, trunk.trunk.id).await.unwrap().as_ref(),
        Some(&trunk)
    );
    assert_eq!(world.store.trunk_fetch(theirs, trunk.trunk.id).await.unwrap(), None);
    assert_eq!(world.store.trunk_list(theirs, ALL).await.unwrap().items, []);
    assert_eq!(world.store.trunk_delete(theirs, trunk.trunk.id).await.unwrap(), None);
    trunk.trunk.host = "evil.example.com".to_owned();
    assert!(!world.store.trunk_update(theirs, &trunk).await.unwrap());
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

#[tokio::test]
async fn numbers_are_their_tenants_own_and_stay_on_its_trunks_and_agents() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let (agent, stranger) = (world.agent(ours).await, world.agent(theirs).await);
    let known = world.number(ours, "+14155550100").await;
    assert_eq!(world.store.number_fetch(theirs, known.id).await.unwrap(), None);
    assert_eq!(world.store.number_list(theirs, None, ALL).await.unwrap().total, 0);
    assert!(!world.store.number_delete(theirs, known.id).await.unwrap());
    let both = NumberDirection::Both;
    assert!(
        !world
            .store
            .number_assign(theirs, known.id, Some(stranger.id), both)
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .number_assign(ours, known.id, Some(stranger.id), both)
            .await
            .is_err()
    );
    assert!(
        world
            .store
            .number_assign(ours, known.id, Some(agent.id), both)
            .await
            .unwrap()
    );
    let on_our_trunk = number(&world.trunk(ours).await, "+14155550101");
    assert!(world.store.number_create(theirs, &on_our_trunk).await.is_err());
}

#[tokio::test]
async fn calls_are_their_tenants_own() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let call = call(world.agent(ours).await.id);
    assert!(world.store.call_create(ours, &call, 10).await.unwrap());
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
    assert!(!world.store.call_delete(theirs, call.id).await.unwrap());
    assert_eq!(world.store.call_fetch(ours, call.id).await.unwrap(), Some(call));
}

#[tokio::test]
async fn keys_are_their_tenants_own() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let key = world.store.key_list(ours, ALL).await.unwrap().items.remove(0);
    assert!(!world.store.key_revoke(theirs, key.id, at(0)).await.unwrap());
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

#[tokio::test]
async fn system_voices_are_everyones_and_keep_their_ids() {
    let world = World::new().await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let voice = world.voice().await;
    for scope in [ours, theirs] {
        assert_eq!(
            world.store.voice_fetch(scope, voice.id).await.unwrap().unwrap().name,
            "amy"
        );
    }
    let mut renamed = crate::support::voice("local", "amy");
    renamed.name = "Amy".to_owned();
    assert_eq!(world.store.voice_register_system(&renamed).await.unwrap(), voice.id);
    let listed = world.store.voice_list(ours, ALL).await.unwrap();
    assert_eq!(
        (listed.total, listed.items[0].id, listed.items[0].name.as_str()),
        (1, voice.id, "Amy")
    );
}
