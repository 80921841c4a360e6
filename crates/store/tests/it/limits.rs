//! Limits that operators grant single organisations.

use std::{sync::Arc, time::Duration};

use contract::{OrganizationId, OrganizationLimits, RateLimits};
use domain::{
    Alongside, Change,
    limits::GrantedLimits,
    ports::{AuditStore, CallStore, Clock as _, LimitStore},
    records::{AuditFilter, Scope},
};

use crate::support::{ALL, Engine, World, call, call_put};

crate::on_both_engines![
    a_grant_replaces_the_one_before_for_one_organisation_alone,
    an_organisation_that_is_not_there_is_granted_nothing,
    a_grant_stands_in_the_organisations_audit_log,
    calls_that_are_over_do_not_count_as_live
];

fn limits(minute: Option<u32>, concurrent_calls: Option<u32>) -> OrganizationLimits {
    OrganizationLimits {
        rate_limits: RateLimits {
            minute,
            ..RateLimits::default()
        },
        concurrent_calls,
    }
}

const NOTHING: Alongside = Alongside {
    audit: None,
    effect: None,
};

async fn a_grant_replaces_the_one_before_for_one_organisation_alone(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, other) = (world.tenant().await, world.tenant().await);
    assert_eq!(
        world.store.limits_fetch(scope).await.unwrap(),
        Some(OrganizationLimits::default())
    );
    let (mut present, never) = (OrganizationLimits::default(), limits(Some(9), None));
    for grant in [limits(Some(7), Some(3)), limits(None, Some(1_000_000))] {
        let set = |present| world.store.limits_set(scope, present, &grant, &NOTHING);
        assert!(!set(&never).await.unwrap());
        assert!(set(&present).await.unwrap());
        assert_eq!(world.store.limits_fetch(scope).await.unwrap(), Some(grant));
        present = grant;
    }
    assert_eq!(
        world.store.limits_fetch(other).await.unwrap(),
        Some(OrganizationLimits::default())
    );
}

async fn an_organisation_that_is_not_there_is_granted_nothing(engine: Engine) {
    let world = World::new(engine).await;
    let nobody = Scope {
        organization: OrganizationId::new(),
    };
    assert!(
        !world
            .store
            .limits_set(nobody, &OrganizationLimits::default(), &limits(Some(1), None), &NOTHING)
            .await
            .unwrap()
    );
    assert_eq!(world.store.limits_fetch(nobody).await.unwrap(), None);
}

async fn a_grant_stands_in_the_organisations_audit_log(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let granted = GrantedLimits::new(Arc::new(world.store.clone()), world.clock.clone());
    assert_eq!(
        granted.of(scope, world.clock.now()).await.unwrap(),
        OrganizationLimits::default()
    );
    let id = scope.organization.to_string();
    let grant = limits(Some(7), None);
    granted.limits_set(&Change::by_system(scope), &id, grant).await.unwrap();
    // At once here, and elsewhere once what was read before is too old.
    assert_eq!(granted.of(scope, world.clock.now()).await.unwrap(), grant);
    world
        .store
        .limits_set(scope, &grant, &limits(Some(8), None), &NOTHING)
        .await
        .unwrap();
    assert_eq!(granted.of(scope, world.clock.now()).await.unwrap(), grant);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(
        granted.of(scope, world.clock.now()).await.unwrap(),
        limits(Some(8), None)
    );
    let filter = AuditFilter {
        resource_id: Some(id.clone()),
        action: Some("organization.limits_set".to_owned()),
        ..AuditFilter::default()
    };
    let log = world.store.audit_list(scope, filter, ALL).await.unwrap();
    let fields: Vec<_> = log.items.iter().map(|entry| entry.fields.clone()).collect();
    assert_eq!(fields, [["concurrent_calls", "rate_limits"]]);
}

async fn calls_that_are_over_do_not_count_as_live(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, other) = (world.tenant().await, world.tenant().await);
    let agent = world.agent(scope).await;
    let calls = [call(agent.id), call(agent.id)];
    for call in &calls {
        assert!(call_put(&world.store, scope, call, 10).await.unwrap());
    }
    assert_eq!(world.store.calls_live(scope).await.unwrap(), 2);
    let end = crate::support::ending(contract::CallStatus::Completed, contract::EndReason::CallerHangup);
    assert!(world.store.call_finish(scope, calls[0].id, &end).await.unwrap());
    assert_eq!(world.store.calls_live(scope).await.unwrap(), 1);
    assert_eq!(world.store.calls_live(other).await.unwrap(), 0);
}
