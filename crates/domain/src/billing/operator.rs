//! What an operator does to an organisation's account, by hand. Every change stands in the audit log.

use std::time::Duration;

use contract::{
    Credits, CreditsGrant, Empty, FieldFault, FieldReason, LedgerEntry, LedgerKind, Reason, Standing,
    SubscriptionStart, TrialStart,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{Account, Billing, LedgerReport, Posted, Posting, Written};
use crate::{Change, Error, organizations::tenant, records::Scope};

const DAY: Duration = Duration::from_hours(24);

impl Billing {
    /// Gives credits, once for each `operation` where one is named, and once for each `Idempotency-Key`. The same name
    /// with another amount is refused.
    pub async fn credits_grant(
        &self,
        change: &Change,
        grant: CreditsGrant,
        operation: Option<String>,
    ) -> Result<Posted, Error> {
        let amount = granted(&grant).ok_or_else(|| Error::Invalid(grant_faults(&grant)))?;
        if let Some(made) = change.made_before() {
            // The attempt that gave them was cut off before it could answer. Nothing more must be given.
            return self.granted_before(change.scope, made).await;
        }
        let operation = operation.unwrap_or_else(|| Uuid::now_v7().to_string());
        let operation = format!("operator:{operation}");
        let posting = Posting {
            operation: operation.clone(),
            kind: LedgerKind::Grant,
            amount,
            note: grant.note.clone(),
            references: Vec::new(),
            of: None,
        };
        let with = change.note(
            self.clock.now(),
            "credits.granted",
            "organization",
            change.scope.organization,
        )?;
        let with = with.made(&operation).fields(&grant)?;
        let write = self.write(None, vec![posting]);
        let posted = match self.store.billing_account_write(change.scope, &write, &with).await? {
            Written::Done(posted) => posted.into_iter().next(),
            Written::TooMuch(balance) => return Err(beyond(balance)),
            Written::Stale | Written::SeenBefore => None,
        };
        let posted = posted.ok_or_else(|| Error::internal("grant credits", "the store gave no entry"))?;
        if posted.entry.available != amount {
            return Err(given_otherwise(&operation, &posted.entry));
        }
        Ok(posted)
    }

    async fn granted_before(&self, scope: Scope, operation: &str) -> Result<Posted, Error> {
        let entry = self.store.ledger_entry(scope, operation).await?;
        let entry = entry.map(|entry| Posted { entry, is_new: false });
        entry.ok_or_else(|| Error::internal("find a grant", format!("{operation} is noted and in no ledger")))
    }

    /// Starts a trial, even a second one. The credits that come with a trial come once.
    pub async fn trial_start(&self, change: &Change, start: TrialStart) -> Result<contract::Billing, Error> {
        let length = start.days.map_or(self.rules.trial, |days| DAY * days);
        self.by_operator(change, "trial.started", &start, |account| {
            account.trial = Some(self.trial(length));
            Ok(vec![self.trial_posting()])
        })
        .await
    }

    /// Ends a trial that goes on now.
    pub async fn trial_stop(&self, change: &Change) -> Result<contract::Billing, Error> {
        let now = self.clock.now();
        self.by_operator(change, "trial.stopped", &Empty {}, |account| {
            let standing = self.standing(account);
            let trial = account
                .trial
                .as_mut()
                .filter(|trial| trial.ends_at > now)
                .ok_or_else(|| nothing_to_stop("trial", standing))?;
            trial.ends_at = now;
            Ok(Vec::new())
        })
        .await
    }

    /// Begins a subscription, or bridges one whose payment is missing. One that a provider calls paid later takes its
    /// place.
    pub async fn subscription_start(
        &self,
        change: &Change,
        start: SubscriptionStart,
    ) -> Result<contract::Billing, Error> {
        let now = self.clock.now();
        self.by_operator(change, "subscription.started", &start, |account| {
            account.subscriptions.give(start.plan.clone(), now);
            Ok(Vec::new())
        })
        .await
    }

    /// Notes that a payment is missing; the days of grace begin.
    pub async fn subscription_past_due(&self, change: &Change) -> Result<contract::Billing, Error> {
        let now = self.clock.now();
        self.by_operator(change, "subscription.past_due", &Empty {}, |account| {
            let standing = self.standing(account);
            let goes_on = account.subscriptions.past_due(now);
            goes_on
                .then(Vec::new)
                .ok_or_else(|| nothing_to_stop("subscription", standing))
        })
        .await
    }

    /// Ends every subscription that goes on now.
    pub async fn subscription_stop(&self, change: &Change) -> Result<contract::Billing, Error> {
        let now = self.clock.now();
        self.by_operator(change, "subscription.stopped", &Empty {}, |account| {
            let standing = self.standing(account);
            let went_on = account.subscriptions.stop(now);
            went_on
                .then(Vec::new)
                .ok_or_else(|| nothing_to_stop("subscription", standing))
        })
        .await
    }

    /// Recomputes every balance from the ledger.
    pub async fn ledger_verify(&self) -> Result<LedgerReport, Error> {
        Ok(self.store.ledger_verify().await?)
    }

    /// The organisation that an operator names in a path.
    pub async fn organization_named(&self, id: &str) -> Result<Scope, Error> {
        let scope = tenant(id)?;
        if self.store.billing_organization_exists(scope.organization).await? {
            Ok(scope)
        } else {
            Err(Error::not_found("organization", id))
        }
    }

    async fn by_operator(
        &self,
        change: &Change,
        action: &'static str,
        asked: &(impl Serialize + Sync),
        edit: impl Fn(&mut Account) -> Result<Vec<Posting>, Error> + Send + Sync,
    ) -> Result<contract::Billing, Error> {
        let scope = change.scope;
        if change.made_before().is_some() {
            // The attempt that made it was cut off before it could answer.
            return self.billing_fetch(scope).await;
        }
        let with = change.note(self.clock.now(), action, "organization", scope.organization)?;
        let with = with.fields(asked)?;
        self.account_change(scope, &with, edit).await?;
        self.billing_fetch(scope).await
    }
}

/// All that breaks the rules of a grant and a schema can't state.
pub fn grant_faults(grant: &CreditsGrant) -> Vec<FieldFault> {
    if granted(grant).is_some() {
        return Vec::new();
    }
    let message = "Must be more than nothing, with at most six decimals.";
    vec![FieldFault::in_body("/credits", FieldReason::InvalidFormat, message)]
}

fn granted(grant: &CreditsGrant) -> Option<Credits> {
    let amount = Credits::try_from(grant.credits).ok();
    amount.filter(|amount| amount.is_positive())
}

fn beyond(balance: Credits) -> Error {
    let room = Credits::MAX.minus(balance);
    let message = format!("There are {balance} credits, held ones included; only {room} more fit in.");
    let fault = FieldFault::in_body("/credits", FieldReason::OutOfRange, message);
    Error::Invalid(vec![fault.with("maximum", json!(room))])
}

fn given_otherwise(operation: &str, entry: &LedgerEntry) -> Error {
    let message = format!("{} credits were given under this name before.", entry.available);
    let facts = [("operation", json!(operation)), ("credits", json!(entry.available))];
    Error::rule(Reason::InvalidState, message, facts)
}

fn nothing_to_stop(what: &'static str, standing: Standing) -> Error {
    let message = format!("The organisation has no {what} that goes on.");
    Error::rule(Reason::InvalidState, message, [("status", json!(standing))])
}
