//! What a payment provider says: signed, once each, in any order, about whom and what may become known later.

use std::{collections::HashMap, sync::Arc};

use contract::Credits;
use domain::billing::EventRefusal;
use ring::hmac;
use serde_json::{Value, json};
use testkit::{Answer, Secret, Stripe, StripeConfig, StripePrice, TestApp};

pub(crate) const SECRET: &str = "whsec_test";
pub(crate) const WEBHOOK: &str = "/api/billing/stripe/webhook";

async fn billing(app: &TestApp) -> Value {
    app.client().get("/api/v1/billing").await.data()
}

async fn balance(app: &TestApp) -> Value {
    billing(app).await["balance"].clone()
}

pub(crate) fn stripe() -> Stripe {
    let price = StripePrice {
        plan: Some("pro".to_owned()),
        credits: Credits::whole(100),
    };
    Stripe::new(StripeConfig {
        webhook_secret: Secret::new(SECRET),
        prices: HashMap::from([("price_pro".to_owned(), price)]),
    })
}

pub(crate) async fn with_stripe() -> TestApp {
    let builder = TestApp::builder().billing(|_| {});
    builder.billing_events(Arc::new(stripe())).start().await
}

pub(crate) fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: Vec<_> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={}", hex.concat())
}

pub(crate) async fn deliver(app: &TestApp, header: Option<&str>, body: &str) -> Answer {
    let client = app.client_with(None);
    let request = client.request("POST".parse().unwrap(), WEBHOOK).body(body.to_owned());
    let request = header
        .iter()
        .fold(request, |request, value| request.header("stripe-signature", *value));
    client.send(request).await
}

/// Seconds of the frozen clock.
pub(crate) fn now(app: &TestApp) -> i64 {
    domain::ports::Clock::now(&*app.clock).millis() / 1000
}

async fn told(app: &TestApp, event: &Value) -> Value {
    let body = event.to_string();
    let header = signature(SECRET, now(app), &body);
    deliver(app, Some(&header), &body).await.data()["outcome"].clone()
}

pub(crate) fn event(id: &str, kind: &str, created: i64, object: &Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "created": created, "data": { "object": object } })
}

fn subscription(app: &TestApp, status: &str) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "start_date": 1_770_000_000,
        "items": { "data": [{ "price": { "id": "price_pro" } }] },
        "metadata": { "organization_id": app.scope.organization },
    })
}

fn invoice(id: &str) -> Value {
    json!({
        "id": id, "object": "invoice", "customer": "cus_1", "subscription": "sub_1", "payment_intent": format!("pi_{id}"),
        "lines": { "data": [
            { "price": { "id": "price_pro" }, "quantity": 1, "proration": false },
            { "price": { "id": "price_pro" }, "quantity": 1, "proration": true },
        ] },
    })
}

#[tokio::test]
async fn only_what_stripe_signed_just_now_is_taken() {
    let app = with_stripe().await;
    let body = event("evt_1", "invoice.paid", now(&app), &invoice("in_1")).to_string();
    let good = signature(SECRET, now(&app), &body);
    let forged = signature("whsec_other", now(&app), &body);
    let old = signature(SECRET, now(&app) - 301, &body);
    let early = signature(SECRET, now(&app) + 301, &body);
    for (header, pair) in [
        (None, "unauthorized.missing_credentials"),
        (Some("nonsense"), "unauthorized.malformed_credentials"),
        (Some("t=1,v1="), "unauthorized.invalid_token"),
        (Some("t=,v1=00"), "unauthorized.malformed_credentials"),
        (Some(forged.as_str()), "unauthorized.invalid_token"),
        (Some(old.as_str()), "unauthorized.expired_token"),
        (Some(early.as_str()), "unauthorized.expired_token"),
    ] {
        assert_eq!(deliver(&app, header, &body).await.pair(), pair, "{header:?}");
    }
    let tampered = deliver(&app, Some(&good), &body.replace("in_1", "in_2")).await;
    assert_eq!(tampered.pair(), "unauthorized.invalid_token");
    let rolled = format!("{good},{}", forged.split_once(',').unwrap().1);
    deliver(&app, Some(&rolled), &body).await.ok();
    let text = "not json";
    let signed = signature(SECRET, now(&app), text);
    assert_eq!(
        deliver(&app, Some(&signed), text).await.pair(),
        "bad_request.malformed_json"
    );
    let unknown = event("evt_9", "customer.created", now(&app), &json!({ "id": "cus_9" }));
    assert_eq!(told(&app, &unknown).await, "ignored");
    let refusal: EventRefusal = EventRefusal::Forged;
    assert_eq!(refusal.to_string(), "a signature that does not match");
}

#[tokio::test]
async fn without_a_secret_there_is_no_webhook() {
    let app = TestApp::start().await;
    let refused = deliver(&app, Some("t=1,v1=00"), "{}").await;
    assert_eq!(refused.pair(), "not_found.route_not_found");
}

#[tokio::test]
async fn a_subscription_is_driven_by_events_in_any_order_and_each_once() {
    let app = with_stripe().await;
    let at = now(&app);
    let paid = event("evt_2", "invoice.paid", at - 50, &invoice("in_1"));
    assert_eq!(told(&app, &paid).await, "waiting", "nobody's customer yet");
    assert_eq!(billing(&app).await["standing"], "trial_not_started");
    let created = event(
        "evt_1",
        "customer.subscription.updated",
        at - 60,
        &subscription(&app, "active"),
    );
    assert_eq!(told(&app, &created).await, "applied");
    let shown = billing(&app).await;
    assert_eq!(
        (&shown["standing"], &shown["balance"], &shown["subscription"]["plan"]),
        (&json!("active"), &json!(100), &json!("pro")),
        "what waited was taken; lines of proration buy nothing"
    );
    assert_eq!(told(&app, &paid).await, "repeated");
    let other = event("evt_3", "invoice.paid", at - 50, &invoice("in_1"));
    assert_eq!(told(&app, &other).await, "applied");
    assert_eq!(
        billing(&app).await["balance"],
        100,
        "the same invoice under another event"
    );
    let failed = event("evt_4", "invoice.payment_failed", at - 20, &invoice("in_2"));
    assert_eq!(told(&app, &failed).await, "applied");
    assert_eq!(billing(&app).await["standing"], "past_due");
    let late = event(
        "evt_5",
        "customer.subscription.updated",
        at - 30,
        &subscription(&app, "active"),
    );
    assert_eq!(told(&app, &late).await, "applied");
    assert_eq!(billing(&app).await["standing"], "past_due", "old news change nothing");
    let gone = event(
        "evt_6",
        "customer.subscription.deleted",
        at - 10,
        &subscription(&app, "canceled"),
    );
    assert_eq!(told(&app, &gone).await, "applied");
    let revived = event(
        "evt_7",
        "customer.subscription.updated",
        at,
        &subscription(&app, "active"),
    );
    assert_eq!(told(&app, &revived).await, "applied");
    assert_eq!(
        billing(&app).await["standing"],
        "inactive",
        "what was cancelled stays so"
    );
}

#[tokio::test]
async fn credits_bought_once_are_taken_back_as_their_price_is_given_back() {
    let app = with_stripe().await;
    let at = now(&app);
    let refund = |id: &str, returned: i64| {
        let charge = json!({
            "id": "ch_1", "customer": "cus_1", "payment_intent": "pi_1", "amount": 2000, "amount_refunded": returned,
        });
        event(id, "charge.refunded", at, &charge)
    };
    assert_eq!(
        told(&app, &refund("evt_0", 500)).await,
        "waiting",
        "of a payment nobody knows"
    );
    let session = json!({
        "id": "cs_1", "customer": "cus_1", "client_reference_id": app.scope.organization, "mode": "payment",
        "payment_status": "paid", "payment_intent": "pi_1", "metadata": { "price": "price_pro", "quantity": "2" },
    });
    let bought = event("evt_1", "checkout.session.completed", at - 100, &session);
    assert_eq!(told(&app, &bought).await, "applied");
    assert_eq!(
        billing(&app).await["balance"],
        150,
        "200 bought, and a quarter of the price given back"
    );
    assert_eq!(told(&app, &refund("evt_2", 2000)).await, "applied");
    assert_eq!(billing(&app).await["balance"], 0);
    assert_eq!(told(&app, &refund("evt_3", 2000)).await, "applied");
    assert_eq!(billing(&app).await["balance"], 0);
    assert_eq!(app.billing.ledger_verify().await.unwrap().faults, Vec::<String>::new());
}

/// A subscription of another name, in a state.
fn another(app: &TestApp, id: &str, status: &str) -> Value {
    let mut subscription = subscription(app, status);
    subscription["id"] = json!(id);
    subscription
}

#[tokio::test]
async fn events_of_the_same_moment_are_all_taken_whichever_comes_first() {
    let app = with_stripe().await;
    let at = now(&app);
    for number in 0..20 {
        let customer = format!("cus_{number}");
        let of = |mut object: Value| {
            object["customer"] = json!(customer);
            object
        };
        let begun = of(another(&app, &format!("sub_{number}"), "active"));
        let begun = event(&format!("evt_a{number}"), "customer.subscription.created", at, &begun);
        let paid = of(invoice(&format!("in_{number}")));
        let paid = event(&format!("evt_b{number}"), "invoice.paid", at, &paid);
        tokio::join!(told(&app, &begun), told(&app, &paid));
        assert_eq!(balance(&app).await, 100 * (number + 1));
    }
}

#[tokio::test]
async fn a_repetition_takes_what_the_first_time_left_waiting() {
    let app = with_stripe().await;
    let at = now(&app);
    for number in 1..=3 {
        let paid = event(
            &format!("evt_{number}"),
            "invoice.paid",
            at,
            &invoice(&format!("in_{number}")),
        );
        assert_eq!(told(&app, &paid).await, "waiting");
    }
    // A program that died between taking an event and taking what waited for it.
    let begun = event(
        "evt_9",
        "customer.subscription.created",
        at,
        &subscription(&app, "active"),
    );
    let mut outsider = app.database.outsider().await;
    let events = "INSERT INTO billing_events (provider, id, customer, happened_at, received_at)
                  VALUES ('stripe', 'evt_9', 'cus_1', 1, 1)";
    let customers = "INSERT INTO billing_customers (provider, customer, organization_id)
                     SELECT 'stripe', 'cus_1', id FROM organizations";
    outsider.run(events).await;
    outsider.run(customers).await;
    assert_eq!(told(&app, &begun).await, "repeated");
    assert_eq!(balance(&app).await, 300);
}

#[tokio::test]
async fn what_waits_although_it_need_not_is_taken_by_the_next_round() {
    let app = with_stripe().await;
    let at = now(&app);
    let paid = event("evt_1", "invoice.paid", at, &invoice("in_1"));
    assert_eq!(told(&app, &paid).await, "waiting");
    assert_eq!(app.billing.events_sweep().await.unwrap(), 0);
    let mut outsider = app.database.outsider().await;
    let customers = "INSERT INTO billing_customers (provider, customer, organization_id)
                     SELECT 'stripe', 'cus_1', id FROM organizations";
    outsider.run(customers).await;
    assert_eq!(app.billing.events_sweep().await.unwrap(), 1);
    assert_eq!(balance(&app).await, 100);
    assert_eq!(app.billing.events_purge().await.unwrap(), 0);
    app.clock.advance(std::time::Duration::from_hours(36 * 24));
    assert_eq!(app.billing.events_purge().await.unwrap(), 1);
}

#[tokio::test]
async fn the_trouble_of_an_older_subscription_is_none_of_the_newer_one() {
    let app = with_stripe().await;
    let at = now(&app);
    let tell = async |id: &str, kind: &str, created: i64, object: &Value| {
        told(
            &app,
            &event(id, &format!("customer.subscription.{kind}"), created, object),
        )
        .await
    };
    tell("evt_1", "created", at - 90, &another(&app, "sub_1", "active")).await;
    tell("evt_2", "created", at - 80, &another(&app, "sub_2", "active")).await;
    for (id, status) in [("evt_3", "past_due"), ("evt_4", "unpaid"), ("evt_5", "paused")] {
        tell(id, "updated", at - 70, &another(&app, "sub_1", status)).await;
        assert_eq!(billing(&app).await["standing"], "active", "{status}");
    }
    tell("evt_6", "deleted", at - 60, &another(&app, "sub_2", "canceled")).await;
    assert_eq!(billing(&app).await["standing"], "inactive");
    // Its end comes before its beginning, and stays the end.
    tell("evt_8", "deleted", at - 40, &another(&app, "sub_3", "canceled")).await;
    tell("evt_7", "created", at - 50, &another(&app, "sub_3", "active")).await;
    assert_eq!(billing(&app).await["standing"], "inactive");
}

fn checkout(app: &TestApp, id: &str) -> Value {
    json!({
        "id": format!("cs_{id}"), "customer": null, "client_reference_id": app.scope.organization, "mode": "payment",
        "payment_status": "paid", "payment_intent": format!("pi_{id}"), "metadata": { "price": "price_pro" },
    })
}

#[tokio::test]
async fn a_checkout_that_also_makes_an_invoice_brings_its_credits_once() {
    for invoice_first in [false, true] {
        let app = with_stripe().await;
        let at = now(&app);
        let mut session = checkout(&app, "1");
        session["customer"] = json!("cus_1");
        session["invoice"] = json!("in_1");
        let session = event("evt_1", "checkout.session.completed", at, &session);
        // As newer versions of the API have it, without the payment.
        let paid = json!({
            "id": "in_1", "customer": "cus_1", "metadata": { "organization_id": app.scope.organization },
            "lines": { "data": [{ "amount": 2000, "pricing": { "price_details": { "price": "price_pro" } } }] },
        });
        let paid = event("evt_2", "invoice.paid", at, &paid);
        let both = if invoice_first {
            [&paid, &session]
        } else {
            [&session, &paid]
        };
        for told_now in both {
            assert_eq!(told(&app, told_now).await, "applied");
            assert_eq!(balance(&app).await, 100);
        }
        let charge =
            json!({ "id": "ch_1", "customer": "cus_1", "payment_intent": "pi_1", "amount": 20, "amount_refunded": 5 });
        assert_eq!(
            told(&app, &event("evt_3", "charge.refunded", at, &charge)).await,
            "applied"
        );
        assert_eq!(balance(&app).await, 75, "known by every name of either");
    }
}

#[tokio::test]
async fn what_a_guest_paid_is_taken_back_too() {
    let app = with_stripe().await;
    let at = now(&app);
    let refund = |id: &str, returned: i64| {
        let charge = json!({
            "id": "ch_1", "customer": null, "payment_intent": "pi_1", "amount": 2000, "amount_refunded": returned,
        });
        event(id, "charge.refunded", at, &charge)
    };
    assert_eq!(told(&app, &refund("evt_1", 500)).await, "waiting");
    let bought = event("evt_2", "checkout.session.completed", at, &checkout(&app, "1"));
    assert_eq!(told(&app, &bought).await, "applied");
    assert_eq!(balance(&app).await, 75);
    assert_eq!(told(&app, &refund("evt_3", 2000)).await, "applied");
    assert_eq!(balance(&app).await, 0);
}

#[tokio::test]
async fn a_payment_whose_invoice_is_told_apart_from_it_is_taken_back_in_every_order() {
    let app = with_stripe().await;
    let at = now(&app);
    let begun = event(
        "evt_0",
        "customer.subscription.created",
        at,
        &subscription(&app, "active"),
    );
    told(&app, &begun).await;
    let events = |number: usize| {
        let name = |kind: &str| format!("{kind}_{number}");
        let paid = json!({
            "id": name("in"), "customer": "cus_1",
            "lines": { "data": [{ "amount": 2000, "pricing": { "price_details": { "price": "price_pro" } } }] },
        });
        let same = json!({
            "id": name("inpay"), "invoice": name("in"),
            "payment": { "type": "payment_intent", "payment_intent": name("pi") },
        });
        let charge = json!({
            "id": name("ch"), "customer": "cus_1", "payment_intent": name("pi"), "amount": 2000, "amount_refunded": 2000,
        });
        [
            event(&name("evt_a"), "invoice.paid", at, &paid),
            event(&name("evt_b"), "invoice_payment.paid", at, &same),
            event(&name("evt_c"), "charge.refunded", at, &charge),
        ]
    };
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (number, order) in orders.into_iter().enumerate() {
        let events = events(number);
        for index in order {
            told(&app, &events[index]).await;
        }
        assert_eq!(balance(&app).await, 0, "{order:?}");
    }
    let ledger = app.client().get("/api/v1/billing/ledger").await.json();
    assert_eq!(ledger["pagination"]["total"], 12, "each bought and taken back");
}

#[tokio::test]
async fn refunds_at_the_same_moment_take_back_no_more_than_was_paid() {
    let app = with_stripe().await;
    let at = now(&app);
    for number in 0..10 {
        let (bought, kept) = (format!("b{number}"), format!("k{number}"));
        for id in [&bought, &kept] {
            let session = event(
                &format!("evt_{id}"),
                "checkout.session.completed",
                at,
                &checkout(&app, id),
            );
            told(&app, &session).await;
        }
        let refund = |id: &str, returned: i64| {
            let charge = json!({
                "id": format!("ch_{bought}"), "payment_intent": format!("pi_{bought}"), "amount": 2000,
                "amount_refunded": returned,
            });
            event(&format!("{id}_{bought}"), "charge.refunded", at, &charge)
        };
        let [part, all] = [refund("evt_p", 500), refund("evt_a", 2000)];
        tokio::join!(told(&app, &part), told(&app, &all));
        assert_eq!(balance(&app).await, 100 * (number + 1));
    }
}

#[tokio::test]
async fn what_costs_nothing_brings_nothing() {
    let app = with_stripe().await;
    let at = now(&app);
    told(
        &app,
        &event(
            "evt_0",
            "customer.subscription.created",
            at,
            &subscription(&app, "trialing"),
        ),
    )
    .await;
    let line = |amount: i64, off: i64| json!({ "price": { "id": "price_pro" }, "amount": amount, "discount_amounts": [{ "amount": off }] });
    for (id, line, credits) in [
        ("in_1", line(0, 0), 0),
        ("in_2", line(2000, 2000), 0),
        ("in_3", line(2000, 500), 100),
    ] {
        let paid = json!({ "id": id, "customer": "cus_1", "subscription": "sub_1", "lines": { "data": [line] } });
        told(&app, &event(&format!("evt_{id}"), "invoice.paid", at, &paid)).await;
        assert_eq!(balance(&app).await, credits, "{id}");
    }
}

#[tokio::test]
async fn the_log_says_what_the_provider_changed_and_in_which_request() {
    let app = with_stripe().await;
    let at = now(&app);
    let paid = event("evt_2", "invoice.paid", at, &invoice("in_1"));
    told(&app, &paid).await;
    let begun = event(
        "evt_1",
        "customer.subscription.created",
        at,
        &subscription(&app, "active"),
    );
    let body = begun.to_string();
    let answer = deliver(&app, Some(&signature(SECRET, at, &body)), &body).await;
    told(
        &app,
        &event(
            "evt_3",
            "customer.subscription.updated",
            at - 9,
            &subscription(&app, "active"),
        ),
    )
    .await;
    told(&app, &event("evt_4", "invoice.paid", at, &invoice("in_1"))).await;
    let log = app
        .client()
        .get("/api/v1/audit-log?action=billing.provider_event")
        .await
        .json();
    let seen = |entry: &Value| {
        assert_eq!(entry["actor"], json!({ "type": "provider", "id": "stripe" }));
        assert_eq!(
            (&entry["ip"], &entry["resource"]),
            (&json!("127.0.0.1"), &json!("billing_event"))
        );
        assert_eq!(entry["request_id"], json!(answer.header("x-request-id")));
        entry["resource_id"].clone()
    };
    let seen: Vec<_> = log["data"].as_array().unwrap().iter().map(seen).collect();
    assert_eq!(seen, ["evt_2", "evt_1"], "what was old news, or known, changed nothing");
}
