//! Totals of long lists are kept beside them, and stay true.

use contract::{CallDirection, CallStatus, EndReason};
use domain::{
    ports::{AgentStore, AuditStore, CallStore},
    records::{AuditFilter, CallFilter, Scope},
};

use crate::support::{ALL, Engine, World, at, call, call_put, ending};

crate::on_both_engines![
    totals_follow_every_change_of_a_call,
    totals_of_agents_follow_them_and_stay_their_tenants_own,
    totals_are_true_after_many_changes_at_once,
    a_change_that_was_rolled_back_is_not_counted,
    totals_of_the_audit_log_are_those_of_a_count_for_every_filter,
];

/// Every filter the API knows, and its total against a count.
async fn assert_true(world: &World, scope: Scope, agents: &[contract::AgentId]) {
    let mut outsider = world.database.outsider().await;
    let statuses = ["queued", "ringing", "in_progress", "completed", "failed", "cancelled"]
        .map(|name| serde_json::from_value::<CallStatus>(name.into()).unwrap());
    let agents = agents.iter().copied().map(Some).chain([None]);
    for agent in agents {
        for status in statuses.into_iter().map(Some).chain([None]) {
            for direction in [Some(CallDirection::Inbound), Some(CallDirection::Outbound), None] {
                let filter = CallFilter {
                    agent,
                    status,
                    direction,
                };
                let listed = world.store.call_list(scope, filter, ALL).await.unwrap();
                let mut sql = format!(
                    "SELECT COUNT(*) FROM calls WHERE organization_id = {}",
                    id(world, scope.organization.0)
                );
                if let Some(agent) = agent {
                    sql = format!("{sql} AND agent_id = {}", id(world, agent.0));
                }
                if let Some(status) = status {
                    sql = format!("{sql} AND status = '{}'", status.name());
                }
                if let Some(direction) = direction {
                    let name = serde_json::to_value(direction).unwrap();
                    sql = format!("{sql} AND direction = '{}'", name.as_str().unwrap());
                }
                assert_eq!(listed.total, outsider.number(&sql).await as u64, "{filter:?}");
                assert_eq!(listed.items.len() as u64, listed.total.min(100), "{filter:?}");
            }
        }
    }
}

fn id(world: &World, id: uuid::Uuid) -> String {
    match world.database.address() {
        store::DatabaseAddress::Sqlite(_) => format!("x'{}'", id.simple()),
        store::DatabaseAddress::Postgres(_) => format!("'{id}'"),
    }
}

async fn totals_follow_every_change_of_a_call(engine: Engine) {
    let world = World::new(engine).await;
    let [scope, other] = [world.tenant().await, world.tenant().await];
    let agents = [world.agent(scope).await.id, world.agent(scope).await.id];
    for agent in agents {
        let [first, second, mut third] = [(); 3].map(|()| call(agent));
        third.direction = CallDirection::Inbound;
        for call in [&first, &second, &third] {
            assert!(call_put(&world.store, scope, call, 100).await.unwrap());
        }
        assert_true(&world, scope, &agents).await;
        for status in [CallStatus::Ringing, CallStatus::InProgress, CallStatus::InProgress] {
            world
                .store
                .call_progress(scope, first.id, status, Some(at(1)))
                .await
                .unwrap();
        }
        assert_true(&world, scope, &agents).await;
        let end = ending(CallStatus::Completed, EndReason::CallerHangup);
        assert!(world.store.call_finish(scope, first.id, &end).await.unwrap());
        let end = ending(CallStatus::Failed, EndReason::Error);
        assert!(world.store.call_finish(scope, second.id, &end).await.unwrap());
        assert_true(&world, scope, &agents).await;
        assert!(
            world
                .store
                .call_delete(scope, second.id, &domain::Alongside::nothing())
                .await
                .unwrap()
        );
        assert_true(&world, scope, &agents).await;
    }
    let nobody = contract::AgentId(uuid::Uuid::nil());
    assert_true(&world, scope, &[nobody]).await;
    let all = world.store.call_list(other, CallFilter::default(), ALL).await.unwrap();
    assert_eq!(all.total, 0, "another tenant has none");
}

async fn totals_of_agents_follow_them_and_stay_their_tenants_own(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let agent = world.agent(ours).await;
    world.agent(ours).await;
    world.agent(theirs).await;
    let total = async |scope| world.store.agent_list(scope, ALL).await.unwrap().total;
    assert_eq!([total(ours).await, total(theirs).await], [2, 1]);
    assert!(
        !world
            .store
            .agent_delete(
                theirs,
                agent.id,
                domain::records::Version(1),
                &domain::Alongside::nothing()
            )
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .agent_delete(
                ours,
                agent.id,
                domain::records::Version(1),
                &domain::Alongside::nothing()
            )
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .agent_delete(
                ours,
                agent.id,
                domain::records::Version(1),
                &domain::Alongside::nothing()
            )
            .await
            .unwrap()
    );
    assert_eq!([total(ours).await, total(theirs).await], [1, 1]);
}

async fn totals_are_true_after_many_changes_at_once(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agents = [world.agent(scope).await.id, world.agent(scope).await.id];
    let calls = (0..24).map(|number| {
        let (store, call) = (world.store.clone(), call(agents[number % 2]));
        tokio::spawn(async move {
            assert!(call_put(&store, scope, &call, 100).await.unwrap());
            store
                .call_progress(scope, call.id, CallStatus::Ringing, None)
                .await
                .unwrap();
            store
                .call_progress(scope, call.id, CallStatus::InProgress, Some(at(1)))
                .await
                .unwrap();
            let end = ending(CallStatus::Completed, EndReason::CallerHangup);
            assert!(store.call_finish(scope, call.id, &end).await.unwrap());
            if number % 3 == 0 {
                assert!(
                    store
                        .call_delete(scope, call.id, &domain::Alongside::nothing())
                        .await
                        .unwrap()
                );
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_true(&world, scope, &agents).await;
    assert_eq!(
        world
            .store
            .call_list(scope, CallFilter::default(), ALL)
            .await
            .unwrap()
            .total,
        16
    );
}

async fn a_change_that_was_rolled_back_is_not_counted(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    world.agent(scope).await;
    let mut outsider = world.database.outsider().await;
    outsider.run("BEGIN").await;
    outsider.run("DELETE FROM agents").await;
    outsider.let_go().await;
    assert_eq!(world.store.agent_list(scope, ALL).await.unwrap().total, 1);
}

async fn totals_of_the_audit_log_are_those_of_a_count_for_every_filter(engine: Engine) {
    let world = World::new(engine).await;
    let [scope, other] = [world.tenant().await, world.tenant().await];
    for (number, (actor, action)) in [
        ("ann", "agent.created"),
        ("ann", "agent.created"),
        ("ann", "agent.deleted"),
        ("bob", "agent.created"),
    ]
    .into_iter()
    .enumerate()
    {
        let change = domain::Change::by(scope, domain::Actor::User(actor.to_owned()));
        let with = change
            .note(at(number as i64), action, "agent", format!("id-{number}"))
            .unwrap();
        world.store.audit_append(scope, &with).await.unwrap();
    }
    let [ann, bob, nobody] = ["ann", "bob", "nobody"].map(|name| Some(name.to_owned()));
    let [created, deleted] = ["agent.created", "agent.deleted"].map(|name| Some(name.to_owned()));
    let filter = |actor_id: &Option<String>, action: &Option<String>| AuditFilter {
        actor_id: actor_id.clone(),
        action: action.clone(),
        ..AuditFilter::default()
    };
    for (filter, expected) in [
        (filter(&None, &created), 3),
        (filter(&None, &deleted), 1),
        (filter(&ann, &None), 3),
        (filter(&ann, &created), 2),
        (filter(&bob, &created), 1),
        (filter(&bob, &deleted), 0),
        (filter(&nobody, &None), 0),
    ] {
        let listed = world.store.audit_list(scope, filter.clone(), ALL).await.unwrap();
        assert_eq!(
            (listed.total, listed.items.len()),
            (expected, expected as usize),
            "{filter:?}"
        );
    }
    let since = AuditFilter {
        since: Some(at(2)),
        ..filter(&ann, &None)
    };
    assert_eq!(world.store.audit_list(scope, since, ALL).await.unwrap().total, 1);
    let all = world
        .store
        .audit_list(scope, AuditFilter::default(), ALL)
        .await
        .unwrap();
    assert_eq!(all.total, all.items.len() as u64);
    let theirs = world.store.audit_list(other, filter(&ann, &None), ALL).await.unwrap();
    assert_eq!(theirs.total, 0);
}
