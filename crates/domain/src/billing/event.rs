//! What payment providers tell, in words of ours. Whoever made it, it may come late, twice, or in the wrong order.

use std::collections::BTreeSet;

use contract::{Credits, LedgerKind, OrganizationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Subscriptions,
    account::{Customer, Posting, Purchase, PurchaseName},
    subscriptions::{Fact, What},
};

/// Something that happened at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingEvent {
    /// The provider, such as `stripe`.
    pub provider: String,
    /// The provider's own id: an event is taken once.
    pub id: String,
    /// When it happened there.
    pub at: Timestamp,
    /// The provider's own id of who it is about; a guest has none.
    pub customer: Option<String>,
    /// Whose customer that is, where the event says so.
    pub organization: Option<OrganizationId>,
    /// What happened.
    pub news: Vec<News>,
}

/// One thing that an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// How a subscription stands.
    Subscription {
        /// The provider's own id of it.
        id: String,
        /// How it stands.
        state: SubscriptionState,
        /// Name of the plan, where one is configured for what is paid.
        plan: Option<String>,
        /// When it began.
        started_at: Timestamp,
        /// When it will end, if that is known.
        ends_at: Option<Timestamp>,
    },
    /// A payment of a subscription came or failed.
    Payment {
        /// The provider's own id of the subscription.
        subscription: String,
        /// What was to be paid, where that is known.
        #[serde(default)]
        invoice: Option<String>,
        /// Whether it came.
        succeeded: bool,
    },
    /// Credits were bought.
    Bought {
        /// How many.
        credits: Credits,
        /// Names by which the provider may call this purchase later; the first one is its own.
        references: Vec<String>,
    },
    /// These are names of one and the same payment.
    SamePayment {
        /// The first one is that of the purchase.
        references: Vec<String>,
    },
    /// So much of a payment was given back in all.
    GivenBack {
        /// Names of the payment, first the one by which it is known best.
        references: Vec<String>,
        /// Given back so far, in the smallest unit of the currency.
        returned: i64,
        /// Of so much.
        paid: i64,
    },
}

/// How a provider's subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Its first payment is not there yet.
    Pending,
    /// Paid.
    Active,
    /// A payment is missing.
    PastDue,
    /// Stopped until somebody pays or resumes it.
    Suspended,
    /// Over for good.
    Closed,
}

/// Why what a provider sent is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventRefusal {
    /// It is not signed.
    #[error("no signature")]
    Unsigned,
    /// The signature can't be read.
    #[error("a signature that can't be read")]
    Malformed,
    /// The signature is somebody else's.
    #[error("a signature that does not match")]
    Forged,
    /// It was signed too long ago, or in the future.
    #[error("a signature of another time")]
    Expired,
    /// What was signed can't be read.
    #[error("a body that can't be read, line {line}, column {column}")]
    Unreadable {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
}

/// What follows from an event.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Credits that move.
    pub(super) postings: Vec<Posting>,
    /// Names by which purchases are known from now on.
    pub(super) names: Vec<PurchaseName>,
    /// Whether some subscription stands otherwise than before.
    pub(super) changes_standing: bool,
}

impl BillingEvent {
    /// Who it is about.
    pub fn customer(&self) -> Option<Customer> {
        let id = self.customer.clone()?;
        let provider = self.provider.clone();
        Some(Customer { provider, id })
    }

    /// Names of the payment that it is about, where it can only be understood once its purchase is known.
    pub(super) fn needs_purchase(&self) -> Option<&[String]> {
        self.news.iter().find_map(|news| match news {
            News::GivenBack { references, .. } | News::SamePayment { references } => Some(references.as_slice()),
            News::Subscription { .. } | News::Payment { .. } | News::Bought { .. } => None,
        })
    }

    /// What it waits for when it comes too early: a payment, or a customer to become somebody's.
    pub fn waits_for(&self) -> &str {
        let payment = self.needs_purchase().and_then(|references| references.first());
        let name = payment.or(self.customer.as_ref());
        name.or_else(|| self.names().next()).unwrap_or(&self.id)
    }

    /// What others may have waited for that came with it.
    pub(super) fn brings(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.customer.iter().chain(self.names()).collect();
        names.into_iter().cloned().collect()
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.news.iter().flat_map(|news| match news {
            News::Bought { references, .. } | News::GivenBack { references, .. } | News::SamePayment { references } => {
                references.as_slice()
            }
            News::Subscription { .. } | News::Payment { .. } => &[],
        })
    }

    /// Changes the subscriptions by what the event says; what else follows comes back. `purchase` is what
    /// [`Self::needs_purchase`] names.
    pub(super) fn apply(&self, subscriptions: &mut Subscriptions, purchase: Option<&Purchase>) -> Effects {
        let mut effects = Effects::default();
        for news in &self.news {
            match news {
                News::Subscription { id, .. } | News::Payment { subscription: id, .. } => {
                    let fact = self.fact(news);
                    let changed = fact.is_some_and(|fact| subscriptions.tell(id, fact));
                    effects.changes_standing |= changed;
                }
                News::Bought { credits, references } => effects.postings.extend(self.bought(*credits, references)),
                News::SamePayment { references } => {
                    effects
                        .names
                        .extend(purchase.into_iter().flat_map(|purchase| named(purchase, references)));
                }
                News::GivenBack { returned, paid, .. } => {
                    let given = purchase.and_then(|purchase| self.given(purchase, *returned, *paid));
                    effects.postings.extend(given);
                }
            }
        }
        effects
    }

    fn fact(&self, news: &News) -> Option<Fact> {
        let what = match news.clone() {
            News::Subscription {
                state,
                plan,
                started_at,
                ends_at,
                ..
            } => What::Stands {
                state,
                plan,
                started_at,
                ends_at,
            },
            News::Payment { invoice, succeeded, .. } if succeeded => What::Paid { invoice },
            News::Payment { invoice, .. } => What::Unpaid { invoice },
            News::Bought { .. } | News::SamePayment { .. } | News::GivenBack { .. } => return None,
        };
        Some(Fact { at: self.at, what })
    }

    fn bought(&self, credits: Credits, references: &[String]) -> Option<Posting> {
        let own = references.first()?;
        credits.is_positive().then(|| Posting {
            operation: format!("{}:{own}", self.provider),
            kind: LedgerKind::Purchase,
            amount: credits,
            note: None,
            references: references.to_vec(),
            of: None,
        })
    }

    /// In the proportion in which money was given back, all of it so far.
    fn given(&self, purchase: &Purchase, returned: i64, paid: i64) -> Option<Posting> {
        let part = i128::from(purchase.credits.micros()) * i128::from(returned.clamp(0, paid.max(0)))
            / i128::from(paid.max(1));
        let due = Credits::from_micros(i64::try_from(part).unwrap_or(i64::MAX));
        due.is_positive().then(|| Posting {
            operation: format!("{}:{}", self.provider, self.id),
            kind: LedgerKind::Refund,
            amount: due,
            note: None,
            references: Vec::new(),
            of: Some(purchase.operation.clone()),
        })
    }
}

fn named(purchase: &Purchase, references: &[String]) -> Vec<PurchaseName> {
    let name = |reference: &String| PurchaseName {
        purchase: purchase.clone(),
        reference: reference.clone(),
    };
    references.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, news: Vec<News>) -> BillingEvent {
        BillingEvent {
            provider: "stripe".to_owned(),
            id: format!("evt_{at}"),
            at: Timestamp::from_millis(at),
            customer: Some("cus_1".to_owned()),
            organization: None,
            news,
        }
    }

    fn given_back(returned: i64, paid: i64) -> News {
        News::GivenBack {
            references: vec!["pi_1".to_owned(), "in_1".to_owned()],
            returned,
            paid,
        }
    }

    #[test]
    fn money_given_back_is_credits_in_proportion() {
        let purchase = Purchase {
            operation: "stripe:in_1".to_owned(),
            credits: Credits::whole(100),
        };
        let back = |returned, paid| {
            let event = event(1, vec![given_back(returned, paid)]);
            let effects = event.apply(&mut Subscriptions::default(), Some(&purchase));
            effects.postings.into_iter().map(|posting| posting.amount).next()
        };
        assert_eq!(back(500, 2000), Some(Credits::whole(25)));
        assert_eq!(back(2000, 2000), Some(Credits::whole(100)));
        assert_eq!(back(3000, 2000), Some(Credits::whole(100)));
        assert_eq!(back(0, 2000), None);
        assert_eq!(back(1, 0), None);
        assert_eq!(back(1, -1), None);
    }

    #[test]
    fn an_event_waits_for_a_payment_or_a_customer() {
        let refund = event(1, vec![given_back(1, 2)]);
        assert_eq!(refund.waits_for(), "pi_1");
        assert_eq!(refund.brings(), ["cus_1", "in_1", "pi_1"]);
        let subscription = "sub_1".to_owned();
        let payment = News::Payment {
            subscription,
            invoice: None,
            succeeded: true,
        };
        assert_eq!(event(1, vec![payment]).waits_for(), "cus_1");
        let guest = BillingEvent {
            customer: None,
            ..event(7, Vec::new())
        };
        assert_eq!(guest.waits_for(), "evt_7");
    }

    #[test]
    fn what_an_older_program_kept_is_still_understood() {
        let kept = r#"{ "provider": "stripe", "id": "evt_1", "at": "2026-02-04T12:00:00.000Z", "customer": "cus_1",
            "organization": null, "news": [{ "type": "payment", "subscription": "sub_1", "succeeded": true }] }"#;
        let event: BillingEvent = serde_json::from_str(kept).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(event.waits_for(), "cus_1");
    }
}
