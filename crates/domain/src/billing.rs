//! Money: who may spend, what things cost, and a ledger that says where every credit went.
//!
//! Standing follows from dates, so nothing has to run for a trial to expire. Credits move only through the ledger:
//! what begins reserves, what goes on extends, what ends settles or releases. Where billing is off, everything is
//! metered and nothing refused.

mod account;
mod event;
mod meter;
mod operator;
mod ports;
mod providers;
mod subscriptions;
mod tariff;
mod unpaid;
mod usage;

use std::{sync::Arc, time::Duration};

use contract::{CallDirection, Credits, LedgerEntry, LedgerKind, Prices, Reason, Standing, Subscription, Trial};
use serde_json::json;

pub use self::{
    account::{Account, Customer, Posting, Purchase, PurchaseName, SubscriptionRecord},
    event::{BillingEvent, EventRefusal, News, SubscriptionState},
    meter::{Extended, Meter},
    operator::grant_faults,
    ports::{AccountWrite, BillingEvents, BillingStore, Extension, Held, LedgerReport, Posted, UsedDay, Written},
    providers::{Delivery, Taken},
    subscriptions::Subscriptions,
    tariff::{Payment, Tariff, billed_seconds, cost, seconds_for},
    unpaid::{PaymentPages, Shortfall, Unpaid},
};
use crate::{
    Alongside, Change, Error,
    change::SWAPS_MAX,
    ports::Clock,
    records::{Listing, Page, Scope},
};

/// What an operator decides about money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingRules {
    /// Whether anybody has to pay.
    pub enabled: bool,
    /// What things cost.
    pub prices: Prices,
    /// How long a trial is.
    pub trial: Duration,
    /// Credits that come with a trial.
    pub trial_credits: Credits,
    /// How long an organisation may spend on although a payment is missing.
    pub grace: Duration,
    /// How much more of a call is paid at a time while it goes on, in seconds.
    pub extend_seconds: u32,
    /// Where a person is sent who has to pay.
    pub pages: PaymentPages,
}

impl Default for BillingRules {
    fn default() -> Self {
        let minute = Credits::whole(1);
        Self {
            enabled: false,
            prices: Prices {
                inbound_per_minute: minute,
                outbound_per_minute: minute,
                webrtc_per_minute: minute,
                call_minimum_seconds: 60,
            },
            trial: Duration::from_hours(14 * 24),
            trial_credits: Credits::whole(100),
            grace: Duration::from_hours(7 * 24),
            extend_seconds: 30,
            pages: PaymentPages::default(),
        }
    }
}

/// Use cases of money.
#[derive(Clone)]
pub struct Billing {
    store: Arc<dyn BillingStore>,
    clock: Arc<dyn Clock>,
    rules: Arc<BillingRules>,
}

impl Billing {
    /// By these rules.
    pub fn new(store: Arc<dyn BillingStore>, clock: Arc<dyn Clock>, rules: BillingRules) -> Self {
        Self {
            store,
            clock,
            rules: Arc::new(rules),
        }
    }

    /// Whether anybody has to pay.
    pub fn is_enabled(&self) -> bool {
        self.rules.enabled
    }

    /// How the organisation stands.
    pub async fn billing_fetch(&self, scope: Scope) -> Result<contract::Billing, Error> {
        Ok(self.shown(&self.store.billing_account(scope).await?))
    }

    /// A page of the organisation's ledger.
    pub async fn ledger_list(&self, scope: Scope, page: Page) -> Result<Listing<LedgerEntry>, Error> {
        Ok(self.store.ledger_list(scope, page).await?)
    }

    /// Starts the organisation's trial, once, and gives the credits that come with it.
    pub async fn trial_begin(&self, change: &Change) -> Result<contract::Billing, Error> {
        let scope = change.scope;
        if change.made_before().is_some() {
            return self.billing_fetch(scope).await;
        }
        for _ in 0..SWAPS_MAX {
            let mut account = self.store.billing_account(scope).await?;
            let standing = self.standing(&account);
            if !self.rules.enabled {
                let message = "This server asks for no payment, so there is no trial to start.";
                return Err(Error::rule(
                    Reason::InvalidState,
                    message,
                    [("status", json!(standing))],
                ));
            }
            if standing != Standing::TrialNotStarted {
                let message = "The trial can be started once, and before any subscription.";
                return Err(Error::rule(
                    Reason::InvalidState,
                    message,
                    [("status", json!(standing))],
                ));
            }
            account.trial = Some(self.trial(self.rules.trial));
            let write = self.write(Some(account.clone()), vec![self.trial_posting()]);
            let mut after = account;
            after.available = after.available.plus(self.rules.trial_credits);
            let shown = self.shown(&after);
            let with = change.note(write.at, "trial.started", "organization", scope.organization)?;
            let with = change.answered(with, &shown)?;
            match self.store.billing_account_write(scope, &write, &with).await? {
                Written::Done(_) => {
                    change.stored(with);
                    return Ok(shown);
                }
                Written::TooMuch(balance) => return Err(too_much(balance)),
                Written::Stale | Written::SeenBefore => {}
            }
        }
        Err(too_busy())
    }

    /// Lets something begin that costs `required`: by the organisation's standing first, then by its credits. What
    /// holds the credits must still check, as others spend meanwhile.
    pub async fn may_spend(&self, scope: Scope, required: Credits) -> Result<(), Error> {
        if !self.rules.enabled {
            return Ok(());
        }
        let account = self.store.billing_account(scope).await?;
        if let Some(shortfall) = Shortfall::by_standing(self.standing(&account)) {
            return Err(self.unpaid(shortfall).into());
        }
        if account.available < required {
            let balance = account.available;
            return Err(self.unpaid(Shortfall::InsufficientCredits { balance, required }).into());
        }
        Ok(())
    }

    /// Where a person is sent who has to pay.
    pub fn pages(&self) -> &PaymentPages {
        &self.rules.pages
    }

    /// A refusal that says where a person can mend it.
    pub(crate) fn unpaid(&self, shortfall: Shortfall) -> Unpaid {
        shortfall.on(self.pages())
    }

    /// What a call costs and how its beginning is paid; with it why it must not begin, if it must not. The store
    /// tells the two apart from a limit that comes first.
    pub(crate) async fn call_tariff(
        &self,
        scope: Scope,
        direction: CallDirection,
    ) -> Result<(Tariff, Option<Unpaid>), Error> {
        let per_minute = self.rules.prices.per_minute(direction);
        let tariff = |payment| Tariff { per_minute, payment };
        if !self.rules.enabled {
            return Ok((tariff(Payment::Metered), None));
        }
        let account = self.store.billing_account(scope).await?;
        if let Some(shortfall) = Shortfall::by_standing(self.standing(&account)) {
            return Ok((tariff(Payment::Refused), Some(self.unpaid(shortfall))));
        }
        let minimum = cost(per_minute, i64::from(self.rules.prices.call_minimum_seconds));
        Ok((tariff(Payment::Reserve(minimum)), None))
    }

    /// What pays for a call that was created by this tariff.
    pub(crate) fn meter(&self, scope: Scope, call: contract::CallId, tariff: Tariff) -> Option<Meter> {
        let Payment::Reserve(held) = tariff.payment else {
            return None;
        };
        tariff
            .per_minute
            .is_positive()
            .then(|| Meter::new(self.clone(), scope, call, tariff.per_minute, held))
    }

    fn standing(&self, account: &Account) -> Standing {
        account.standing(self.clock.now(), self.rules.grace)
    }

    fn shown(&self, account: &Account) -> contract::Billing {
        let counting = account.subscriptions.counting(self.clock.now(), self.rules.grace);
        let subscription = counting.map(|known| Subscription {
            grace_ends_at: known.grace_ends_at(self.rules.grace),
            plan: known.plan,
            started_at: known.started_at,
            past_due_since: known.past_due_since,
            ends_at: known.ends_at,
        });
        contract::Billing {
            enabled: self.rules.enabled,
            standing: self.standing(account),
            balance: account.available,
            reserved: account.reserved,
            trial: account.trial,
            subscription,
            prices: self.rules.prices,
        }
    }

    fn trial(&self, length: Duration) -> Trial {
        let started_at = self.clock.now();
        Trial {
            started_at,
            ends_at: account::later_by(started_at, length),
        }
    }

    /// The same operation for every trial of an organisation: its credits come once.
    fn trial_posting(&self) -> Posting {
        Posting {
            operation: "trial".to_owned(),
            kind: LedgerKind::Grant,
            amount: self.rules.trial_credits,
            note: Some("Trial".to_owned()),
            references: Vec::new(),
            of: None,
        }
    }

    fn write(&self, account: Option<Account>, postings: Vec<Posting>) -> AccountWrite {
        let at = self.clock.now();
        let account = account.map(|mut account| {
            account.subscriptions.count(at, self.rules.grace);
            account
        });
        AccountWrite {
            account,
            postings: postings
                .into_iter()
                .filter(|posting| posting.amount.is_positive())
                .collect(),
            event: None,
            names: Vec::new(),
            is_plain: false,
            at,
        }
    }

    /// Reads the account, lets `change` it, and writes it, again if somebody else came between.
    async fn account_change(
        &self,
        scope: Scope,
        with: &Alongside,
        change: impl Fn(&mut Account) -> Result<Vec<Posting>, Error> + Send + Sync,
    ) -> Result<(), Error> {
        for _ in 0..SWAPS_MAX {
            let mut account = self.store.billing_account(scope).await?;
            let postings = change(&mut account)?;
            let write = self.write(Some(account), postings);
            match self.store.billing_account_write(scope, &write, with).await? {
                Written::Done(_) => return Ok(()),
                Written::TooMuch(balance) => return Err(too_much(balance)),
                Written::Stale | Written::SeenBefore => {}
            }
        }
        Err(too_busy())
    }
}

/// More than an amount can be would be unreadable to clients.
fn too_much(balance: Credits) -> Error {
    let message = "The organisation would have more credits than an account can hold.";
    let facts = [("balance", json!(balance)), ("balance_max", json!(Credits::MAX))];
    Error::rule(Reason::InvalidState, message, facts)
}

fn too_busy() -> Error {
    Error::internal("change an account", "others changed it each time")
}
