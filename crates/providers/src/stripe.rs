//! What Stripe tells through its webhook: whether it is Stripe that says so, and what it means.
//!
//! Never calls Stripe: everything that matters is in the events. Fields are looked for where older and newer versions
//! of Stripe's API put them.

use std::collections::HashMap;

use contract::{Credits, OrganizationId, Timestamp};
use domain::billing::{BillingEvent, BillingEvents, EventRefusal, News, SubscriptionState};
use ring::hmac;
use serde_json::Value;

use crate::Secret;

/// Name in events and records.
const PROVIDER: &str = "stripe";
/// How far the time of a signature may be from ours, as Stripe's own libraries have it.
const TOLERANCE_MS: i64 = 300_000;
/// More signatures than during any change of secrets.
const SIGNATURES_MAX: usize = 16;

/// What Stripe is known by and what its prices stand for.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// The signing secret of the webhook's endpoint, `whsec_…`.
    pub webhook_secret: Secret,
    /// What is bought at a price, by Stripe's id of the price.
    pub prices: HashMap<String, StripePrice>,
}

/// What is bought at a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StripePrice {
    /// Name of the plan, for a subscription.
    pub plan: Option<String>,
    /// Credits that come with each payment.
    pub credits: Credits,
}

/// Reads what comes to the webhook.
pub struct Stripe {
    key: hmac::Key,
    prices: HashMap<String, StripePrice>,
}

impl Stripe {
    /// For the endpoint with this secret.
    pub fn new(config: StripeConfig) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, config.webhook_secret.expose().as_bytes()),
            prices: config.prices,
        }
    }

    /// Whether one of the signatures is ours, and not of another time. The time counts only once it is known to be
    /// Stripe's.
    fn check(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), EventRefusal> {
        let header = signature.ok_or(EventRefusal::Unsigned)?;
        let (seconds, signatures) = signatures_of(header).ok_or(EventRefusal::Malformed)?;
        let signed = [seconds.as_bytes(), b".", body].concat();
        if !signatures
            .iter()
            .any(|given| hmac::verify(&self.key, &signed, given).is_ok())
        {
            return Err(EventRefusal::Forged);
        }
        let signed_at = seconds
            .parse::<i64>()
            .ok()
            .and_then(|seconds| seconds.checked_mul(1000));
        match signed_at {
            Some(at) if at.abs_diff(now.millis()) <= TOLERANCE_MS as u64 => Ok(()),
            _ => Err(EventRefusal::Expired),
        }
    }

    fn event(&self, event: &Value) -> Option<BillingEvent> {
        let object = event.pointer("/data/object")?;
        let news = match text(event, "/type")? {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => self.checkout(object),
            "customer.subscription.created" | "customer.subscription.updated" => self.subscription(object, None),
            "customer.subscription.deleted" => self.subscription(object, Some(SubscriptionState::Closed)),
            "invoice.paid" => self.invoice_paid(object),
            "invoice.payment_failed" => payment(object, false).into_iter().collect(),
            "invoice_payment.paid" => same_payment(object).into_iter().collect(),
            "charge.refunded" => refunded(object).into_iter().collect(),
            _ => return None,
        };
        let id = text(event, "/id")?;
        Some(BillingEvent {
            provider: PROVIDER.to_owned(),
            id: id.to_owned(),
            at: seconds(event, "/created")?,
            // Who paid as a guest is known by the payment alone.
            customer: id_at(object, "/customer").map(ToOwned::to_owned),
            organization: organization(object),
            news,
        })
    }

    fn checkout(&self, session: &Value) -> Vec<News> {
        let is_payment = text(session, "/mode") == Some("payment") && text(session, "/payment_status") == Some("paid");
        if !is_payment {
            return Vec::new();
        }
        let quantity = text(session, "/metadata/quantity")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1);
        let priced = text(session, "/metadata/price").map(|price| self.credits(price).times(quantity));
        let credits = priced.or_else(|| text(session, "/metadata/credits")?.parse().ok());
        let references = names(session, &["/payment_intent", "/invoice", "/id"]);
        vec![News::Bought {
            credits: credits.unwrap_or_default(),
            references,
        }]
    }

    fn subscription(&self, subscription: &Value, state: Option<SubscriptionState>) -> Vec<News> {
        let state = state.or_else(|| state_of(text(subscription, "/status")?));
        let (Some(id), Some(state)) = (text(subscription, "/id"), state) else {
            return Vec::new();
        };
        let items = subscription.pointer("/items/data").and_then(Value::as_array);
        let plans = items.into_iter().flatten().filter_map(|item| {
            let price = id_at(item, "/price").or_else(|| id_at(item, "/plan"))?;
            self.prices.get(price)?.plan.clone()
        });
        let ended = seconds(subscription, "/ended_at").or_else(|| seconds(subscription, "/cancel_at"));
        vec![News::Subscription {
            id: id.to_owned(),
            state,
            plan: plans.into_iter().next(),
            started_at: seconds(subscription, "/start_date")
                .or_else(|| seconds(subscription, "/created"))
                .unwrap_or(Timestamp::from_millis(0)),
            ends_at: ended,
        }]
    }

    fn invoice_paid(&self, invoice: &Value) -> Vec<News> {
        if invoice.pointer("/lines/has_more").and_then(Value::as_bool) == Some(true) {
            let id = text(invoice, "/id");
            tracing::error!(
                invoice = id,
                "an event holds only the first lines of an invoice; the others bring no credits"
            );
        }
        let lines = invoice.pointer("/lines/data").and_then(Value::as_array);
        let credits = lines.into_iter().flatten().map(|line| self.line(line));
        let credits = credits.fold(Credits::ZERO, Credits::plus);
        let mut references = names(invoice, &["/id", "/payment_intent", "/charge"]);
        let payments = invoice.pointer("/payments/data").and_then(Value::as_array);
        for made in payments.into_iter().flatten() {
            references.extend(names(made, &["/payment/payment_intent", "/payment/charge"]));
        }
        let bought = News::Bought { credits, references };
        payment(invoice, true).into_iter().chain([bought]).collect()
    }

    /// What a line of an invoice buys. Lines that set a change of plans off against each other buy nothing, and nor do
    /// those that cost nothing: the beginning of a trial at Stripe, or what a coupon pays in full.
    fn line(&self, line: &Value) -> Credits {
        if !costs_something(line) {
            return Credits::ZERO;
        }
        let is_proration = ["/proration", "/parent/subscription_item_details/proration"]
            .iter()
            .any(|at| line.pointer(at).and_then(Value::as_bool) == Some(true));
        let price = id_at(line, "/price").or_else(|| id_at(line, "/pricing/price_details/price"));
        let Some(price) = price.filter(|_| !is_proration) else {
            return Credits::ZERO;
        };
        let quantity = line.pointer("/quantity").and_then(Value::as_i64).unwrap_or(1);
        self.credits(price).times(quantity.max(0))
    }

    fn credits(&self, price: &str) -> Credits {
        if let Some(known) = self.prices.get(price) {
            return known.credits;
        }
        tracing::warn!(price, "a payment at a price that is not configured brings no credits");
        Credits::ZERO
    }
}

impl BillingEvents for Stripe {
    fn looks_signed(&self, signature: Option<&str>) -> Result<(), EventRefusal> {
        let header = signature.ok_or(EventRefusal::Unsigned)?;
        signatures_of(header).map(drop).ok_or(EventRefusal::Malformed)
    }

    fn read(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<Option<BillingEvent>, EventRefusal> {
        self.check(signature, body, now)?;
        let event: Value = serde_json::from_slice(body).map_err(|error| EventRefusal::Unreadable {
            line: error.line(),
            column: error.column(),
        })?;
        Ok(self
            .event(&event)
            .filter(|event| !event.news.is_empty() || event.organization.is_some()))
    }
}

/// `t=…,v1=…,v1=…`: the time as it was signed, and the signatures of the scheme that counts.
fn signatures_of(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let (mut seconds, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        match name {
            "t" => seconds = Some(value),
            "v1" if signatures.len() < SIGNATURES_MAX => signatures.extend(bytes_of(value)),
            _ => {}
        }
    }
    let seconds = seconds.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    (!signatures.is_empty()).then_some((seconds, signatures))
}

/// From hexadecimal digits.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

fn state_of(status: &str) -> Option<SubscriptionState> {
    Some(match status {
        "active" | "trialing" => SubscriptionState::Active,
        "past_due" => SubscriptionState::PastDue,
        "unpaid" | "paused" => SubscriptionState::Suspended,
        "canceled" => SubscriptionState::Closed,
        "incomplete" | "incomplete_expired" => SubscriptionState::Pending,
        _ => return None,
    })
}

fn payment(invoice: &Value, succeeded: bool) -> Option<News> {
    let subscription = id_at(invoice, "/subscription")
        .or_else(|| id_at(invoice, "/parent/subscription_details/subscription"))?
        .to_owned();
    Some(News::Payment {
        subscription,
        invoice: text(invoice, "/id").map(ToOwned::to_owned),
        succeeded,
    })
}

/// Whether anything is left of a line's amount once its discounts are taken off.
fn costs_something(line: &Value) -> bool {
    let Some(amount) = line.pointer("/amount").and_then(Value::as_i64) else {
        return true;
    };
    let discounts = line.pointer("/discount_amounts").and_then(Value::as_array);
    let discounts = discounts.into_iter().flatten();
    let off = discounts.filter_map(|discount| discount.pointer("/amount")?.as_i64());
    amount > off.fold(0, i64::saturating_add)
}

/// By which payment an invoice was paid. Newer versions of the API say so here alone.
fn same_payment(payment: &Value) -> Option<News> {
    let invoice = id_at(payment, "/invoice")?.to_owned();
    let by = names(payment, &["/payment/payment_intent", "/payment/charge"]);
    let references: Vec<_> = [invoice].into_iter().chain(by).collect();
    (references.len() > 1).then_some(News::SamePayment { references })
}

fn refunded(charge: &Value) -> Option<News> {
    Some(News::GivenBack {
        references: names(charge, &["/payment_intent", "/invoice", "/id"]),
        returned: charge.pointer("/amount_refunded")?.as_i64()?,
        paid: charge.pointer("/amount")?.as_i64()?,
    })
}

/// Whom an object names as its organisation: what our merchant wrote into it.
fn organization(object: &Value) -> Option<OrganizationId> {
    let places = [
        "/metadata/organization_id",
        "/client_reference_id",
        "/subscription_details/metadata/organization_id",
        "/parent/subscription_details/metadata/organization_id",
    ];
    places.iter().find_map(|at| text(object, at)?.parse().ok())
}

fn names(object: &Value, places: &[&str]) -> Vec<String> {
    let found = places.iter().filter_map(|at| id_at(object, at));
    found.map(ToOwned::to_owned).collect()
}

fn text<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at)?.as_str()
}

/// An id, or that of an object which stands in its place.
fn id_at<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    let found = value.pointer(at)?;
    found.as_str().or_else(|| found.get("id")?.as_str())
}

fn seconds(value: &Value, at: &str) -> Option<Timestamp> {
    let seconds = value.pointer(at)?.as_i64()?;
    seconds.checked_mul(1000).map(Timestamp::from_millis)
}
