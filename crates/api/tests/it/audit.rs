//! Whatever changes something leaves an entry in the audit log: who, from where, what, in which request.

use std::collections::BTreeSet;

use contract::{
    ApiKeyCreate, CreditsGrant, KeyScope, MemberCreate, MemberRole, OrganizationId, OrganizationLimits,
    SubscriptionStart, TrialStart,
};
use domain::{
    Actor, Change,
    change::AuditEntry,
    keys::PLATFORM,
    ports::AuditStore as _,
    records::{AuditFilter, Page, Scope},
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, TestApp};

const ALL: Page = Page {
    limit: 100,
    offset: 0,
    before: None,
};

/// The log of an organisation, newest first.
async fn log_of(app: &TestApp, organization: OrganizationId) -> Vec<AuditEntry> {
    let listed = app
        .store
        .audit_list(Scope { organization }, AuditFilter::default(), ALL)
        .await;
    listed.unwrap().items
}

/// A walk over operations that change something.
struct Walk<'a> {
    app: &'a TestApp,
    tenant: Client,
    operator: Client,
    done: BTreeSet<String>,
}

impl Walk<'_> {
    /// Does what `operation` does, to the thing named `id` if it names one, and looks for `action` in the log.
    async fn step(&mut self, operation: &str, id: &str, body: Value, action: &str) -> Answer {
        let (method, template) = operation.split_once(' ').unwrap();
        let is_operators = template.starts_with("/api/operator/");
        let client = if is_operators { &self.operator } else { &self.tenant };
        let method: Method = method.parse().unwrap();
        let request = client.request(method.clone(), &template.replace("{id}", id));
        let request = if method == Method::DELETE {
            request
        } else {
            request.json(&body)
        };
        let answer = client.send(request).await;
        assert!(answer.status.is_success(), "{operation}: {answer}");
        // What makes an organisation is the first entry of that one's log.
        let made = (answer.status == 201).then(|| answer.created().parse().unwrap());
        let mut entries = Vec::new();
        for organization in [self.app.scope.organization, PLATFORM].into_iter().chain(made) {
            entries.extend(log_of(self.app, organization).await);
        }
        let request = answer.header("x-request-id").parse().unwrap();
        entries.retain(|entry| entry.request == Some(request));
        let [entry] = entries.as_slice() else {
            panic!("{operation}: {entries:?}");
        };
        assert_eq!(entry.action, action, "{operation}");
        assert_eq!(
            entry.actor.kind(),
            if is_operators { "operator" } else { "key" },
            "{operation}"
        );
        assert_eq!(entry.address.unwrap().to_string(), "127.0.0.1", "{operation}");
        assert!(!entry.resource_id.is_empty(), "{operation}");
        self.done.insert(operation.to_owned());
        answer
    }
}

/// All operations that change something, but the one of a payment provider.
fn all_that_change() -> BTreeSet<String> {
    let document = api::openapi();
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method != "get" && operation["security"] != json!([]) {
                all.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_operation_that_changes_something_leaves_one_entry() {
    let app = TestApp::builder().billing(|_| {}).start().await;
    let mut walk = Walk {
        tenant: app.client(),
        operator: app.operator().await,
        done: BTreeSet::new(),
        app: &app,
    };
    what_people_manage(&mut walk).await;
    what_operators_do(&mut walk).await;
    what_calls_need(&mut walk).await;
    assert_eq!(walk.done, all_that_change());
}

async fn what_people_manage(walk: &mut Walk<'_>) {
    let renamed = json!({ "name": "Renamed" });
    walk.step(
        "PATCH /api/v1/organization",
        "",
        renamed.clone(),
        "organization.updated",
    )
    .await;
    walk.step("POST /api/v1/billing/trial", "", json!({}), "trial.started")
        .await;
    let member = json!({ "subject": "ada", "role": "member" });
    let member = walk
        .step("POST /api/v1/members", "", member, "member.added")
        .await
        .created();
    walk.step("PATCH /api/v1/members/{id}", &member, renamed.clone(), "member.updated")
        .await;
    walk.step("DELETE /api/v1/members/{id}", &member, Value::Null, "member.removed")
        .await;
    let key = walk
        .step("POST /api/v1/api-keys", "", json!({ "name": "CI" }), "api_key.created")
        .await;
    let key = key.created();
    walk.step("PATCH /api/v1/api-keys/{id}", &key, renamed, "api_key.updated")
        .await;
    walk.step("DELETE /api/v1/api-keys/{id}", &key, Value::Null, "api_key.revoked")
        .await;
}

async fn what_operators_do(walk: &mut Walk<'_>) {
    const OPERATOR: &str = "/api/operator/v1/organizations";
    let id = walk.app.scope.organization.to_string();
    let name = json!({ "name": "Acme" });
    walk.step(&format!("POST {OPERATOR}"), "", name, "organization.created")
        .await;
    for (method, operation, body, action) in [
        (
            "PUT",
            "limits",
            json!({ "concurrent_calls": 5 }),
            "organization.limits_set",
        ),
        ("POST", "credits/grant", json!({ "credits": 50 }), "credits.granted"),
        ("POST", "trial/stop", json!({}), "trial.stopped"),
        ("POST", "trial/start", json!({}), "trial.started"),
        (
            "POST",
            "subscription/start",
            json!({ "plan": "pro" }),
            "subscription.started",
        ),
        ("POST", "subscription/past-due", json!({}), "subscription.past_due"),
        ("POST", "subscription/stop", json!({}), "subscription.stopped"),
    ] {
        walk.step(&format!("{method} {OPERATOR}/{{id}}/{operation}"), &id, body, action)
            .await;
    }
    let plan = json!({ "plan": "pro" });
    let operation = format!("POST {OPERATOR}/{{id}}/subscription/start");
    walk.step(&operation, &id, plan, "subscription.started").await;
}

async fn what_calls_need(walk: &mut Walk<'_>) {
    const BASE: &str = "/api/public/v1";
    let renamed = json!({ "name": "Renamed" });
    let agent = walk.app.agent_body(&json!({}));
    let agent = walk
        .step(&format!("POST {BASE}/agents"), "", agent, "agent.created")
        .await
        .created();
    walk.step(
        &format!("PATCH {BASE}/agents/{{id}}"),
        &agent,
        renamed.clone(),
        "agent.updated",
    )
    .await;
    let trunk = json!({ "name": "Trunk", "host": "192.0.2.4" });
    let trunk = walk
        .step(&format!("POST {BASE}/telephony/trunks"), "", trunk, "trunk.created")
        .await
        .created();
    walk.step(
        &format!("PATCH {BASE}/telephony/trunks/{{id}}"),
        &trunk,
        renamed,
        "trunk.updated",
    )
    .await;
    let numbers = format!("{BASE}/telephony/numbers");
    let number = json!({ "phone_number": "+14155550100", "trunk_id": trunk });
    let number = walk
        .step(&format!("POST {numbers}/import"), "", number, "number.imported")
        .await
        .created();
    let assigned = json!({ "number_id": number, "agent_id": agent });
    walk.step(&format!("POST {numbers}/assign"), "", assigned, "number.assigned")
        .await;
    let call = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    let call = walk
        .step(&format!("POST {BASE}/calls"), "", call, "call.created")
        .await
        .created();
    walk.step(&format!("POST {BASE}/calls/{{id}}/end"), &call, json!({}), "call.ended")
        .await;
    walk.step(
        &format!("DELETE {BASE}/calls/{{id}}"),
        &call,
        Value::Null,
        "call.deleted",
    )
    .await;
    let unassigned = json!({ "number_id": number });
    walk.step(&format!("POST {numbers}/unassign"), "", unassigned, "number.unassigned")
        .await;
    walk.step(
        &format!("DELETE {numbers}/{{id}}"),
        &number,
        Value::Null,
        "number.released",
    )
    .await;
    walk.step(
        &format!("DELETE {BASE}/telephony/trunks/{{id}}"),
        &trunk,
        Value::Null,
        "trunk.deleted",
    )
    .await;
    walk.step(
        &format!("DELETE {BASE}/agents/{{id}}"),
        &agent,
        Value::Null,
        "agent.deleted",
    )
    .await;
}

#[tokio::test]
async fn what_the_command_line_does_stands_in_the_log_too() {
    let app = TestApp::builder().billing(|_| {}).start().await;
    let (opened, _) = app.keys.organization_create("Acme").await.unwrap();
    let operators = ApiKeyCreate::named("Operator", vec![KeyScope::Operator]);
    app.keys.operator_key_create(operators).await.unwrap();
    let scope = Scope {
        organization: opened.id,
    };
    let change = Change::by(scope, Actor::command_line());
    let create = ApiKeyCreate::named("CI", vec![KeyScope::Read]);
    let key = app.keys.key_create(&change, create).await.unwrap().record.id;
    app.keys.key_revoke(&change, &key.to_string()).await.unwrap();
    let owner = MemberCreate {
        subject: "ada".to_owned(),
        name: None,
        role: MemberRole::Owner,
    };
    app.organizations
        .member_create(&change, MemberRole::Owner, owner)
        .await
        .unwrap();
    let grant = CreditsGrant {
        credits: 5.0,
        note: None,
    };
    app.billing.credits_grant(&change, grant, None).await.unwrap();
    app.billing
        .trial_start(&change, TrialStart { days: None })
        .await
        .unwrap();
    app.billing.trial_stop(&change).await.unwrap();
    let plan = SubscriptionStart {
        plan: Some("pro".to_owned()),
    };
    app.billing.subscription_start(&change, plan).await.unwrap();
    app.billing.subscription_past_due(&change).await.unwrap();
    app.billing.subscription_stop(&change).await.unwrap();
    let granted = domain::limits::GrantedLimits::new(app.store.clone(), app.clock.clone());
    let limits = OrganizationLimits::default();
    granted
        .limits_set(&change, &opened.id.to_string(), limits)
        .await
        .unwrap();
    let (theirs, platforms) = (log_of(&app, opened.id).await, log_of(&app, PLATFORM).await);
    let actions =
        |entries: &[AuditEntry]| -> BTreeSet<String> { entries.iter().map(|entry| entry.action.clone()).collect() };
    let mut seen = actions(&theirs);
    seen.extend(actions(&platforms));
    let expected = [
        "api_key.created",
        "api_key.revoked",
        "credits.granted",
        "member.added",
        "organization.created",
        "organization.limits_set",
        "subscription.past_due",
        "subscription.started",
        "subscription.stopped",
        "trial.started",
        "trial.stopped",
    ];
    assert_eq!(seen, expected.map(ToOwned::to_owned).into());
    for entry in theirs
        .iter()
        .chain(&platforms)
        .filter(|entry| entry.action != "organization.created")
    {
        assert_eq!(entry.actor, Actor::command_line(), "{entry:?}");
    }
}
