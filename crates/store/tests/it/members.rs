//! Members: one per subject, and never the last owner less.

use contract::{Member, MemberId, MemberRole, Timestamp};
use domain::{
    Alongside,
    ports::MemberStore as _,
    records::{MemberChanged, Scope, Version},
};

use crate::support::{ALL, Engine, World};

crate::on_both_engines![
    a_subject_is_a_member_once_in_each_organisation,
    members_of_others_do_not_exist,
    an_older_version_changes_nothing,
    of_owners_who_leave_at_once_one_stays
];

fn member(subject: &str, role: MemberRole) -> Member {
    let at = Timestamp::from_millis(1_770_206_400_000);
    Member {
        id: MemberId::new(),
        subject: subject.to_owned(),
        name: Some("Someone".to_owned()),
        role,
        created_at: at,
        updated_at: at,
    }
}

async fn tenant(world: &World) -> Scope {
    let (organization, _) = world.keys.organization_create("Tenant").await.unwrap();
    Scope {
        organization: organization.id,
    }
}

async fn added(world: &World, scope: Scope, subject: &str, role: MemberRole) -> Member {
    let member = member(subject, role);
    let with = Alongside::nothing();
    assert!(world.store.member_create(scope, &member, &with).await.unwrap());
    member
}

async fn a_subject_is_a_member_once_in_each_organisation(engine: Engine) {
    let world = World::new(engine).await;
    let (one, other) = (tenant(&world).await, tenant(&world).await);
    let first = added(&world, one, "ada", MemberRole::Viewer).await;
    let again = member("ada", MemberRole::Owner);
    let with = Alongside::nothing();
    assert!(!world.store.member_create(one, &again, &with).await.unwrap());
    assert_eq!(
        world.store.member_by_subject(one, "ada").await.unwrap(),
        Some(first.clone())
    );
    let elsewhere = added(&world, other, "ada", MemberRole::Owner).await;
    assert_eq!(
        world.store.member_by_subject(other, "ada").await.unwrap(),
        Some(elsewhere)
    );
    let listed = world.store.member_list(one, ALL).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![first], 1));
}

async fn members_of_others_do_not_exist(engine: Engine) {
    let world = World::new(engine).await;
    let (one, other) = (tenant(&world).await, tenant(&world).await);
    let theirs = added(&world, one, "ada", MemberRole::Viewer).await;
    let (store, with) = (&world.store, Alongside::nothing());
    assert_eq!(store.member_versioned(other, theirs.id).await.unwrap(), None);
    assert_eq!(store.member_by_subject(other, "ada").await.unwrap(), None);
    assert_eq!(store.member_list(other, ALL).await.unwrap().total, 0);
    let stale = MemberChanged::Stale;
    assert_eq!(
        store.member_update(other, &theirs, Version(1), &with).await.unwrap(),
        stale
    );
    assert_eq!(
        store.member_delete(other, theirs.id, Version(1), &with).await.unwrap(),
        stale
    );
    assert_eq!(store.member_by_subject(one, "ada").await.unwrap(), Some(theirs));
}

async fn an_older_version_changes_nothing(engine: Engine) {
    let world = World::new(engine).await;
    let scope = tenant(&world).await;
    let (store, with) = (&world.store, Alongside::nothing());
    let mut ada = added(&world, scope, "ada", MemberRole::Viewer).await;
    let seen = store.member_versioned(scope, ada.id).await.unwrap().unwrap().version;
    ada.role = MemberRole::Member;
    assert_eq!(
        store.member_update(scope, &ada, seen, &with).await.unwrap(),
        MemberChanged::Done
    );
    ada.role = MemberRole::Admin;
    assert_eq!(
        store.member_update(scope, &ada, seen, &with).await.unwrap(),
        MemberChanged::Stale
    );
    assert_eq!(
        store.member_delete(scope, ada.id, seen, &with).await.unwrap(),
        MemberChanged::Stale
    );
    let kept = store.member_by_subject(scope, "ada").await.unwrap().unwrap();
    assert_eq!(kept.role, MemberRole::Member);
}

async fn of_owners_who_leave_at_once_one_stays(engine: Engine) {
    let world = World::new(engine).await;
    let scope = tenant(&world).await;
    let mut leaving = Vec::new();
    for number in 0..8 {
        let owner = added(&world, scope, &format!("owner-{number}"), MemberRole::Owner).await;
        let store = world.store.clone();
        leaving.push(tokio::spawn(async move {
            let with = Alongside::nothing();
            if number % 2 == 0 {
                store.member_delete(scope, owner.id, Version(1), &with).await.unwrap()
            } else {
                let demoted = Member {
                    role: MemberRole::Admin,
                    ..owner
                };
                store.member_update(scope, &demoted, Version(1), &with).await.unwrap()
            }
        }));
    }
    let mut outcomes = Vec::new();
    for one in leaving {
        outcomes.push(one.await.unwrap());
    }
    let refused = outcomes.iter().filter(|one| **one == MemberChanged::LastOwner).count();
    assert_eq!(refused, 1, "{outcomes:?}");
    let left = world.store.member_list(scope, ALL).await.unwrap().items;
    let owners = left.iter().filter(|member| member.role == MemberRole::Owner).count();
    assert_eq!(owners, 1);
}
