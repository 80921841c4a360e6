//! Keys: who is let in, and who is not.

use std::time::Duration;

use contract::{ApiKeyCreate, FieldReason, KeyScope};
use domain::{
    keys::{AuthenticationError, Caller, KeyRefusal},
    ports::{Clock, OrganizationStore},
    records::Scope,
};

use crate::support::{ALL, World, faults, missing, organization};

fn refusal(outcome: Result<Caller, AuthenticationError>) -> KeyRefusal {
    match outcome.unwrap_err() {
        AuthenticationError::Refused(refusal) => refusal,
        AuthenticationError::Store(error) => panic!("{error:?}"),
    }
}

fn key(scopes: &[KeyScope]) -> ApiKeyCreate {
    ApiKeyCreate {
        name: "k".to_owned(),
        scopes: scopes.to_vec(),
        expires_at: None,
    }
}

#[tokio::test]
async fn the_first_key_may_do_everything_in_its_organisation() {
    let world = World::new().await;
    let (organization, key) = world.keys.organization_create("Tenant").await.unwrap();
    let caller = world.keys.authenticate(&key).await.unwrap();
    assert_eq!(
        caller.scope,
        Scope {
            organization: organization.id
        }
    );
    assert_eq!(caller.scopes, [KeyScope::Read, KeyScope::Write, KeyScope::Admin]);
    assert_eq!(world.keys.organization_list().await.unwrap(), [organization]);
}

#[tokio::test]
async fn a_wrong_secret_an_unknown_prefix_and_no_key_at_all_are_refused() {
    let world = World::new().await;
    let (_, key) = world.keys.organization_create("Tenant").await.unwrap();
    let last = if key.ends_with('a') { 'b' } else { 'a' };
    let wrong_secret = format!("{}{last}", &key[..key.len() - 1]);
    assert_eq!(
        refusal(world.keys.authenticate(&wrong_secret).await),
        KeyRefusal::Invalid
    );
    let unknown = format!("cw_{}", "a".repeat(40));
    assert_eq!(refusal(world.keys.authenticate(&unknown).await), KeyRefusal::Invalid);
    for malformed in ["", "cw_", "sk_live_123", &key[..20], &format!("{key}a"), "cw_\0\u{e9}"] {
        assert_eq!(
            refusal(world.keys.authenticate(malformed).await),
            KeyRefusal::Malformed,
            "{malformed}"
        );
    }
}

#[tokio::test]
async fn revoked_and_expired_keys_are_refused_by_name() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let mut create = key(&[KeyScope::Read]);
    create.expires_at = Some(contract::Timestamp::from_millis(world.clock.now().millis() + 1_000));
    let expiring = world.keys.key_create(scope, create).await.unwrap();
    world.keys.authenticate(&expiring.key).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        refusal(world.keys.authenticate(&expiring.key).await),
        KeyRefusal::Expired
    );

    let revoked = world.keys.key_create(scope, key(&[KeyScope::Read])).await.unwrap();
    let id = revoked.record.id.to_string();
    world.keys.key_revoke(scope, &id).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.keys.key_revoke(scope, &id).await.unwrap();
    assert_eq!(
        refusal(world.keys.authenticate(&revoked.key).await),
        KeyRefusal::Revoked
    );
    let listed = world.keys.key_list(scope, ALL).await.unwrap().items.remove(0);
    assert_eq!(
        listed.revoked_at.unwrap().millis(),
        world.clock.now().millis() - 1_000,
        "the first revocation stays"
    );
    for unknown in ["nonsense", &contract::ApiKeyId::new().to_string()] {
        assert_eq!(missing(world.keys.key_revoke(scope, unknown).await), ("api_key", None));
    }
}

#[tokio::test]
async fn a_higher_scope_includes_the_lower() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let created = world.keys.key_create(scope, key(&[KeyScope::Write])).await.unwrap();
    let caller = world.keys.authenticate(&created.key).await.unwrap();
    let allowed = [KeyScope::Read, KeyScope::Write, KeyScope::Admin].map(|needed| caller.may(needed));
    assert_eq!(allowed, [true, true, false]);
}

#[tokio::test]
async fn all_faults_of_a_new_key_are_told_at_once() {
    let world = World::new().await;
    let scope = world.tenant().await;
    let mut create = key(&[KeyScope::Read, KeyScope::Read]);
    create.expires_at = Some(world.clock.now());
    let expected = [
        ("/scopes/1", FieldReason::Duplicate),
        ("/expires_at", FieldReason::OutOfRange),
    ];
    let told = faults(world.keys.key_create(scope, create).await);
    assert_eq!(told, expected.map(|(pointer, reason)| (pointer.to_owned(), reason)));
    let told = faults(world.keys.key_create(scope, key(&[])).await);
    assert_eq!(told, [("/scopes".to_owned(), FieldReason::TooShort)]);
    let told = faults(world.keys.organization_create("").await);
    assert_eq!(told, [("/name".to_owned(), FieldReason::TooShort)]);
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let world = World::new().await;
    let (organization, key) = world.keys.organization_create("Tenant").await.unwrap();
    let scope = Scope {
        organization: organization.id,
    };
    let first = world.clock.now();
    world.keys.authenticate(&key).await.unwrap();
    used_at(&world, scope, first).await;
    world.clock.advance(Duration::from_secs(59));
    world.keys.authenticate(&key).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let second = world.clock.now();
    world.keys.authenticate(&key).await.unwrap();
    used_at(&world, scope, second).await;
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

#[tokio::test]
async fn an_organisation_is_made_with_its_key_or_not_at_all() {
    let world = World::new().await;
    let (_, first) = world.keys.organization_create("Tenant").await.unwrap();
    let taken = world.store.key_by_prefix(&first[..15]).await.unwrap().unwrap();
    assert!(world.store.organization_create(&organization(), &taken).await.is_err());
    assert_eq!(world.store.organization_list().await.unwrap().len(), 1);
}
