//! People's tokens at the door.

use std::time::Duration;

use contract::MemberRole;
use serde_json::{Value, json};
use testkit::{Issuer, JwtConfig, Manner, Signer, TestApp};

struct World {
    app: TestApp,
    signer: Signer,
    issuer: Issuer,
}

async fn world() -> World {
    world_with(|_| {}).await
}

async fn world_with(change: impl FnOnce(&mut JwtConfig) + Send + 'static) -> World {
    let signer = Signer::rs256("key");
    let issuer = Issuer::publishing(&[&signer]).await;
    let app = TestApp::builder().tokens_of(&issuer, change).start().await;
    app.member("ada", MemberRole::Member).await;
    World { app, signer, issuer }
}

impl World {
    async fn said(&self, claims: &Value) -> String {
        let client = self.app.client_with(Some(&self.signer.token(claims)));
        let answer = client.get("/agents").await;
        if answer.status.is_success() {
            "in".to_owned()
        } else {
            answer.pair()
        }
    }
}

#[tokio::test]
async fn a_member_is_let_in_and_everybody_else_is_told_the_same() {
    let world = world().await;
    let app = &world.app;
    assert_eq!(world.said(&app.claims("ada", &json!({}))).await, "in");
    let (other, _) = app.keys.organization_create("Other").await.unwrap();
    let nobodys = "019a3b5e-7c00-7000-8000-000000000001";
    for claims in [
        // A stranger; a member somewhere else; an organisation that isn't there; the platform's own.
        app.claims("eve", &json!({})),
        app.claims("ada", &json!({ "organization_id": other.id })),
        app.claims("ada", &json!({ "organization_id": nobodys })),
        app.claims("ada", &json!({ "organization_id": domain::keys::PLATFORM })),
        app.claims("ada", &json!({ "aud": "another" })),
    ] {
        assert_eq!(world.said(&claims).await, "unauthorized.invalid_token", "{claims}");
    }
}

#[tokio::test]
async fn a_token_whose_time_is_over_says_so() {
    let world = world().await;
    let claims = world.app.claims("ada", &json!({}));
    world.app.clock.advance(Duration::from_secs(300 + 59));
    assert_eq!(world.said(&claims).await, "in");
    world.app.clock.advance(Duration::from_secs(1));
    let client = world.app.client_with(Some(&world.signer.token(&claims)));
    let answer = client.get("/agents").await;
    assert_eq!(answer.pair(), "unauthorized.expired_token");
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
}

#[tokio::test]
async fn an_issuer_that_is_away_is_nobodys_bad_credentials() {
    let world = world().await;
    world.issuer.behave(Manner::Status(500));
    let claims = world.app.claims("ada", &json!({}));
    let client = world.app.client_with(Some(&world.signer.token(&claims)));
    let answer = client.get("/agents").await;
    assert_eq!(answer.pair(), "provider_error.rejected");
    assert_eq!(answer.details()["retryable"], true);
    assert_eq!(answer.header("retry-after"), "10");
    world.issuer.behave(Manner::Good(None));
    world.app.clock.advance(Duration::from_secs(10));
    client.get("/agents").await.ok();
    // Once there are keys, the issuer may go.
    world.issuer.behave(Manner::Status(500));
    client.get("/agents").await.ok();
    // Who has a key needs no issuer.
    world.app.client().get("/agents").await.ok();
}

#[tokio::test]
async fn roles_are_the_issuers_where_it_gives_them() {
    let world = world_with(|config| config.role_claim = Some("role".to_owned())).await;
    let app = &world.app;
    let nobodys = "019a3b5e-7c00-7000-8000-000000000001";
    for (claims, said) in [
        (json!({ "role": "admin" }), "in"),
        (json!({ "role": "member" }), "forbidden.insufficient_role"),
        (json!({ "role": "king" }), "unauthorized.invalid_token"),
        (json!({}), "unauthorized.invalid_token"),
        (
            json!({ "role": "admin", "organization_id": nobodys }),
            "unauthorized.invalid_token",
        ),
    ] {
        let token = world.signer.token(&app.claims("somebody", &claims));
        let answer = app.client_with(Some(&token)).get("/api/v1/api-keys").await;
        let heard = if answer.status.is_success() {
            "in".to_owned()
        } else {
            answer.pair()
        };
        assert_eq!(heard, said, "{claims}");
    }
}

#[tokio::test]
async fn no_role_runs_the_platform() {
    let world = world().await;
    world.app.member("owner", MemberRole::Owner).await;
    let owner = world.app.person(&world.signer, "owner");
    let answer = owner.get("/api/operator/v1/organizations").await;
    assert_eq!(answer.pair(), "forbidden.insufficient_scope");
    assert_eq!(answer.details()["required_scope"], "operator");
}

#[tokio::test]
async fn without_an_issuer_no_token_is_valid() {
    let app = TestApp::start().await;
    let signer = Signer::ed25519("key");
    app.member("ada", MemberRole::Owner).await;
    let answer = app.person(&signer, "ada").get("/agents").await;
    assert_eq!(answer.pair(), "unauthorized.invalid_token");
}

#[tokio::test]
async fn what_a_person_changes_stands_under_their_name() {
    let world = world().await;
    let ada = world.app.person(&world.signer, "ada");
    let agent = ada.post("/agents", &world.app.agent_body(&json!({}))).await.created();
    let knows = |actor: domain::Actor| {
        let (store, scope, agent) = (world.app.store.clone(), world.app.scope, agent.clone());
        async move {
            use domain::ports::AuditStore as _;
            store.audit_knows(scope, &actor, "agent.created", &agent).await.unwrap()
        }
    };
    assert!(knows(domain::Actor::User("ada".to_owned())).await);
    assert!(!knows(domain::Actor::User("eve".to_owned())).await);
}
