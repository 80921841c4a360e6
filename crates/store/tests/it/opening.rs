//! Opening, migrating, reopening, and what lies on the disk.

use std::os::unix::fs::PermissionsExt;

use domain::{
    ports::{AgentStore, CallStore, Store, TelephonyStore},
    records::Scope,
};
use store::SqliteStore;
use tempfile::TempDir;

use crate::support::{World, call, trunk, turn};

#[tokio::test]
async fn a_reopened_store_keeps_everything() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let (agent, trunk) = (world.agent(scope).await, world.trunk(scope).await);
    let call = call(agent.id);
    world.store.call_create(scope, &call, 10).await.unwrap();
    world
        .store
        .call_turn_append(scope, call.id, 0, &turn("Hello"))
        .await
        .unwrap();
    world.store.close().await;
    assert!(world.store.ping().await.is_err());

    let reopened = SqliteStore::open(world.database()).await.unwrap();
    reopened.ping().await.unwrap();
    assert_eq!(reopened.agent_fetch(scope, agent.id).await.unwrap(), Some(agent));
    assert_eq!(reopened.trunk_fetch(scope, trunk.trunk.id).await.unwrap(), Some(trunk));
    assert_eq!(
        reopened.call_transcript(scope, call.id).await.unwrap(),
        Some(vec![turn("Hello")])
    );
    assert_eq!(reopened.calls_unfinished().await.unwrap().len(), 1);
}

#[tokio::test]
async fn migrations_run_once_and_are_pending_before() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("deeper").join("callwright.db");
    let store = SqliteStore::open_without_migrating(&path).await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), ["0001 initial"]);
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert_eq!(store.name(), "sqlite");
}

#[tokio::test]
async fn two_processes_can_write_the_same_database() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let other = SqliteStore::open(world.database()).await.unwrap();
    let agent = world.agent(scope).await.id;
    let writes = (0..20).map(|turn| {
        let store = if turn % 2 == 0 {
            world.store.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move { store.call_create(scope, &call(agent), 100).await.unwrap() })
    });
    for write in writes.collect::<Vec<_>>() {
        assert!(write.await.unwrap());
    }
    assert_eq!(other.calls_unfinished().await.unwrap().len(), 20);
}

#[tokio::test]
async fn reading_goes_on_while_a_write_is_open() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await;
    let outsider = sqlx::SqlitePool::connect(&format!("sqlite://{}", world.database().display()))
        .await
        .unwrap();
    let open = outsider.begin_with("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(world.store.agent_fetch(scope, agent.id).await.unwrap(), Some(agent));
    open.rollback().await.unwrap();
}

#[tokio::test]
async fn a_trunk_password_never_lies_on_the_disk_in_clear() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let record = world.trunk(scope).await;
    let password = record.password.clone().unwrap();
    world.store.close().await;
    for entry in std::fs::read_dir(world.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !bytes
                .windows(password.len())
                .any(|window| window == password.as_bytes())
        );
    }
    let key = std::fs::metadata(world.directory.path().join("secret.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_lost_key_is_noticed_when_the_store_opens() {
    let world = World::new().await;
    let scope = world.tenant().await;
    world.trunk(scope).await;
    world.store.close().await;
    std::fs::remove_file(world.directory.path().join("secret.key")).unwrap();
    let error = SqliteStore::open(world.database()).await.err().unwrap();
    assert!(error.source.to_string().contains("secret.key"), "{error:?}");
}

#[tokio::test]
async fn a_sealed_password_moved_to_another_row_does_not_open() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let (one, two) = (world.trunk(scope).await, trunk());
    world.store.trunk_create(scope, &two).await.unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", world.database().display()))
        .await
        .unwrap();
    sqlx::query("UPDATE trunks SET password_sealed = (SELECT password_sealed FROM trunks WHERE id = ?1) WHERE id = ?2")
        .bind(one.trunk.id.0)
        .bind(two.trunk.id.0)
        .execute(&pool)
        .await
        .unwrap();
    assert!(world.store.trunk_fetch(scope, two.trunk.id).await.is_err());
    assert!(world.store.trunk_fetch(scope, one.trunk.id).await.is_ok());
}

#[tokio::test]
async fn nothing_can_belong_to_an_organisation_that_does_not_exist() {
    let world = World::new().await;
    let nobody = Scope {
        organization: contract::OrganizationId::new(),
    };
    assert!(
        world
            .store
            .agent_create(nobody, &crate::support::agent())
            .await
            .is_err()
    );
    assert!(world.store.trunk_create(nobody, &trunk()).await.is_err());
    assert!(
        world
            .store
            .call_create(nobody, &call(contract::AgentId::new()), 10)
            .await
            .is_err()
    );
}
