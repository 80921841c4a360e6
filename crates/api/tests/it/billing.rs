//! Money through the API: who may spend, what is held, and what a call costs.

use std::time::Duration;

use axum::{Router, routing::get};
use contract::{Credits, CreditsGrant, SubscriptionStart};
use domain::{
    Change,
    billing::{BillingRules, PaymentPages},
};
use hyper::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, TestApp};

const DAY: Duration = Duration::from_hours(24);

async fn paying(change: impl FnOnce(&mut BillingRules)) -> TestApp {
    TestApp::builder().billing(change).start().await
}

/// An application in which a minute costs one credit and the trial has run for no time.
async fn in_trial() -> TestApp {
    let app = paying(|rules| rules.trial_credits = Credits::whole(2)).await;
    app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
    app
}

async fn billing(app: &TestApp) -> Value {
    app.client().get("/api/v1/billing").await.data()
}

async fn ring(app: &TestApp, agent: &str) -> Answer {
    let body = json!({ "agent_id": agent, "phone_number": "+14155550123" });
    app.client().post("/calls", &body).await
}

async fn end(client: &Client, call: &str) -> Value {
    client.post(&format!("/calls/{call}/end"), &json!({})).await.data()
}

#[tokio::test]
async fn where_billing_is_off_calls_are_metered_and_nothing_is_refused() {
    let app = TestApp::start().await;
    let call = app.call().await;
    app.clock.advance(Duration::from_millis(90_001));
    assert_eq!(end(&app.client(), &call).await["cost_credits"], 1.516_667);
    let shown = billing(&app).await;
    assert_eq!((&shown["enabled"], &shown["balance"]), (&json!(false), &json!(0)));
    let usage = app.client().get("/api/v1/usage").await.data();
    assert_eq!(
        usage["total"],
        json!({ "calls": 1, "seconds": 91, "credits": 1.516_667 })
    );
    let refused = app.client().post("/api/v1/billing/trial", &json!({})).await;
    assert_eq!(refused.pair(), "validation_error.invalid_state");
}

#[tokio::test]
async fn a_trial_is_started_once_and_ends_by_itself() {
    let app = paying(|_| {}).await;
    let agent = app.agent_that_calls().await;
    assert_eq!(billing(&app).await["standing"], "trial_not_started");
    let refused = ring(&app, &agent).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "trial_not_started", "redirect_url": "/onboarding/trial" })
    );
    let begun = app.client().post("/api/v1/billing/trial", &json!({})).await.data();
    assert_eq!(
        (&begun["standing"], &begun["balance"]),
        (&json!("trialing"), &json!(100))
    );
    assert_eq!(billing(&app).await, begun);
    let again = app.client().post("/api/v1/billing/trial", &json!({})).await;
    assert_eq!(
        again.details(),
        json!({ "reason": "invalid_state", "status": "trialing" })
    );
    let call = ring(&app, &agent).await.created();
    end(&app.client(), &call).await;
    app.clock.advance(DAY * 14);
    assert_eq!(billing(&app).await["standing"], "trial_expired");
    let refused = ring(&app, &agent).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "trial_expired", "redirect_url": "/settings/billing" })
    );
    app.client().get("/calls").await.ok();
    app.client().delete(&format!("/calls/{call}")).await.ok();
}

#[tokio::test]
async fn who_can_not_pay_is_sent_where_the_operator_says() {
    let bare = Router::new().route("/test/bare", get(|| async { StatusCode::PAYMENT_REQUIRED }));
    let builder = TestApp::builder().routes(bare).billing(|rules| {
        rules.trial_credits = Credits::ZERO;
        rules.pages = PaymentPages {
            trial: "/welcome".to_owned(),
            billing: "https://pay.example/credits?from=voice".to_owned(),
        };
    });
    let app = builder.start().await;
    let agent = app.agent_that_calls().await;
    let place = |answer: &Answer| answer.details()["redirect_url"].clone();
    let refused = ring(&app, &agent).await;
    assert_eq!(
        (refused.pair().as_str(), place(&refused)),
        ("payment_required.trial_not_started", json!("/welcome"))
    );
    app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
    let page = json!("https://pay.example/credits?from=voice");
    let refused = ring(&app, &agent).await;
    assert_eq!(
        (refused.pair().as_str(), place(&refused)),
        ("payment_required.insufficient_credits", page.clone())
    );
    app.clock.advance(DAY * 15);
    let refused = ring(&app, &agent).await;
    assert_eq!(
        (refused.pair().as_str(), place(&refused)),
        ("payment_required.trial_expired", page.clone())
    );
    let refused = app.client().get("/test/bare").await;
    assert_eq!(
        (refused.pair().as_str(), place(&refused)),
        ("payment_required.subscription_inactive", page)
    );
}

#[tokio::test]
async fn a_missing_payment_leaves_days_of_grace_and_then_ends_the_subscription() {
    let app = paying(|_| {}).await;
    let (agent, change) = (app.agent_that_calls().await, Change::by_system(app.scope));
    let start = SubscriptionStart {
        plan: Some("pro".to_owned()),
    };
    app.billing.subscription_start(&change, start).await.unwrap();
    let grant = CreditsGrant {
        credits: 10.0,
        note: None,
    };
    app.billing.credits_grant(&change, grant, None).await.unwrap();
    assert_eq!(billing(&app).await["standing"], "active");
    app.billing.subscription_past_due(&change).await.unwrap();
    assert_eq!(billing(&app).await["standing"], "past_due");
    let call = ring(&app, &agent).await.created();
    end(&app.client(), &call).await;
    app.clock.advance(DAY * 7);
    let shown = billing(&app).await;
    assert_eq!(
        (&shown["standing"], &shown["subscription"]["plan"]),
        (&json!("inactive"), &json!("pro"))
    );
    let refused = ring(&app, &agent).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "subscription_inactive", "redirect_url": "/settings/billing" })
    );
}

#[tokio::test]
async fn a_call_holds_its_beginning_and_pays_by_the_second() {
    let app = in_trial().await;
    let agent = app.agent_that_calls().await;
    let call = ring(&app, &agent).await.created();
    let shown = billing(&app).await;
    assert_eq!((&shown["balance"], &shown["reserved"]), (&json!(1), &json!(1)));
    app.clock.advance(Duration::from_millis(14_100));
    let ended = end(&app.client(), &call).await;
    assert_eq!(ended["cost_credits"], 0.25, "fifteen seconds that began");
    let shown = billing(&app).await;
    assert_eq!((&shown["balance"], &shown["reserved"]), (&json!(1.75), &json!(0)));
    let ledger = app.client().get("/api/v1/billing/ledger").await.json();
    let kinds: Vec<_> = ledger["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].clone())
        .collect();
    assert_eq!(kinds, ["settle", "reserve", "grant"]);
    let newest = &ledger["data"][0];
    assert_eq!(newest["call_id"], json!(call));
    assert_eq!(
        [
            &newest["available"],
            &newest["reserved"],
            &newest["spent"],
            &newest["source"]
        ],
        [&json!(0.75), &json!(-1), &json!(0.25), &json!(0)]
    );
    assert_eq!(app.billing.ledger_verify().await.unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn what_credits_do_not_cover_is_refused_after_the_rules_and_before_the_carrier() {
    let app = in_trial().await;
    let agent = app.agent_that_calls().await;
    for _ in 0..2 {
        ring(&app, &agent).await.created();
    }
    let refused = ring(&app, &agent).await;
    assert_eq!(
        refused.details(),
        json!({ "reason": "insufficient_credits", "redirect_url": "/settings/billing", "balance": 0, "required": 1 })
    );
    assert_eq!(
        app.client().get("/calls").await.json()["pagination"]["total"],
        2,
        "no record of it"
    );
    app.carrier.set(testkit::Outcome::Panics);
    let draft = app.agent_with(&json!({ "status": "draft" })).await;
    let refused = ring(&app, &draft).await;
    assert_eq!(refused.pair(), "validation_error.agent_not_active", "rules come first");
    assert_eq!(ring(&app, &agent).await.pair(), "payment_required.insufficient_credits");
}

#[tokio::test]
async fn a_limit_of_calls_comes_before_money() {
    let app = TestApp::builder().billing(|_| {}).concurrent_calls(0).start().await;
    let agent = app.agent_that_calls().await;
    assert_eq!(ring(&app, &agent).await.pair(), "rate_limit_exceeded.concurrent_calls");
}

#[tokio::test]
async fn a_call_that_the_carrier_refuses_costs_nothing() {
    let app = in_trial().await;
    let agent = app.agent_that_calls().await;
    app.carrier
        .set(testkit::Outcome::Fails(domain::ProviderFault::Rejected));
    assert_eq!(ring(&app, &agent).await.pair(), "provider_error.rejected");
    let shown = billing(&app).await;
    assert_eq!((&shown["balance"], &shown["reserved"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn calls_at_once_never_spend_more_than_there_is() {
    let app = paying(|rules| rules.trial_credits = Credits::whole(5)).await;
    app.client().post("/api/v1/billing/trial", &json!({})).await.ok();
    let agent = app.agent_that_calls().await;
    let rings = (0..9).map(|_| ring(&app, &agent));
    let answers = futures_util::future::join_all(rings).await;
    let placed = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(placed, 5);
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status != 201)
            .all(|answer| answer.pair() == "payment_required.insufficient_credits")
    );
    assert_eq!(billing(&app).await["balance"], 0);
}

#[tokio::test]
async fn usage_counts_by_day_and_refuses_what_is_no_day() {
    let app = TestApp::start().await;
    let call = app.call().await;
    app.clock.advance(Duration::from_mins(1));
    end(&app.client(), &call).await;
    app.client().delete(&format!("/calls/{call}")).await.ok();
    let usage = app
        .client()
        .get("/api/v1/usage?from=2026-02-04&to=2026-02-04")
        .await
        .data();
    assert_eq!(
        usage["days"],
        json!([{ "date": "2026-02-04", "calls": 1, "seconds": 60, "credits": 1 }])
    );
    let none = app
        .client()
        .get("/api/v1/usage?from=2026-02-05&to=2026-02-06")
        .await
        .data();
    assert_eq!((&none["days"], &none["total"]["calls"]), (&json!([]), &json!(0)));
    for (query, fault) in [
        ("from=yesterday", ("?from", "invalid_format")),
        ("to=2026-02-30", ("?to", "invalid_format")),
        ("from=2026-02-05&to=2026-02-04", ("?from", "out_of_range")),
        ("from=2024-02-05&to=2026-02-04", ("?from", "out_of_range")),
    ] {
        let refused = app.client().get(&format!("/api/v1/usage?{query}")).await;
        assert_eq!(refused.faults(), [(fault.0.to_owned(), fault.1.to_owned())], "{query}");
    }
}

#[tokio::test]
async fn operators_give_credits_and_start_and_stop_what_others_spend_by() {
    let app = paying(|_| {}).await;
    let operator = app.operator().await;
    let base = format!("/api/operator/v1/organizations/{}", app.scope.organization);
    let post = async |path: &str, body: Value| operator.post(&format!("{base}/{path}"), &body).await;
    let entry = post("credits/grant", json!({ "credits": 2.5, "note": "Welcome" }))
        .await
        .data();
    assert_eq!((&entry["balance"], &entry["note"]), (&json!(2.5), &json!("Welcome")));
    for (path, standing) in [
        ("trial/start", "trialing"),
        ("trial/stop", "trial_expired"),
        ("subscription/start", "active"),
        ("subscription/past-due", "past_due"),
        ("subscription/start", "active"),
        ("subscription/stop", "inactive"),
    ] {
        assert_eq!(post(path, json!({})).await.data()["standing"], standing, "{path}");
    }
    let again = post("subscription/stop", json!({})).await;
    assert_eq!(again.pair(), "validation_error.invalid_state");
    assert_eq!(operator.get(&format!("{base}/billing")).await.data()["balance"], 102.5);
    assert_eq!(
        operator.get(&format!("{base}/credits")).await.json()["pagination"]["total"],
        2
    );
    let nobody = "/api/operator/v1/organizations/0199aaaa-0000-7000-8000-000000000000/billing";
    assert_eq!(operator.get(nobody).await.pair(), "not_found.resource_not_found");
    let fraction = post("credits/grant", json!({ "credits": 0.000_000_5 })).await;
    assert_eq!(fraction.pair(), "validation_error.invalid_fields");
    let log = app.client().get("/api/v1/audit-log").await.json();
    let actions: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(
        actions.iter().filter(|action| **action == "credits.granted").count(),
        1,
        "{actions:?}"
    );
    let forbidden = app.client().get(&format!("{base}/billing")).await;
    assert_eq!(forbidden.pair(), "forbidden.insufficient_scope");
}

#[tokio::test]
async fn operators_posts_without_a_body_are_as_those_with_an_empty_object() {
    let app = paying(|_| {}).await;
    let operator = app.operator().await;
    let base = format!("/api/operator/v1/organizations/{}", app.scope.organization);
    let bare = async |path: &str| {
        operator
            .send(operator.request(Method::POST, &format!("{base}/{path}")))
            .await
    };
    for (path, standing) in [
        ("trial/start", "trialing"),
        ("trial/stop", "trial_expired"),
        ("subscription/start", "active"),
        ("subscription/past-due", "past_due"),
        ("subscription/stop", "inactive"),
    ] {
        assert_eq!(bare(path).await.data()["standing"], standing, "{path}");
    }
    assert_eq!(bare("credits/grant").await.pair(), "bad_request.unsupported_media_type");
}

#[tokio::test]
async fn gifts_at_the_same_moment_all_come() {
    let app = paying(|_| {}).await;
    let operator = app.operator().await;
    let path = format!(
        "/api/operator/v1/organizations/{}/credits/grant",
        app.scope.organization
    );
    let gifts = (0..50).map(|_| async { operator.post(&path, &json!({ "credits": 2 })).await.status });
    let answers = futures_util::future::join_all(gifts).await;
    assert_eq!(answers, [200; 50]);
    assert_eq!(billing(&app).await["balance"], 100);
}

#[tokio::test]
async fn a_gift_is_given_once_under_its_name_and_only_as_long_as_there_is_room() {
    let app = paying(|_| {}).await;
    let change = Change::by_system(app.scope);
    let give = async |credits: f64, name: &str| {
        let grant = CreditsGrant { credits, note: None };
        app.billing.credits_grant(&change, grant, Some(name.to_owned())).await
    };
    assert!(give(5.0, "one").await.unwrap().is_new);
    assert!(!give(5.0, "one").await.unwrap().is_new);
    let other = give(6.0, "one").await.unwrap_err();
    assert!(
        matches!(
            other,
            domain::Error::Rule {
                reason: contract::Reason::InvalidState,
                ..
            }
        ),
        "{other:?}"
    );
    let log = app
        .client()
        .get("/api/v1/audit-log?action=credits.granted")
        .await
        .json();
    assert_eq!(log["pagination"]["total"], 1);
    let operator = app.operator().await;
    let path = format!(
        "/api/operator/v1/organizations/{}/credits/grant",
        app.scope.organization
    );
    let refused = operator.post(&path, &json!({ "credits": 999_999_996 })).await;
    assert_eq!(refused.faults(), [("/credits".to_owned(), "out_of_range".to_owned())]);
    let given = operator.post(&path, &json!({ "credits": 999_999_995 })).await;
    assert_eq!(given.data()["balance"], 1_000_000_000);
}
