//! An organisation's account: what it may spend follows from dates and a balance, and from nothing that runs.

use std::time::Duration;

use contract::{Credits, LedgerKind, Standing, Timestamp, Trial};
use serde::{Deserialize, Serialize};

use super::Subscriptions;

/// Unpaid invoices that are told apart.
const UNPAID_MAX: usize = 8;

/// An organisation's account as the store keeps it. One that was never written is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Credits there are to spend.
    pub available: Credits,
    /// Credits that are held.
    pub reserved: Credits,
    /// The trial, once it was started.
    pub trial: Option<Trial>,
    /// The subscriptions that there are and were.
    pub subscriptions: Subscriptions,
    /// Counts changes of everything here but the credits.
    pub version: i64,
}

/// A subscription as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// Name of the plan, where one is known.
    pub plan: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Since when a payment is missing.
    pub past_due_since: Option<Timestamp>,
    /// When it ends or ended, if it does.
    pub ends_at: Option<Timestamp>,
    /// Whether it ended for good: a provider's subscription never comes back to life.
    pub is_closed: bool,
    /// The provider's own id of it, where a provider drives it.
    pub provider_id: Option<String>,
    /// When the last of what is known of it happened.
    pub as_of: Timestamp,
    /// Invoices of which it is known that they are not paid, while a payment is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpaid: Vec<String>,
}

/// Who an organisation is to a payment provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The provider, such as `stripe`.
    pub provider: String,
    /// The provider's own id.
    pub id: String,
}

impl SubscriptionRecord {
    /// One that begins now.
    pub fn starting(plan: Option<String>, now: Timestamp) -> Self {
        Self {
            plan,
            started_at: now,
            past_due_since: None,
            ends_at: None,
            is_closed: false,
            provider_id: None,
            as_of: now,
            unpaid: Vec::new(),
        }
    }

    /// When the days of grace are over, while a payment is missing.
    pub fn grace_ends_at(&self, grace: Duration) -> Option<Timestamp> {
        self.past_due_since.map(|since| later_by(since, grace))
    }

    /// Ends for good, at the earliest end that is known.
    pub(super) fn close(&mut self, ends_at: Timestamp, at: Timestamp) {
        self.ends_at = Some(self.ends_at.map_or(ends_at, |known| known.min(ends_at)));
        self.is_closed = true;
        self.as_of = self.as_of.max(at);
    }

    /// A payment came. That of another invoice than the one that is missing mends nothing.
    pub(super) fn paid(mut self, invoice: Option<&str>, at: Timestamp) -> Self {
        if self.is_closed {
            return self;
        }
        self.as_of = at;
        let was_missing = self.unpaid.len();
        self.unpaid
            .retain(|missing| invoice.is_some_and(|paid| paid != missing));
        if invoice.is_none() || (was_missing > 0 && self.unpaid.is_empty()) {
            self.past_due_since = None;
        }
        self
    }

    /// A payment failed. The days of grace count from the first failure.
    pub(super) fn unpaid(mut self, invoice: Option<&str>, at: Timestamp) -> Self {
        if self.is_closed {
            return self;
        }
        self.as_of = at;
        self.past_due_since.get_or_insert(at);
        let is_known = invoice.is_none_or(|invoice| self.unpaid.iter().any(|missing| missing == invoice));
        if !is_known && self.unpaid.len() < UNPAID_MAX {
            self.unpaid.extend(invoice.map(ToOwned::to_owned));
        }
        self
    }

    pub(super) fn standing(&self, now: Timestamp, grace: Duration) -> Standing {
        if self.ends_at.is_some_and(|at| at <= now) {
            return Standing::Inactive;
        }
        match self.grace_ends_at(grace) {
            None => Standing::Active,
            Some(end) if now < end => Standing::PastDue,
            Some(_) => Standing::Inactive,
        }
    }
}

impl Account {
    /// Whether the organisation may spend now. A subscription, even one that ended, counts before the trial.
    pub fn standing(&self, now: Timestamp, grace: Duration) -> Standing {
        match (self.subscriptions.counting(now, grace), self.trial) {
            (Some(subscription), _) => subscription.standing(now, grace),
            (None, None) => Standing::TrialNotStarted,
            (None, Some(trial)) if now < trial.ends_at => Standing::Trialing,
            (None, Some(_)) => Standing::TrialExpired,
        }
    }
}

/// A time some time later.
pub(super) fn later_by(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.millis().saturating_add(by))
}

/// A time some time earlier.
pub(super) fn earlier_by(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.millis().saturating_sub(by))
}

/// Credits that come in or are taken back, once for each operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Names what happened; a second posting of the same name changes nothing.
    pub operation: String,
    /// `Grant`, `Purchase` or `Refund`.
    pub kind: LedgerKind,
    /// How much. A refund takes no more than there is; one of a purchase says how much is to be taken back in all.
    pub amount: Credits,
    /// For people.
    pub note: Option<String>,
    /// Names by which the provider calls a purchase; a refund names it by one of them. A purchase of which one name is
    /// known was made before, whatever the name of its operation.
    pub references: Vec<String>,
    /// Of a refund: the operation of the purchase.
    pub of: Option<String>,
}

/// A purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Of its posting.
    pub operation: String,
    /// Bought.
    pub credits: Credits,
}

/// Another name of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseName {
    /// The purchase.
    pub purchase: Purchase,
    /// What a provider calls it too.
    pub reference: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn day(number: i64) -> Timestamp {
        Timestamp::from_millis(number * 86_400_000)
    }

    #[test]
    fn standing_follows_from_dates_alone() {
        let mut account = Account::default();
        let standing = |account: &Account, now| account.standing(day(now), DAY * 3);
        assert_eq!(standing(&account, 0), Standing::TrialNotStarted);
        account.trial = Some(Trial {
            started_at: day(1),
            ends_at: day(8),
        });
        assert_eq!(standing(&account, 7), Standing::Trialing);
        assert_eq!(standing(&account, 8), Standing::TrialExpired);
        let edit = |change: fn(&mut SubscriptionRecord)| {
            let mut subscription = SubscriptionRecord::starting(None, day(9));
            change(&mut subscription);
            Account {
                subscriptions: Subscriptions::kept(None, Some(subscription)),
                ..account.clone()
            }
        };
        assert_eq!(standing(&edit(|_| ()), 400), Standing::Active);
        let past_due = edit(|subscription| subscription.past_due_since = Some(day(10)));
        assert_eq!(standing(&past_due, 12), Standing::PastDue);
        assert_eq!(standing(&past_due, 13), Standing::Inactive);
        let ended = edit(|subscription| subscription.ends_at = Some(day(20)));
        assert_eq!(standing(&ended, 19), Standing::Active);
        assert_eq!(standing(&ended, 20), Standing::Inactive);
    }
}
