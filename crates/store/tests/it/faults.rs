//! A database that is locked, full, cut off, silent or gone: a failure within its time, and then life goes on. Nothing
//! that was acknowledged is lost.

use std::time::{Duration, Instant};

use contract::AgentId;
use domain::{
    ports::{AgentStore, Stored},
    records::{AgentRecord, Listing, Scope},
};
use store::{DatabaseAddress, SqlStore, testing::fill_disk};

use crate::{
    proxy::{Network, Proxy},
    support::{ALL, Engine, World, agent},
};

crate::on_both_engines![
    a_lock_that_outlasts_patience_is_a_failure_and_the_next_write_succeeds,
    a_lock_that_is_let_go_in_time_is_waited_for,
];

const PATIENCE: Duration = Duration::from_millis(400);
/// Twice the patience, and what a busy machine adds.
const BY_THEN: Duration = Duration::from_secs(6);

async fn create(store: &SqlStore, scope: Scope) -> Stored<AgentId> {
    let agent = agent();
    store
        .agent_create(scope, &agent, &domain::Alongside::nothing())
        .await
        .map(|()| agent.id)
}

/// The agents that were acknowledged, no more and no fewer, in the list and in its total.
async fn assert_kept(store: &SqlStore, scope: Scope, acknowledged: &[AgentId]) {
    assert_lists(&store.agent_list(scope, ALL).await.unwrap(), acknowledged);
}

fn assert_lists(listed: &Listing<AgentRecord>, acknowledged: &[AgentId]) {
    let mut kept: Vec<_> = listed.items.iter().map(|agent| agent.id).collect();
    kept.reverse();
    assert_eq!(kept, acknowledged);
    assert_eq!(listed.total, acknowledged.len() as u64);
}

async fn a_lock_that_outlasts_patience_is_a_failure_and_the_next_write_succeeds(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let store = world.database.open_impatient(world.database.address(), PATIENCE).await;
    let before = create(&store, scope).await.unwrap();
    let mut outsider = world.database.outsider().await;
    outsider.lock_out_writers().await;
    let since = Instant::now();
    let writes: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { create(&store, scope).await })
        })
        .collect();
    assert_kept(&store, scope, &[before]).await;
    for write in writes {
        assert!(write.await.unwrap().is_err());
    }
    assert!(since.elapsed() < BY_THEN, "{:?}", since.elapsed());
    outsider.let_go().await;
    let after = create(&store, scope).await.unwrap();
    assert_kept(&store, scope, &[before, after]).await;
}

async fn a_lock_that_is_let_go_in_time_is_waited_for(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let mut outsider = world.database.outsider().await;
    outsider.lock_out_writers().await;
    let store = world.store.clone();
    let mut write = tokio::spawn(async move { create(&store, scope).await });
    let early = tokio::time::timeout(PATIENCE, &mut write).await;
    assert!(early.is_err(), "it was not locked: {early:?}");
    outsider.let_go().await;
    let created = write.await.unwrap().unwrap();
    assert_kept(&world.store, scope, &[created]).await;
}

/// A store whose network a test can break.
async fn behind_proxy(world: &World, patience: Duration) -> (Proxy, SqlStore) {
    let DatabaseAddress::Postgres(options) = world.database.address() else {
        panic!("not a server");
    };
    let server = tokio::net::lookup_host((options.get_host(), options.get_port()));
    let proxy = Proxy::before(server.await.unwrap().next().unwrap()).await;
    let options = options.clone().host("127.0.0.1").port(proxy.address.port());
    let address = DatabaseAddress::Postgres(Box::new(options));
    let store = world.database.open_impatient(&address, patience).await;
    (proxy, store)
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_failure_at_once_and_found_again() {
    let world = World::new(Engine::Postgres).await;
    let scope = world.tenant().await;
    let (proxy, store) = behind_proxy(&world, PATIENCE).await;
    let mut acknowledged = vec![create(&store, scope).await.unwrap()];
    for _ in 0..2 {
        proxy.set(Network::Cut);
        let since = Instant::now();
        for _ in 0..3 {
            assert!(create(&store, scope).await.is_err());
            assert!(store.agent_list(scope, ALL).await.is_err());
            assert!(store.ping().await.is_err());
        }
        assert!(since.elapsed() < BY_THEN * 2, "{:?}", since.elapsed());
        proxy.set(Network::Works);
        acknowledged.push(create(&store, scope).await.unwrap());
        assert_kept(&store, scope, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_a_failure_in_time_and_found_again() {
    let world = World::new(Engine::Postgres).await;
    let scope = world.tenant().await;
    let (proxy, store) = behind_proxy(&world, PATIENCE).await;
    let before = create(&store, scope).await.unwrap();
    proxy.set(Network::Silent);
    let since = Instant::now();
    // More than there are connections.
    let asked: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                match number % 2 {
                    0 => create(&store, scope).await.map(drop),
                    _ => store.agent_list(scope, ALL).await.map(drop),
                }
            })
        })
        .collect();
    for one in asked {
        assert!(one.await.unwrap().is_err());
    }
    assert!(since.elapsed() < BY_THEN, "{:?}", since.elapsed());
    proxy.set(Network::Works);
    let after = create(&store, scope).await.unwrap();
    assert_kept(&store, scope, &[before, after]).await;
}

#[tokio::test]
async fn nobody_who_listens_is_a_failure_long_before_patience_ends_and_found_again() {
    let world = World::new(Engine::Postgres).await;
    let scope = world.tenant().await;
    let patience = Duration::from_secs(30);
    let (mut proxy, store) = behind_proxy(&world, patience).await;
    let before = create(&store, scope).await.unwrap();
    proxy.close().await;
    let since = Instant::now();
    for _ in 0..4 {
        assert!(create(&store, scope).await.is_err());
        assert!(store.agent_list(scope, ALL).await.is_err());
    }
    assert!(since.elapsed() < patience, "{:?}", since.elapsed());
    proxy.open().await;
    // What was just found out is believed for a moment, by whoever waits for a connection.
    let after = loop {
        match create(&store, scope).await {
            Ok(after) => break after,
            Err(error) => assert!(since.elapsed() < patience * 2, "never found again: {error}"),
        }
    };
    // Also where another connection came through already.
    let listed = loop {
        match store.agent_list(scope, ALL).await {
            Ok(listed) => break listed,
            Err(error) => assert!(since.elapsed() < patience * 2, "never found again: {error}"),
        }
    };
    assert_lists(&listed, &[before, after]);
}

#[tokio::test]
async fn idle_connections_that_died_in_silence_cost_one_request_and_not_one_each() {
    let world = World::new(Engine::Postgres).await;
    let scope = world.tenant().await;
    let patience = Duration::from_secs(5);
    let (proxy, store) = behind_proxy(&world, patience).await;
    let id = create(&store, scope).await.unwrap();
    // As many as there can be, all idle.
    let asked: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.agent_list(scope, ALL).await })
        })
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    proxy.set(Network::Silent);
    let since = Instant::now();
    assert!(store.agent_fetch(scope, id).await.is_err());
    assert!(since.elapsed() < patience * 3, "{:?}", since.elapsed());
    proxy.set(Network::Works);
    assert!(store.agent_fetch(scope, id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_ready() {
    let world = World::new(Engine::Postgres).await;
    let DatabaseAddress::Postgres(options) = world.database.address() else {
        panic!("not a server");
    };
    let standby = options.clone().options([("default_transaction_read_only", "on")]);
    let address = DatabaseAddress::Postgres(Box::new(standby));
    let store = SqlStore::open_without_migrating(&address, world.database.folder())
        .await
        .unwrap();
    assert!(store.ping().await.is_err());
    world.store.ping().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_any_more_is_not_ready() {
    let world = World::new(Engine::Sqlite).await;
    world.store.close().await;
    let file = world.directory.path().join("callwright.db");
    let whole = std::fs::read(&file).unwrap();
    let store = SqlStore::open_without_migrating(world.database.address(), world.database.folder())
        .await
        .unwrap();
    store.ping().await.unwrap();
    std::fs::write(&file, vec![7; whole.len()]).unwrap();
    let reopened = SqlStore::open_without_migrating(world.database.address(), world.database.folder()).await;
    let is_ready = match reopened {
        Ok(store) => store.ping().await.is_ok(),
        Err(_) => false,
    };
    assert!(!is_ready);
}

#[tokio::test]
async fn a_full_disk_is_a_failure_and_what_was_acknowledged_stays() {
    let world = World::new(Engine::Sqlite).await;
    let scope = world.tenant().await;
    fill_disk(&world.store, 4).await;
    let mut acknowledged = Vec::new();
    let error = loop {
        match create(&world.store, scope).await {
            Ok(id) => acknowledged.push(id),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 90, "the disk never got full");
    };
    assert!(error.source.to_string().contains("full"), "{error:?}");
    assert!(create(&world.store, scope).await.is_err(), "it is still full");
    assert_kept(&world.store, scope, &acknowledged).await;
    fill_disk(&world.store, 1_000).await;
    acknowledged.push(create(&world.store, scope).await.unwrap());
    world.store.close().await;
    assert_kept(&world.database.open().await, scope, &acknowledged).await;
}

#[tokio::test]
async fn a_file_that_was_moved_away_takes_no_writes_and_is_found_again() {
    let world = World::new(Engine::Sqlite).await;
    let scope = world.tenant().await;
    let before = create(&world.store, scope).await.unwrap();
    let (here, away) = (
        world.directory.path().join("callwright.db"),
        world.directory.path().join("away"),
    );
    std::fs::rename(&here, &away).unwrap();
    // Written into the file that went away, it would be lost to whoever looks here.
    assert!(create(&world.store, scope).await.is_err());
    assert!(world.store.agent_list(scope, ALL).await.is_err());
    assert!(!here.exists(), "no empty database takes its place");
    std::fs::rename(&away, &here).unwrap();
    let after = create(&world.store, scope).await.unwrap();
    assert_kept(&world.store, scope, &[before, after]).await;
}
