//! Keys: who is let in, and who is not.

use std::{os::unix::fs::symlink, sync::Arc, time::Duration};

use contract::{ApiKeyCreate, FieldReason, KeyScope};
use domain::{
    Alongside, Change,
    keys::{AuthenticationError, Caller, Keys, Refusal, Who},
    ports::{Clock, OrganizationStore},
    records::Scope,
};
use store::SqlStore;
use tempfile::TempDir;

use crate::support::{ALL, Engine, World, faults, missing, organization};

crate::on_both_engines![
    the_first_key_may_do_everything_in_its_organisation,
    a_wrong_secret_an_unknown_prefix_and_no_key_at_all_are_refused,
    revoked_and_expired_keys_are_refused_by_name,
    a_higher_scope_includes_the_lower,
    a_key_that_another_process_changes_is_read_again,
    all_faults_of_a_new_key_are_told_at_once,
    the_last_use_is_noted_once_a_minute,
    an_organisation_is_made_with_its_key_or_not_at_all
];

fn refusal(outcome: Result<Caller, AuthenticationError>) -> Refusal {
    match outcome.unwrap_err() {
        AuthenticationError::Refused { refusal, .. } => refusal,
        error => panic!("{error:?}"),
    }
}

fn key(scopes: &[KeyScope]) -> ApiKeyCreate {
    ApiKeyCreate::named("k", scopes.to_vec())
}

async fn the_first_key_may_do_everything_in_its_organisation(engine: Engine) {
    let world = World::new(engine).await;
    let (organization, key) = world.keys.organization_create("Tenant").await.unwrap();
    let caller = world.keys.authenticate(&key).await.unwrap();
    assert_eq!(
        caller.scope,
        Scope {
            organization: organization.id
        }
    );
    let Who::Key { scopes, .. } = caller.who else {
        panic!("a key");
    };
    assert_eq!(scopes, [KeyScope::Read, KeyScope::Write, KeyScope::Admin]);
    assert_eq!(world.keys.organization_list().await.unwrap(), [organization]);
}

async fn a_wrong_secret_an_unknown_prefix_and_no_key_at_all_are_refused(engine: Engine) {
    let world = World::new(engine).await;
    let (_, key) = world.keys.organization_create("Tenant").await.unwrap();
    let last = if key.ends_with('a') { 'b' } else { 'a' };
    let wrong_secret = format!("{}{last}", &key[..key.len() - 1]);
    assert_eq!(refusal(world.keys.authenticate(&wrong_secret).await), Refusal::Invalid);
    let unknown = format!("cw_{}", "a".repeat(40));
    assert_eq!(refusal(world.keys.authenticate(&unknown).await), Refusal::Invalid);
    for malformed in ["", "cw_", "sk_live_123", &key[..20], &format!("{key}a"), "cw_\0\u{e9}"] {
        assert_eq!(
            refusal(world.keys.authenticate(malformed).await),
            Refusal::Malformed,
            "{malformed}"
        );
    }
}

async fn revoked_and_expired_keys_are_refused_by_name(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let mut create = key(&[KeyScope::Read]);
    create.expires_at = Some(contract::Timestamp::from_millis(world.clock.now().millis() + 1_000));
    let expiring = world.keys.key_create(&Change::by_system(scope), create).await.unwrap();
    world.keys.authenticate(&expiring.key).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(world.keys.authenticate(&expiring.key).await), Refusal::Expired);

    let revoked = world
        .keys
        .key_create(&Change::by_system(scope), key(&[KeyScope::Read]))
        .await
        .unwrap();
    let id = revoked.record.id.to_string();
    world.keys.key_revoke(&Change::by_system(scope), &id).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.keys.key_revoke(&Change::by_system(scope), &id).await.unwrap();
    assert_eq!(refusal(world.keys.authenticate(&revoked.key).await), Refusal::Revoked);
    let listed = world.keys.key_list(scope, ALL).await.unwrap().items.remove(0);
    assert_eq!(
        listed.revoked_at.unwrap().millis(),
        world.clock.now().millis() - 1_000,
        "the first revocation stays"
    );
    for unknown in ["nonsense", &contract::ApiKeyId::new().to_string()] {
        assert_eq!(
            missing(world.keys.key_revoke(&Change::by_system(scope), unknown).await),
            ("api_key", None)
        );
    }
}

async fn a_higher_scope_includes_the_lower(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let created = world
        .keys
        .key_create(&Change::by_system(scope), key(&[KeyScope::Write]))
        .await
        .unwrap();
    let caller = world.keys.authenticate(&created.key).await.unwrap();
    let allowed = [KeyScope::Read, KeyScope::Write, KeyScope::Admin].map(|needed| caller.may(needed));
    assert_eq!(allowed, [true, true, false]);
}

async fn all_faults_of_a_new_key_are_told_at_once(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let mut create = key(&[KeyScope::Read, KeyScope::Read]);
    create.expires_at = Some(world.clock.now());
    let expected = [
        ("/scopes/1", FieldReason::Duplicate),
        ("/expires_at", FieldReason::OutOfRange),
    ];
    let told = faults(world.keys.key_create(&Change::by_system(scope), create).await);
    assert_eq!(told, expected.map(|(pointer, reason)| (pointer.to_owned(), reason)));
    let told = faults(world.keys.key_create(&Change::by_system(scope), key(&[])).await);
    assert_eq!(told, [("/scopes".to_owned(), FieldReason::TooShort)]);
    let told = faults(world.keys.organization_create("").await);
    assert_eq!(told, [("/name".to_owned(), FieldReason::TooShort)]);
}

async fn the_last_use_is_noted_once_a_minute(engine: Engine) {
    let world = World::new(engine).await;
    let (organization, key) = world.keys.organization_create("Tenant").await.unwrap();
    let scope = Scope {
        organization: organization.id,
    };
    let first = world.clock.now();
    use_key(&world, &key).await;
    used_at(&world, scope, first).await;
    world.clock.advance(Duration::from_secs(59));
    use_key(&world, &key).await;
    world.clock.advance(Duration::from_secs(1));
    let second = world.clock.now();
    use_key(&world, &key).await;
    used_at(&world, scope, second).await;
}

/// Gets in with a key.
async fn use_key(world: &World, key: &str) {
    let caller = world.keys.authenticate(key).await.unwrap();
    world.keys.note_use(&caller);
}

/// Waits for the note, which is written beside the request, and sees that it is this one and no other.
async fn used_at(world: &World, scope: Scope, expected: contract::Timestamp) {
    let before = contract::Timestamp::from_millis(expected.millis() - 60_000);
    let noted = async {
        loop {
            let used = world.store.key_list(scope, ALL).await.unwrap().items[0].last_used_at;
            if used.is_some_and(|used| used > before) {
                return used.unwrap();
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(10), noted).await.unwrap(),
        expected
    );
}

/// What is remembered of a key lasts for as long as nobody writes, through whichever connection.
async fn a_key_that_another_process_changes_is_read_again(engine: Engine) {
    let world = World::new(engine).await;
    let (organization, key) = world.keys.organization_create("Tenant").await.unwrap();
    let scope = Scope {
        organization: organization.id,
    };
    let another = world.database.open().await;
    for name in ["one", "two", "three"] {
        let before = world.store.key_by_prefix(&key[..15]).await.unwrap().unwrap();
        let remembered = world.store.key_by_prefix(&key[..15]).await.unwrap().unwrap();
        assert_eq!(remembered.key.name, before.key.name);
        let found = another.key_versioned(scope, before.key.id).await.unwrap().unwrap();
        let changed = contract::ApiKey {
            name: name.to_owned(),
            ..found.record
        };
        let with = Alongside::nothing();
        assert!(another.key_update(scope, &changed, found.version, &with).await.unwrap());
        let after = world.store.key_by_prefix(&key[..15]).await.unwrap().unwrap();
        assert_eq!(after.key.name, name);
    }
    another.close().await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_also_where_the_path_is_a_link_with_an_old_index_beside_it() {
    let world = World::new(Engine::Sqlite).await;
    let change = Change::by_system(world.tenant().await);
    let created = world.keys.key_create(&change, key(&[KeyScope::Read])).await.unwrap();
    let elsewhere = TempDir::new().unwrap();
    let link = elsewhere.path().join("callwright.db");
    symlink(world.directory.path().join("callwright.db"), &link).unwrap();
    // As it is left by who crashed here before the file was moved.
    std::fs::write(elsewhere.path().join("callwright.db-shm"), [1; 1024]).unwrap();
    let store = SqlStore::open(&link.as_path().into(), world.database.folder()).await;
    let keys = Keys::new(Arc::new(store.unwrap()), world.clock.clone());
    keys.authenticate(&created.key).await.unwrap();
    let id = created.record.id.to_string();
    world.keys.key_revoke(&change, &id).await.unwrap();
    assert_eq!(refusal(keys.authenticate(&created.key).await), Refusal::Revoked);
}

async fn an_organisation_is_made_with_its_key_or_not_at_all(engine: Engine) {
    let world = World::new(engine).await;
    let (_, first) = world.keys.organization_create("Tenant").await.unwrap();
    let taken = world.store.key_by_prefix(&first[..15]).await.unwrap().unwrap();
    assert!(
        world
            .store
            .organization_create(&organization(), &taken, &Alongside::nothing())
            .await
            .is_err()
    );
    assert_eq!(world.store.organization_list().await.unwrap().len(), 1);
}
