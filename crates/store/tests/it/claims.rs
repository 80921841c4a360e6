//! Claims of idempotency keys: one effect for each, whoever dies when.

use contract::{RequestId, Timestamp};
use domain::{
    Alongside,
    change::{Answer, Effect},
    ports::{AgentStore, IdempotencyStore},
    records::{KeyClaim, KeyedRequest, Scope},
};
use uuid::Uuid;

use crate::support::{ALL, Engine, World, agent, at};

crate::on_both_engines![
    of_many_claims_at_once_one_stands,
    a_claim_that_ran_out_goes_to_the_next_and_has_no_effect_any_more,
    what_was_made_before_the_end_is_told_to_the_next,
    an_answer_is_kept_for_its_time_and_sealed,
];

const LEASE_MS: i64 = 60_000;

fn request(created_at: Timestamp) -> KeyedRequest {
    KeyedRequest {
        route: "POST /agents".to_owned(),
        key: "order-42".to_owned(),
        hash: [7; 32],
        claim: Uuid::now_v7(),
        request: RequestId::new(),
        created_at,
        lease_until: Timestamp::from_millis(created_at.millis() + LEASE_MS),
        answer: None,
    }
}

/// What a change under that claim writes beside its record.
fn effect(scope: Scope, claim: Uuid, answer: Option<Answer>) -> Alongside {
    Alongside {
        audit: None,
        effect: Some(Effect {
            scope,
            claim,
            resource_id: "made".to_owned(),
            answer,
        }),
    }
}

fn answer() -> Answer {
    Answer {
        status: 201,
        location: Some("/agents/made".to_owned()),
        body: b"{\"data\":\"MARKER\"}".to_vec(),
    }
}

async fn of_many_claims_at_once_one_stands(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let claims = (0..20).map(|_| {
        let store = world.store.clone();
        tokio::spawn(async move { store.idempotency_claim(scope, &request(at(0)), at(-1)).await.unwrap() })
    });
    let mut ours = 0;
    for claim in claims.collect::<Vec<_>>() {
        ours += usize::from(claim.await.unwrap() == KeyClaim::Ours(None));
    }
    assert_eq!(ours, 1);
}

async fn a_claim_that_ran_out_goes_to_the_next_and_has_no_effect_any_more(engine: Engine) {
    let world = World::new(engine).await;
    let (store, scope) = (&world.store, world.tenant().await);
    let first = request(at(0));
    store.idempotency_claim(scope, &first, at(-1)).await.unwrap();
    let early = store.idempotency_claim(scope, &request(at(LEASE_MS - 1)), at(-1)).await;
    assert_eq!(early.unwrap(), KeyClaim::Taken);
    let second = request(at(LEASE_MS));
    let taken_over = store.idempotency_claim(scope, &second, at(-1)).await;
    assert_eq!(taken_over.unwrap(), KeyClaim::Ours(None));
    // The first claimant was only slow. Its effect fails as a whole; the second's stands.
    let late = store
        .agent_create(scope, &agent(), &effect(scope, first.claim, Some(answer())))
        .await;
    assert!(late.is_err());
    assert_eq!(store.agent_list(scope, ALL).await.unwrap().total, 0);
    let with = effect(scope, second.claim, Some(answer()));
    store.agent_create(scope, &agent(), &with).await.unwrap();
    let again = store.agent_create(scope, &agent(), &with).await;
    assert!(again.is_err(), "one claim has one effect");
    assert_eq!(store.agent_list(scope, ALL).await.unwrap().total, 1);
}

async fn what_was_made_before_the_end_is_told_to_the_next(engine: Engine) {
    let world = World::new(engine).await;
    let (store, scope) = (&world.store, world.tenant().await);
    let first = request(at(0));
    store.idempotency_claim(scope, &first, at(-1)).await.unwrap();
    let with = effect(scope, first.claim, None);
    store.agent_create(scope, &agent(), &with).await.unwrap();
    store.idempotency_abandon(scope, first.claim).await.unwrap();
    let next = request(at(1));
    let told = store.idempotency_claim(scope, &next, at(-1)).await.unwrap();
    assert_eq!(told, KeyClaim::Ours(Some("made".to_owned())));
    // One that made nothing leaves nothing.
    store.idempotency_release(scope, next.claim).await.unwrap();
    let fresh = store.idempotency_claim(scope, &request(at(2)), at(-1)).await;
    assert_eq!(fresh.unwrap(), KeyClaim::Ours(None));
}

async fn an_answer_is_kept_for_its_time_and_sealed(engine: Engine) {
    let world = World::new(engine).await;
    let (store, scope, theirs) = (&world.store, world.tenant().await, world.tenant().await);
    let first = request(at(0));
    store.idempotency_claim(scope, &first, at(-1)).await.unwrap();
    store.idempotency_answer(scope, first.claim, &answer()).await.unwrap();
    let found = store
        .idempotency_find(scope, &first.route, &first.key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.answer, Some(answer()));
    assert_eq!(
        store.idempotency_find(theirs, &first.route, &first.key).await.unwrap(),
        None
    );
    // Released or abandoned too late, it stays.
    store.idempotency_release(scope, first.claim).await.unwrap();
    store.idempotency_abandon(scope, first.claim).await.unwrap();
    let repeated = store.idempotency_claim(scope, &request(at(LEASE_MS * 2)), at(-1)).await;
    assert_eq!(repeated.unwrap(), KeyClaim::Taken);
    let open = "SELECT COUNT(*) FROM idempotency_keys WHERE CAST(answer_sealed AS text) LIKE '%MARKER%'";
    assert_eq!(world.database.outsider().await.number(open).await, 0);
    assert_eq!(store.idempotency_purge(at(0), 10).await.unwrap(), 0);
    assert_eq!(store.idempotency_purge(at(1), 10).await.unwrap(), 1);
    assert_eq!(
        store.idempotency_find(scope, &first.route, &first.key).await.unwrap(),
        None
    );
}
