//! Who belongs to an organisation, and as what.

use contract::MemberRole;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Issuer, Signer, TestApp};

const MEMBERS: &str = "/api/v1/members";

struct World {
    app: TestApp,
    signer: Signer,
    _issuer: Issuer,
}

impl World {
    async fn new() -> Self {
        let signer = Signer::es256("key");
        let issuer = Issuer::publishing(&[&signer]).await;
        let app = TestApp::builder().tokens_of(&issuer, |_| {}).start().await;
        for role in MemberRole::ALL {
            app.member(role.name(), role).await;
        }
        Self {
            app,
            signer,
            _issuer: issuer,
        }
    }

    /// The member who is called as their role.
    fn person(&self, role: MemberRole) -> testkit::Client {
        self.app.person(&self.signer, role.name())
    }

    async fn id_of(&self, subject: &str) -> String {
        let members = self.app.client().get(MEMBERS).await.json()["data"].clone();
        let found = members.as_array().unwrap().iter().find(|one| one["subject"] == subject);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn each_role_may_what_it_may_and_is_told_what_it_lacks() {
    use MemberRole::{Admin, Member, Owner, Viewer};
    let world = World::new().await;
    let agent = world.app.agent_body(&json!({}));
    for (method, path, body, least) in [
        (Method::GET, "/agents", Value::Null, Viewer),
        (Method::GET, "/api/v1/agents", Value::Null, Viewer),
        (Method::GET, "/api/v1/organization", Value::Null, Viewer),
        (Method::GET, MEMBERS, Value::Null, Viewer),
        (Method::POST, "/agents", agent, Member),
        (Method::GET, "/api/v1/api-keys", Value::Null, Admin),
        (Method::PATCH, "/api/v1/organization", json!({ "name": "New" }), Admin),
    ] {
        for role in [Viewer, Member, Admin, Owner] {
            let client = world.person(role);
            let request = client.request(method.clone(), path);
            let request = if body.is_null() { request } else { request.json(&body) };
            let answer = client.send(request).await;
            if role >= least {
                answer.ok();
            } else {
                assert_eq!(answer.pair(), "forbidden.insufficient_role", "{method} {path} {role:?}");
                assert_eq!(answer.details()["required_role"], least.name());
            }
        }
    }
}

#[tokio::test]
async fn members_are_added_changed_and_removed_by_administrators() {
    let world = World::new().await;
    let admin = world.person(MemberRole::Admin);
    let added = admin
        .post(
            MEMBERS,
            &json!({ "subject": "grace", "role": "viewer", "name": "Grace" }),
        )
        .await;
    let path = format!("{MEMBERS}/{}", added.created());
    let grace = world.app.person(&world.signer, "grace");
    let agent = world.app.agent_body(&json!({}));
    assert_eq!(
        grace.post("/agents", &agent).await.pair(),
        "forbidden.insufficient_role"
    );
    let changed = admin
        .patch(&path, &json!({ "role": "member", "name": null }))
        .await
        .data();
    assert_eq!((&changed["role"], &changed["name"]), (&json!("member"), &Value::Null));
    grace.post("/agents", &agent).await.created();
    assert_eq!(admin.get(&path).await.data(), changed);
    let again = admin
        .post(MEMBERS, &json!({ "subject": "grace", "role": "admin" }))
        .await;
    assert_eq!(again.faults(), [("/subject".to_owned(), "duplicate".to_owned())]);
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(grace.get("/agents").await.pair(), "unauthorized.invalid_token");
    // Once more by who removed them is fine; to anybody else they do not exist.
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(world.app.client().delete(&path).await.details()["resource"], "member");
}

#[tokio::test]
async fn nobody_but_an_owner_says_who_is_one() {
    let world = World::new().await;
    let owner = format!("{MEMBERS}/{}", world.id_of("owner").await);
    let member = format!("{MEMBERS}/{}", world.id_of("member").await);
    for client in [world.person(MemberRole::Admin), world.app.client()] {
        for answer in [
            client
                .post(MEMBERS, &json!({ "subject": "eve", "role": "owner" }))
                .await,
            client.patch(&member, &json!({ "role": "owner" })).await,
            client.patch(&owner, &json!({ "role": "admin" })).await,
            client.delete(&owner).await,
        ] {
            assert_eq!(answer.pair(), "forbidden.insufficient_role");
            assert_eq!(answer.details()["required_role"], "owner");
        }
        // A name is not a role.
        client.patch(&owner, &json!({ "name": "Ada" })).await.ok();
    }
    let client = world.person(MemberRole::Owner);
    client.patch(&member, &json!({ "role": "owner" })).await.ok();
    client.patch(&member, &json!({ "role": "viewer" })).await.ok();
}

#[tokio::test]
async fn the_last_owner_stays_one() {
    let world = World::new().await;
    let id = world.id_of("owner").await;
    let path = format!("{MEMBERS}/{id}");
    let owner = world.person(MemberRole::Owner);
    for answer in [
        owner.patch(&path, &json!({ "role": "admin" })).await,
        owner.delete(&path).await,
    ] {
        assert_eq!(answer.pair(), "validation_error.last_owner");
        assert_eq!(answer.details()["member_id"], id);
    }
    world.app.member("second", MemberRole::Owner).await;
    assert_eq!(owner.delete(&path).await.status, 204);
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_one_stays() {
    for _ in 0..5 {
        let world = World::new().await;
        world.app.member("second", MemberRole::Owner).await;
        let (first, second) = (world.id_of("owner").await, world.id_of("second").await);
        let leave = async |id: &str, subject: &str| {
            let client = world.app.person(&world.signer, subject);
            client
                .patch(&format!("{MEMBERS}/{id}"), &json!({ "role": "viewer" }))
                .await
                .status
                .as_u16()
        };
        let (one, other) = tokio::join!(leave(&first, "owner"), leave(&second, "second"));
        let mut statuses = [one, other];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
    }
}

#[tokio::test]
async fn the_organisation_is_seen_and_renamed_by_its_own() {
    let app = TestApp::start().await;
    let client = app.client();
    let seen = client.get("/api/v1/organization").await.data();
    assert_eq!(
        (&seen["id"], &seen["name"]),
        (&json!(app.scope.organization), &json!("Test"))
    );
    let renamed = client
        .patch("/api/v1/organization", &json!({ "name": "Acme" }))
        .await
        .data();
    assert_eq!(renamed["name"], "Acme");
    assert_eq!(client.get("/api/v1/organization").await.data(), renamed);
    let answer = client.patch("/api/v1/organization", &json!({ "id": "x" })).await;
    assert_eq!(answer.faults(), [("/id".to_owned(), "unknown_field".to_owned())]);
    assert_eq!(client.get("/organization").await.pair(), "not_found.route_not_found");
}
