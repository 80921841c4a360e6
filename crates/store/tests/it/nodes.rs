//! Nodes on one database: whose calls are whose, and who is alive.

use contract::{CallStatus, Credits};
use domain::{
    billing::{BillingStore, Extension, Held},
    nodes::{Holder, NodeSeen, NodeStore},
    ports::CallStore,
    records::OwnedCall,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Engine, World, at, call, call_put};

crate::on_both_engines![
    a_node_finds_its_own_calls_and_those_of_nobody,
    a_node_that_comes_back_is_not_what_was_seen_of_it,
    an_end_is_asked_of_the_node_that_holds_the_call,
    the_later_process_is_the_node,
    the_signs_of_life_of_a_call_are_its_payments_and_its_node,
];

/// Another node on the database of `world`, with a folder of its own.
async fn neighbour(world: &World) -> (store::SqlStore, TempDir) {
    let folder = TempDir::new().unwrap();
    (world.database.open_beside(folder.path()).await, folder)
}

fn ids(calls: &[OwnedCall]) -> Vec<contract::CallId> {
    calls.iter().map(|owned| owned.call.id).collect()
}

async fn a_node_finds_its_own_calls_and_those_of_nobody(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let (other, _folder) = neighbour(&world).await;
    let [ours, theirs, nobodys] = [call(agent), call(agent), call(agent)];
    call_put(&world.store, scope, &ours, 10).await.unwrap();
    call_put(&other, scope, &theirs, 10).await.unwrap();
    call_put(&other, scope, &nobodys, 10).await.unwrap();
    let mut outsider = world.database.outsider().await;
    let orphan = match engine {
        Engine::Sqlite => format!("x'{}'", nobodys.id.0.simple()),
        Engine::Postgres => format!("'{}'", nobodys.id.0),
    };
    outsider
        .run(&format!("UPDATE calls SET node_id = NULL WHERE id = {orphan}"))
        .await;
    assert_eq!(
        ids(&world.store.calls_unfinished().await.unwrap()),
        [ours.id, nobodys.id]
    );
    assert_eq!(ids(&other.calls_unfinished().await.unwrap()), [theirs.id, nobodys.id]);
    let held = other.calls_held().await.unwrap();
    assert_eq!(held.iter().map(|call| call.id).collect::<Vec<_>>(), [theirs.id]);
}

async fn a_node_that_comes_back_is_not_what_was_seen_of_it(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let lost = call(world.agent(scope).await.id);
    let (other, _folder) = neighbour(&world).await;
    call_put(&other, scope, &lost, 10).await.unwrap();
    let silent = world.store.nodes_with_calls().await.unwrap();
    assert_eq!(silent[0].beats, None, "it never said a word");
    assert_eq!(ids(&world.store.calls_of_node(silent[0]).await.unwrap()), [lost.id]);
    let run = Uuid::now_v7();
    other.node_begin(run, at(1)).await.unwrap();
    assert!(world.store.calls_of_node(silent[0]).await.unwrap().is_empty());
    let alive = world.store.nodes_with_calls().await.unwrap();
    assert_eq!(
        alive,
        [NodeSeen {
            beats: Some(1),
            ..silent[0]
        }]
    );
    assert!(other.node_beat(run, at(2)).await.unwrap());
    world.store.node_forget(alive[0]).await.unwrap();
    let still = world.store.nodes_with_calls().await.unwrap();
    assert_eq!(still[0].beats, Some(2), "it was heard of since");
    world.store.node_forget(still[0]).await.unwrap();
    assert_eq!(world.store.nodes_with_calls().await.unwrap()[0].beats, None);
    assert!(other.node_beat(run, at(3)).await.unwrap(), "it says so again");
}

async fn an_end_is_asked_of_the_node_that_holds_the_call(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, stranger) = (world.tenant().await, world.tenant().await);
    let wanted = call(world.agent(scope).await.id);
    let (other, _folder) = neighbour(&world).await;
    call_put(&other, scope, &wanted, 10).await.unwrap();
    let ask =
        |store: store::SqlStore, scope| async move { store.call_end_request(scope, wanted.id, at(1)).await.unwrap() };
    assert_eq!(ask(world.store.clone(), stranger).await, None);
    assert!(!other.calls_held().await.unwrap()[0].end_requested);
    assert_eq!(ask(world.store.clone(), scope).await, Some(Holder::Elsewhere));
    assert_eq!(ask(other.clone(), scope).await, Some(Holder::Here));
    assert!(other.calls_held().await.unwrap()[0].end_requested);
    let ending = crate::support::ending(CallStatus::Completed, contract::EndReason::AgentHangup);
    assert!(other.call_finish(scope, wanted.id, &ending).await.unwrap());
    assert_eq!(ask(world.store.clone(), scope).await, None);
}

async fn the_later_process_is_the_node(engine: Engine) {
    let world = World::new(engine).await;
    let [first, second] = [Uuid::now_v7(), Uuid::now_v7()];
    world.store.node_begin(first, at(1)).await.unwrap();
    assert!(world.store.node_beat(first, at(2)).await.unwrap());
    world.store.node_begin(second, at(3)).await.unwrap();
    assert!(!world.store.node_beat(first, at(4)).await.unwrap());
    assert!(world.store.node_beat(second, at(5)).await.unwrap());
}

async fn the_signs_of_life_of_a_call_are_its_payments_and_its_node(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let lost = call(world.agent(scope).await.id);
    call_put(&world.store, scope, &lost, 10).await.unwrap();
    let found = world.store.calls_unfinished().await.unwrap();
    assert_eq!((found[0].extended_at, found[0].node_seen_at), (None, None));
    world.store.node_begin(Uuid::now_v7(), at(7000)).await.unwrap();
    crate::ledger::granted(&world.store, scope, 10).await;
    let reservation = lost.id.0;
    let held = world
        .store
        .reservation_open(scope, reservation, Credits::whole(1), at(1000))
        .await;
    assert_eq!(held.unwrap(), Held::All(Credits::whole(1)));
    let extension = Extension {
        reservation,
        step: 1,
        wanted: Credits::whole(1),
        least: Credits::whole(1),
        at: at(5000),
    };
    let held = world.store.reservation_extend(scope, &extension).await;
    assert_eq!(held.unwrap(), Held::All(Credits::whole(2)));
    let found = world.store.calls_unfinished().await.unwrap();
    assert_eq!(
        (found[0].extended_at, found[0].node_seen_at),
        (Some(at(5000)), Some(at(7000)))
    );
}
