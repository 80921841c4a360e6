//! Opening, migrating, reopening, and what lies on the disk.

use std::os::unix::fs::PermissionsExt;

use contract::AgentId;
use domain::{
    Alongside,
    nodes::NodeStore,
    ports::{AgentStore, CallStore, Store, TelephonyStore},
    records::Scope,
};
use store::SqlStore;
use tempfile::TempDir;

use crate::support::{ALL, Engine, TestDatabase, World, call, call_put, trunk, turn};

crate::on_both_engines![
    migrations_run_once_and_are_pending_before,
    nodes_that_start_at_once_migrate_once,
    a_reopened_store_keeps_everything,
    two_processes_can_write_the_same_database,
    reading_goes_on_while_a_write_is_open,
    a_trunk_password_never_lies_on_the_disk_in_clear,
    a_lost_key_is_noticed_when_the_store_opens,
    a_node_with_another_key_does_not_start_and_none_is_made_for_it,
    a_sealed_password_moved_to_another_row_does_not_open,
    nothing_can_belong_to_an_organisation_that_does_not_exist,
    a_read_that_fails_is_named_in_its_failure
];

async fn a_read_that_fails_is_named_in_its_failure(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let (store, agent) = (&world.store, AgentId::new());
    store.close().await;
    let snapshot = store.agent_snapshot(scope, agent).await.unwrap_err();
    let versioned = store.agent_versioned(scope, agent).await.unwrap_err();
    assert_eq!((snapshot.doing, versioned.doing), ("agent_snapshot", "agent_versioned"));
}

async fn a_reopened_store_keeps_everything(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let (agent, trunk) = (world.agent(scope).await, world.trunk(scope).await);
    let call = call(agent.id);
    call_put(&world.store, scope, &call, 10).await.unwrap();
    world
        .store
        .call_turn_append(scope, call.id, 0, &turn("Hello"))
        .await
        .unwrap();
    world.store.close().await;
    assert!(world.store.ping().await.is_err());

    let reopened = world.database.open().await;
    reopened.ping().await.unwrap();
    assert_eq!(reopened.agent_fetch(scope, agent.id).await.unwrap(), Some(agent));
    assert_eq!(reopened.trunk_fetch(scope, trunk.trunk.id).await.unwrap(), Some(trunk));
    assert_eq!(
        reopened.call_transcript(scope, call.id).await.unwrap(),
        Some(vec![turn("Hello")])
    );
    assert_eq!(reopened.calls_unfinished().await.unwrap().len(), 1);
}

async fn migrations_run_once_and_are_pending_before(engine: Engine) {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(engine, directory.path()).await;
    let store = SqlStore::open_without_migrating(database.address(), &directory.path().join("deeper"))
        .await
        .unwrap();
    assert_eq!(store.pending_migrations().await.unwrap()[0], "0001 initial");
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    let name = match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    assert_eq!(store.name(), name);
}

async fn nodes_that_start_at_once_migrate_once(engine: Engine) {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(engine, directory.path()).await;
    let starts = (0..6).map(|_| {
        let (address, folder) = (database.address().clone(), directory.path().to_owned());
        tokio::spawn(async move { SqlStore::open(&address, &folder).await.map(drop) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    let mut outsider = database.outsider().await;
    let twice = "SELECT COUNT(*) - COUNT(DISTINCT version) FROM _sqlx_migrations";
    assert_eq!(outsider.number(twice).await, 0);
    assert!(
        outsider
            .number("SELECT COUNT(*) FROM _sqlx_migrations WHERE success")
            .await
            > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_many_make_at_once_opens_for_all_of_them() {
    for _ in 0..100 {
        let directory = TempDir::new().unwrap();
        let database = TestDatabase::unmigrated(Engine::Sqlite, directory.path()).await;
        let starts = (0..8).map(|_| {
            let (address, folder) = (database.address().clone(), directory.path().to_owned());
            tokio::spawn(async move { SqlStore::open_without_migrating(&address, &folder).await.map(drop) })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap().unwrap();
        }
    }
}

async fn two_processes_can_write_the_same_database(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let other = world.database.open().await;
    let agent = world.agent(scope).await.id;
    let writes = (0..20).map(|turn| {
        let store = if turn % 2 == 0 {
            world.store.clone()
        } else {
            other.clone()
        };
        tokio::spawn(async move { call_put(&store, scope, &call(agent), 100).await.unwrap() })
    });
    for write in writes.collect::<Vec<_>>() {
        assert!(write.await.unwrap());
    }
    assert_eq!(other.calls_unfinished().await.unwrap().len(), 20);
}

async fn reading_goes_on_while_a_write_is_open(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await;
    let mut outsider = world.database.outsider().await;
    outsider.lock_out_writers().await;
    assert_eq!(world.store.agent_fetch(scope, agent.id).await.unwrap(), Some(agent));
    assert_eq!(world.store.agent_list(scope, ALL).await.unwrap().total, 1);
    outsider.let_go().await;
}

#[tokio::test]
async fn the_journal_of_a_file_that_is_always_read_stays_small() {
    let world = World::new(Engine::Sqlite).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await;
    let call = call(agent.id);
    call_put(&world.store, scope, &call, 10).await.unwrap();
    let journals = || {
        let files = std::fs::read_dir(world.directory.path()).unwrap();
        let files = files.map(Result::unwrap);
        let journals = files.filter(|file| file.file_name().to_string_lossy().ends_with("-wal"));
        journals.map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    let mut most = 0;
    for sequence in 0..1500 {
        let said = turn("Nothing is ever written while nobody reads.");
        let kept = world.store.call_turn_append(scope, call.id, sequence, &said).await;
        kept.unwrap();
        assert!(world.store.agent_fetch(scope, agent.id).await.unwrap().is_some());
        most = most.max(journals());
    }
    // SQLite moves it into the file at a thousand pages of 4 KiB.
    assert!((1..8 << 20).contains(&most), "{most} bytes");
}

async fn a_trunk_password_never_lies_on_the_disk_in_clear(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let record = world.trunk(scope).await;
    let password = record.password.clone().unwrap();
    world.store.close().await;
    match engine {
        Engine::Sqlite => {
            for entry in std::fs::read_dir(world.directory.path()).unwrap() {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap();
                let clear = (bytes.windows(password.len())).any(|window| window == password.as_bytes());
                assert!(!clear);
            }
        }
        Engine::Postgres => {
            let hex = (password.bytes()).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let sql = format!(
                "SELECT COUNT(*) FROM trunks WHERE trunks::text LIKE '%{password}%' OR trunks::text LIKE '%{hex}%'"
            );
            assert_eq!(world.database.outsider().await.number(&sql).await, 0);
        }
    }
    let key = std::fs::metadata(world.directory.path().join("secret.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

async fn a_lost_key_is_noticed_when_the_store_opens(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    world.trunk(scope).await;
    world.store.close().await;
    std::fs::remove_file(world.directory.path().join("secret.key")).unwrap();
    let error = SqlStore::open(world.database.address(), world.database.folder())
        .await
        .err()
        .unwrap();
    assert!(error.source.to_string().contains("secret.key"), "{error:?}");
}

async fn a_node_with_another_key_does_not_start_and_none_is_made_for_it(engine: Engine) {
    let world = World::new(engine).await;
    // Nothing is sealed yet, so nothing but the name of the key can tell.
    let elsewhere = TempDir::new().unwrap();
    for _ in 0..2 {
        let error = SqlStore::open(world.database.address(), elsewhere.path())
            .await
            .err()
            .unwrap();
        assert!(error.source.to_string().contains("secret.key"), "{error:?}");
        assert!(!elsewhere.path().join("secret.key").exists());
    }
    std::fs::copy(
        world.directory.path().join("secret.key"),
        elsewhere.path().join("secret.key"),
    )
    .unwrap();
    SqlStore::open(world.database.address(), elsewhere.path())
        .await
        .unwrap();
}

async fn a_sealed_password_moved_to_another_row_does_not_open(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let (one, two) = (world.trunk(scope).await, trunk());
    world
        .store
        .trunk_create(scope, &two, &Alongside::nothing())
        .await
        .unwrap();
    let move_it = "UPDATE trunks SET password_sealed =
        (SELECT password_sealed FROM trunks ORDER BY id LIMIT 1)";
    world.database.outsider().await.run(move_it).await;
    assert!(world.store.trunk_fetch(scope, two.trunk.id).await.is_err());
    assert!(world.store.trunk_fetch(scope, one.trunk.id).await.is_ok());
}

async fn nothing_can_belong_to_an_organisation_that_does_not_exist(engine: Engine) {
    let world = World::new(engine).await;
    let nobody = Scope {
        organization: contract::OrganizationId::new(),
    };
    assert!(
        world
            .store
            .agent_create(nobody, &crate::support::agent(), &Alongside::nothing())
            .await
            .is_err()
    );
    assert!(
        world
            .store
            .trunk_create(nobody, &trunk(), &Alongside::nothing())
            .await
            .is_err()
    );
    assert!(
        call_put(&world.store, nobody, &call(contract::AgentId::new()), 10)
            .await
            .is_err()
    );
}
