//! Moving from `SQLite` to PostgreSQL: all of it arrives, and what did not is noticed.

use std::time::{Duration, Instant};

use contract::{CallStatus, EndReason, LaterFailure, Reason, RequestId};
use domain::{
    change::Answer,
    nodes::NodeStore,
    ports::{AgentStore, CallStore, IdempotencyStore, LimitStore, TelephonyStore},
    records::{CallFilter, KeyClaim, KeyedRequest, Scope},
};
use store::{SqlStore, TableComparison, compare_databases, copy_database};
use tempfile::TempDir;

use crate::support::{ALL, Engine, TestDatabase, World, at, call, call_put, ending, turn};

/// More rows than one statement carries.
const TURNS: u32 = 1_203;

/// So many that work which grows with their square does not end.
const CALLS: u32 = 50_000;
const IN_TIME: Duration = Duration::from_secs(150);

/// A source with rows in every table, and an empty target beside the same `secret.key`.
async fn both() -> (World, Scope, TestDatabase, SqlStore) {
    let source = World::new(Engine::Sqlite).await;
    let scope = source.tenant().await;
    source.voice().await;
    source.number(scope, "+14155550100").await;
    let mut agent = crate::support::agent();
    "Zoë 🎧 \"quoted\" \\ back".clone_into(&mut agent.settings.name);
    agent.last_error = Some(LaterFailure::new(
        Reason::Internal,
        "It broke.",
        serde_json::Map::new(),
        at(0),
    ));
    source
        .store
        .agent_create(scope, &agent, &domain::Alongside::nothing())
        .await
        .unwrap();
    let mut talk = call(agent.id);
    let odd = r#"{"b": 1.0, "a": [1e300, -0.0, 0.1, 9007199254740993], "é": null}"#;
    talk.metadata = serde_json::from_str(odd).unwrap();
    call_put(&source.store, scope, &talk, 10).await.unwrap();
    let mut end = ending(CallStatus::Completed, EndReason::CallerHangup);
    end.turns = (0..TURNS).map(|number| turn(&format!("Turn {number}"))).collect();
    assert!(source.store.call_finish(scope, talk.id, &end).await.unwrap());
    call_put(&source.store, scope, &call(agent.id), 10).await.unwrap();
    source.store.node_begin(uuid::Uuid::now_v7(), at(0)).await.unwrap();
    answered_request(&source.store, scope).await;
    let granted = contract::OrganizationLimits {
        concurrent_calls: Some(3),
        ..Default::default()
    };
    let nothing = domain::Alongside::nothing();
    let present = contract::OrganizationLimits::default();
    let set = source.store.limits_set(scope, &present, &granted, &nothing).await;
    assert!(set.unwrap());
    source.database.outsider().await.run(OTHERS).await;
    let target = TestDatabase::new(Engine::Postgres, source.directory.path()).await;
    let store = target.open().await;
    (source, scope, target, store)
}

/// A row in each table that takes more than one use case to fill. Keys of text in an order that only bytes have.
const OTHERS: &str = r#"
    INSERT INTO members SELECT randomblob(16), id, 'user|1', NULL, 'owner', 1, 2, 3 FROM organizations;
    INSERT INTO failed_requests SELECT randomblob(16), 'server', id, 5, 'GET', '/x', 500, 'internal_error', 'internal',
        12, NULL, '192.0.2.1', 'It broke.', '["a line"]', 0 FROM organizations;
    INSERT INTO billing_accounts (organization_id, available, reserved, sequence, subscription)
        SELECT id, 700, 300, 1, '{"status": "active"}' FROM organizations;
    INSERT INTO ledger_reservations SELECT id, randomblob(16), 1, 300, NULL, 1, NULL FROM organizations;
    INSERT INTO ledger (id, organization_id, sequence, operation, kind, available, reserved, spent, source, balance,
                        balance_reserved, created_at)
        SELECT randomblob(16), id, 1, 'grant:1', 'grant', 1000, 0, 0, -1000, 1000, 0, 9 FROM organizations;
    INSERT INTO billing_customers SELECT 'stripe', 'cus_é', id FROM organizations;
    INSERT INTO billing_purchases SELECT id, 'order-1', 'grant:1', 1000 FROM organizations;
    INSERT INTO billing_events VALUES ('stripe', 'evt_B', 'cus', 1, 2, '{"a": 1}'), ('stripe', 'evt_a', 'cus', 1, 2, NULL),
        ('stripe', 'evt_é', 'cus', 1, 2, NULL), ('stripe', 'evt-C', 'cus', 1, 2, NULL);
"#;

/// A request that was made under an `Idempotency-Key`, and its answer.
async fn answered_request(store: &SqlStore, scope: Scope) {
    let request = KeyedRequest {
        route: "POST /agents".to_owned(),
        key: "order-42".to_owned(),
        hash: [7; 32],
        claim: uuid::Uuid::now_v7(),
        request: RequestId::new(),
        created_at: at(0),
        lease_until: at(60_000),
        answer: None,
    };
    let claimed = store.idempotency_claim(scope, &request, at(-1)).await.unwrap();
    assert_eq!(claimed, KeyClaim::Ours(None));
    let answer = Answer {
        status: 201,
        location: None,
        body: b"{}".to_vec(),
    };
    store.idempotency_answer(scope, request.claim, &answer).await.unwrap();
}

fn differing(compared: &[TableComparison]) -> Vec<&str> {
    let differ = compared.iter().filter(|table| !table.is_equal());
    differ.map(|table| table.table.as_str()).collect()
}

#[tokio::test]
async fn a_copy_holds_all_that_the_source_held() {
    let (source, _, _database, target) = both().await;
    let compared = copy_database(&source.store, &target).await.unwrap();
    assert_eq!(differing(&compared), Vec::<&str>::new(), "{compared:#?}");
    let empty: Vec<_> = (compared.iter().filter(|table| table.rows[0] == 0))
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(empty, Vec::<&str>::new(), "this test must fill every table");
    let turns = compared.iter().find(|table| table.table == "call_turns").unwrap();
    assert_eq!(turns.rows, [u64::from(TURNS); 2]);
}

#[tokio::test]
async fn what_was_copied_is_served_as_before() {
    let (source, scope, _database, target) = both().await;
    copy_database(&source.store, &target).await.unwrap();
    let old = &source.store;
    let numbers = old
        .number_list(scope, domain::records::NumberFilter::default(), ALL)
        .await
        .unwrap();
    assert_eq!(
        target
            .number_list(scope, domain::records::NumberFilter::default(), ALL)
            .await
            .unwrap(),
        numbers
    );
    let agents = old.agent_list(scope, ALL).await.unwrap();
    assert_eq!(
        (agents.total, &target.agent_list(scope, ALL).await.unwrap()),
        (1, &agents)
    );
    let calls = old.call_list(scope, CallFilter::default(), ALL).await.unwrap();
    assert_eq!(calls.total, 2);
    assert_eq!(
        target.call_list(scope, CallFilter::default(), ALL).await.unwrap(),
        calls
    );
    let trunks = target.trunk_list(scope, ALL).await.unwrap();
    assert_eq!(
        trunks.items[0].password.as_deref(),
        Some("correct horse battery staple"),
        "sealed secrets open with the same key"
    );
    target
        .agent_create(scope, &crate::support::agent(), &domain::Alongside::nothing())
        .await
        .unwrap();
    assert_eq!(
        target.agent_list(scope, ALL).await.unwrap().total,
        2,
        "and life goes on"
    );
}

#[tokio::test]
async fn a_row_that_changed_afterwards_is_noticed() {
    let (source, _, database, target) = both().await;
    copy_database(&source.store, &target).await.unwrap();
    let again = compare_databases(&source.store, &target).await.unwrap();
    assert_eq!(differing(&again), Vec::<&str>::new());
    let mut outsider = database.outsider().await;
    for (change, table) in [
        (
            "UPDATE call_turns SET text = text || '.' WHERE turn_index = 700",
            "call_turns",
        ),
        (
            "UPDATE agents SET settings = jsonb_set(settings, '{temperature}', '0.71')",
            "agents",
        ),
        ("UPDATE organizations SET created_at = created_at + 1", "organizations"),
        ("UPDATE trunks SET register = NOT register", "trunks"),
        ("UPDATE numbers SET label = NULL", "numbers"),
        ("DELETE FROM voices", "voices"),
    ] {
        outsider.run("BEGIN").await;
        outsider.run(change).await;
        outsider.run("COMMIT").await;
        let compared = compare_databases(&source.store, &target).await.unwrap();
        assert!(differing(&compared).contains(&table), "{change}: {compared:#?}");
    }
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_left_as_it_is() {
    let (source, _, database, target) = both().await;
    let mut outsider = database.outsider().await;
    let insert = "INSERT INTO organizations VALUES (gen_random_uuid(), 'Another', 0)";
    outsider.run(insert).await;
    let error = copy_database(&source.store, &target).await.unwrap_err();
    assert!(error.source.to_string().contains("not empty"), "{error:?}");
    assert_eq!(outsider.number("SELECT COUNT(*) FROM organizations").await, 1);
    assert_eq!(outsider.number("SELECT COUNT(*) FROM calls").await, 0);
}

#[tokio::test]
async fn another_secret_key_is_refused_before_anything_is_copied() {
    let (source, _, database, target) = both().await;
    let elsewhere = TempDir::new().unwrap();
    let stranger = SqlStore::open_without_migrating(source.database.address(), elsewhere.path())
        .await
        .unwrap();
    let error = copy_database(&stranger, &target).await.unwrap_err();
    assert!(format!("{:?}", error.source).contains("secret.key"), "{error:?}");
    let left = database
        .outsider()
        .await
        .number("SELECT COUNT(*) FROM organizations")
        .await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_table_that_only_one_side_knows_is_refused_by_name() {
    let (source, _, _database, target) = both().await;
    let mut outsider = source.database.outsider().await;
    outsider
        .run("CREATE TABLE forgotten (id BLOB NOT NULL PRIMARY KEY) STRICT")
        .await;
    let error = copy_database(&source.store, &target).await.unwrap_err();
    assert!(error.source.to_string().contains("forgotten"), "{error:?}");
}

#[tokio::test]
async fn a_target_without_its_schema_is_refused() {
    let (source, ..) = both().await;
    let folder = source.directory.path();
    let database = TestDatabase::unmigrated(Engine::Postgres, folder).await;
    let bare = SqlStore::open_without_migrating(database.address(), folder)
        .await
        .unwrap();
    let error = copy_database(&source.store, &bare).await.unwrap_err();
    assert!(error.source.to_string().contains("callwright migrate"), "{error:?}");
}

#[tokio::test]
async fn many_calls_take_time_in_proportion_and_their_totals_arrive() {
    let (source, scope, _database, target) = both().await;
    let multiply = format!(
        "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {CALLS})
         INSERT INTO calls (id, organization_id, agent_id, status, direction, started_at, ended_at, recorded, metrics,
                            variables, metadata, dtmf)
         SELECT randomblob(16), organization_id, agent_id, 'failed', direction, n, n, FALSE, metrics, variables,
                metadata, dtmf
         FROM counted, (SELECT * FROM calls LIMIT 1)"
    );
    let mut outsider = source.database.outsider().await;
    outsider.run("PRAGMA synchronous = OFF").await;
    outsider.run(&multiply).await;
    let began = Instant::now();
    let compared = copy_database(&source.store, &target).await.unwrap();
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    assert_eq!(differing(&compared), Vec::<&str>::new());
    let failed = CallFilter {
        status: Some(CallStatus::Failed),
        ..CallFilter::default()
    };
    let total = async || target.call_list(scope, failed, ALL).await.unwrap().total;
    assert_eq!(total().await, u64::from(CALLS));
    let one = target.call_list(scope, failed, ALL).await.unwrap().items.remove(0);
    let deleted = target.call_delete(scope, one.id, &domain::Alongside::nothing()).await;
    assert!(deleted.unwrap());
    assert_eq!(total().await, u64::from(CALLS) - 1, "and are kept as before");
}

#[tokio::test]
async fn a_character_that_only_an_older_release_kept_does_not_end_in_a_difference() {
    let (source, scope, _database, target) = both().await;
    let mut outsider = source.database.outsider().await;
    outsider
        .run("UPDATE call_turns SET text = 'a' || char(0) || 'b' WHERE turn_index = 7")
        .await;
    let compared = copy_database(&source.store, &target).await.unwrap();
    assert_eq!(differing(&compared), Vec::<&str>::new());
    let calls = target.call_list(scope, CallFilter::default(), ALL).await.unwrap().items;
    let transcribed = calls.iter().find(|call| call.transcript_url.is_some()).unwrap();
    let turns = target.call_transcript(scope, transcribed.id).await.unwrap().unwrap();
    assert_eq!(turns[7].text, "a\u{fffd}b");
}
