//! A release beside the next one, on the same database.

use std::time::Duration;

use domain::{
    Alongside,
    billing::BillingStore,
    nodes::NodeStore,
    ports::{AgentStore, AuditStore, CallStore, MemberStore, OrganizationStore, TelephonyStore, VoiceStore},
    records::{AuditFilter, CallFilter, NumberFilter, Scope, Version},
    requests::{RequestFilter, RequestStore},
};
use store::{SqlStore, testing::Outsider};
use tempfile::TempDir;

use crate::support::{ALL, Engine, TestDatabase, World, agent, call, call_put, organization};

crate::on_both_engines![
    statements_go_on_after_a_column_was_added,
    a_release_opens_the_schema_of_a_later_one,
    a_migration_that_failed_leaves_nothing_and_is_tried_again,
    a_database_of_the_first_release_is_brought_up_to_date_with_its_rows,
];

/// Reads and writes of every table that requests touch.
async fn touch(store: &SqlStore, scope: Scope, prefix: &str) {
    assert!(store.key_by_prefix(prefix).await.unwrap().is_some());
    assert_eq!(store.key_list(scope, ALL).await.unwrap().total, 1);
    assert!(store.organization_fetch(scope).await.unwrap().is_some());
    store.organization_list().await.unwrap();
    store.organization_page(ALL).await.unwrap();
    let agents = store.agent_list(scope, ALL).await.unwrap().items;
    let agent = store.agent_versioned(scope, agents[0].id).await.unwrap().unwrap();
    let nothing = Alongside::nothing();
    let changed = store.agent_update(scope, &agent.record, agent.version, &nothing).await;
    assert!(changed.unwrap());
    let calls = store.call_list(scope, CallFilter::default(), ALL).await.unwrap().items;
    assert!(store.call_fetch(scope, calls[0].id).await.unwrap().is_some());
    store.call_transcript(scope, calls[0].id).await.unwrap();
    store.calls_unfinished().await.unwrap();
    store.number_list(scope, NumberFilter::default(), ALL).await.unwrap();
    assert!(store.number_by_phone("+14155550100").await.unwrap().is_some());
    assert_eq!(store.trunk_list(scope, ALL).await.unwrap().total, 1);
    store.voice_list(scope, ALL).await.unwrap();
    store.member_list(scope, ALL).await.unwrap();
    store.audit_list(scope, AuditFilter::default(), ALL).await.unwrap();
    store.request_list(scope, &RequestFilter::default(), ALL).await.unwrap();
    store.billing_account(scope).await.unwrap();
    store.ledger_list(scope, ALL).await.unwrap();
}

async fn statements_go_on_after_a_column_was_added(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await;
    call_put(&world.store, scope, &call(agent.id), 10).await.unwrap();
    world.number(scope, "+14155550100").await;
    let key = world.store.key_list(scope, ALL).await.unwrap().items.remove(0);
    for _ in 0..2 {
        touch(&world.store, scope, &key.prefix).await;
    }
    let mut outsider = world.database.outsider().await;
    for table in [
        "agents",
        "api_keys",
        "audit_log",
        "billing_accounts",
        "call_turns",
        "calls",
        "failed_requests",
        "ledger",
        "members",
        "numbers",
        "organizations",
        "trunks",
        "voices",
    ] {
        outsider
            .run(&format!("ALTER TABLE {table} ADD COLUMN later TEXT"))
            .await;
    }
    for _ in 0..2 {
        touch(&world.store, scope, &key.prefix).await;
    }
}

#[test]
fn no_statement_asks_for_whatever_columns_there_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/repositories");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for asked in ["SELECT *", "\"*", ".*", "RETURNING *"] {
            assert!(!source.contains(asked), "{} says {asked}", path.display());
        }
    }
}

async fn note(outsider: &mut Outsider, version: i64) {
    let empty = match outsider {
        Outsider::Sqlite(_) => "x''",
        Outsider::Postgres(_) => "''",
    };
    let note = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES ({version}, 'of the next release', TRUE, {empty}, 1)"
    );
    outsider.run(&note).await;
}

async fn a_release_opens_the_schema_of_a_later_one(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    world.store.close().await;
    note(&mut world.database.outsider().await, 9999).await;
    let store = world.database.open().await;
    store
        .agent_create(scope, &agent(), &Alongside::nothing())
        .await
        .unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
}

async fn a_migration_that_failed_leaves_nothing_and_is_tried_again(engine: Engine) {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(engine, directory.path()).await;
    database.migrate_to(3).await;
    let mut outsider = database.outsider().await;
    outsider.run("CREATE TABLE usage_days (in_the_way INTEGER)").await;
    assert!(SqlStore::open(database.address(), database.folder()).await.is_err());
    let left = match engine {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'billing_accounts'",
        Engine::Postgres => {
            "SELECT COUNT(*) FROM pg_tables
                             WHERE tablename = 'billing_accounts' AND schemaname = current_schema()"
        }
    };
    assert_eq!(
        outsider.number(left).await,
        0,
        "what the migration did before it failed"
    );
    outsider.run("DROP TABLE usage_days").await;
    let store = database.open().await;
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
}

/// As the first release wrote them.
const ROWS: [&str; 4] = [
    "INSERT INTO organizations (id, name, created_at) VALUES (ID1, 'Tenant', 1)",
    "INSERT INTO api_keys (id, organization_id, name, prefix, hash, scopes, created_at)
     VALUES (ID2, ID1, 'Key', 'abcdefgh', HASH, '[\"read\"]', 1)",
    "INSERT INTO agents (id, organization_id, settings, created_at, updated_at) VALUES (ID3, ID1, 'SETTINGS', 1, 1)",
    "INSERT INTO calls (id, organization_id, agent_id, status, direction, started_at, ended_at, recorded, metrics,
                        variables, metadata, dtmf)
     VALUES (ID4, ID1, ID3, 'completed', 'inbound', 1, 2, FALSE, '{\"turns\": []}', '{}', '{}', ''),
            (ID5, ID1, ID3, 'failed', 'outbound', 1, 2, FALSE, '{\"turns\": []}', '{}', '{}', '')",
];

async fn a_database_of_the_first_release_is_brought_up_to_date_with_its_rows(engine: Engine) {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(engine, directory.path()).await;
    database.migrate_to(1).await;
    let ids = [(); 5].map(|()| uuid::Uuid::now_v7());
    let blob = |hex: &str| match engine {
        Engine::Sqlite => format!("x'{hex}'"),
        Engine::Postgres => format!("decode('{hex}', 'hex')"),
    };
    let mut outsider = database.outsider().await;
    let settings = serde_json::to_string(&agent().settings).unwrap().replace('\'', "''");
    for row in ROWS {
        let mut row = row
            .replace("HASH", &blob(&"07".repeat(32)))
            .replace("SETTINGS", &settings);
        for (number, id) in ids.iter().enumerate() {
            let id = match engine {
                Engine::Sqlite => blob(&id.simple().to_string()),
                Engine::Postgres => format!("'{id}'"),
            };
            row = row.replace(&format!("ID{}", number + 1), &id);
        }
        outsider.run(&row).await;
    }
    let store = database.open().await;
    let scope = Scope {
        organization: contract::OrganizationId(ids[0]),
    };
    let agents = store.agent_list(scope, ALL).await.unwrap();
    assert_eq!((agents.total, agents.items.len()), (1, 1));
    let calls = store.call_list(scope, CallFilter::default(), ALL).await.unwrap();
    assert_eq!((calls.total, calls.items.len()), (2, 2));
    let of_agent = CallFilter {
        agent: Some(contract::AgentId(ids[2])),
        status: Some(contract::CallStatus::Failed),
        direction: None,
    };
    assert_eq!(store.call_list(scope, of_agent, ALL).await.unwrap().total, 1);
    let key = store.key_by_prefix("abcdefgh").await.unwrap().unwrap().key.clone();
    assert!(key.ip_allowlist.is_empty(), "an old key is good from anywhere");
    let agent = store
        .agent_versioned(scope, contract::AgentId(ids[2]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(agent.version, Version(1));
    assert_eq!(
        store.organization_fetch(scope).await.unwrap().unwrap().record.name,
        "Tenant"
    );
}

#[tokio::test]
async fn a_migration_behind_a_backup_lets_others_pass_and_waits_for_its_end() {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(Engine::Postgres, directory.path()).await;
    database.migrate_to(2).await;
    // A backup reads each table in a transaction that lasts until its end.
    let mut backup = database.outsider().await;
    backup.run("BEGIN; SELECT COUNT(*) FROM api_keys").await;
    let (address, folder) = (database.address().clone(), database.folder().to_owned());
    let start = tokio::spawn(async move { SqlStore::open(&address, &folder).await });
    let mut beside = database.outsider().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!start.is_finished());
    // A write of an older node waits behind the migration, but not for the backup.
    let row = organization();
    let id = row.id.0;
    beside.run("SET statement_timeout = '5s'").await;
    beside
        .run(&format!(
            "INSERT INTO organizations (id, name, created_at) VALUES ('{id}', 'x', 1)"
        ))
        .await;
    assert_eq!(beside.number("SELECT COUNT(*) FROM api_keys").await, 0);
    assert!(!start.is_finished());
    backup.let_go().await;
    let store = start.await.unwrap().unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_index_whose_build_was_broken_off_is_built_again() {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::unmigrated(Engine::Postgres, directory.path()).await;
    database.migrate_to(8).await;
    let mut outsider = database.outsider().await;
    outsider
        .run("CREATE INDEX calls_by_status ON calls (organization_id)")
        .await;
    outsider
        .run("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'calls_by_status'::regclass")
        .await;
    database.open().await;
    let valid = "SELECT COUNT(*) FROM pg_index WHERE indexrelid = 'calls_by_status'::regclass AND indisvalid
                 AND indnatts = 3";
    assert_eq!(outsider.number(valid).await, 1);
}
