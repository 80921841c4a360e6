//! Taking what payment providers tell: once each, in any order, for customers that may become known later.
//!
//! What comes too early is kept, and taken when what it waits for comes: by the event that brings it, by a repetition
//! of that event, or by the next round of [`Billing::events_sweep`], so that no crash in between loses anything.

use std::{net::IpAddr, time::Duration};

use contract::{OrganizationId, RequestId};

use super::{AccountWrite, Billing, BillingEvent, Purchase, Written, account, too_busy};
use crate::{Actor, Change, Error, change::SWAPS_MAX, records::Scope};

/// Events that are looked at in one round.
const SWEEP_MAX: u32 = 500;
/// Rows that are forgotten in one transaction, and transactions of one round.
const PURGE: (u32, usize) = (500, 100);
/// How long it is remembered that an event was taken; providers repeat one for days.
const TAKEN_KEPT: Duration = Duration::from_hours(35 * 24);
/// How long an event waits for what it is about.
const WAITING_KEPT: Duration = Duration::from_hours(90 * 24);

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It changed what it is about, or would have, had it not been old news.
    Applied,
    /// It was taken before.
    Repeated,
    /// Nobody knows its customer, or the payment it is about, yet. It is kept until somebody does.
    Waiting,
}

/// How an event came here; for the audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// From where.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request: Option<RequestId>,
}

impl Billing {
    /// Takes an event, and those that waited for what it tells.
    pub async fn event_take(&self, event: &BillingEvent, delivery: Delivery) -> Result<Taken, Error> {
        let mut taken = self.event_try(event, delivery).await?;
        if taken == Taken::Waiting {
            // What it waits for may have come between the look for it and now, and found nobody waiting.
            taken = self.event_try(event, delivery).await?;
        }
        if taken != Taken::Waiting {
            // Also after a repetition: the first time may have been cut off here.
            self.waiting_take(event, delivery).await?;
        }
        Ok(taken)
    }

    /// Takes what waits although what it waits for is there; how many.
    pub async fn events_sweep(&self) -> Result<u64, Error> {
        let mut taken = 0;
        for event in self.store.billing_events_ready(SWEEP_MAX).await? {
            match self.event_take(&event, Delivery::default()).await {
                Ok(_) => taken += 1,
                Err(error) => failed(&event, &error),
            }
        }
        Ok(taken)
    }

    /// Forgets events that nobody will ask for again; how many.
    pub async fn events_purge(&self) -> Result<u64, Error> {
        let (batch, batches) = PURGE;
        let now = self.clock.now();
        let (taken, waiting) = (
            account::earlier_by(now, TAKEN_KEPT),
            account::earlier_by(now, WAITING_KEPT),
        );
        let mut purged = 0;
        for _ in 0..batches {
            let done = self.store.billing_events_purge(taken, waiting, batch).await?;
            purged += done;
            if done < u64::from(batch) {
                break;
            }
        }
        Ok(purged)
    }

    /// What waited may itself bring what others wait for. One that fails keeps none of the others waiting.
    async fn waiting_take(&self, event: &BillingEvent, delivery: Delivery) -> Result<(), Error> {
        let mut brought = vec![event.clone()];
        while let Some(event) = brought.pop() {
            let names = event.brings();
            for waiting in self.store.billing_events_parked(&event.provider, &names).await? {
                match self.event_try(&waiting, delivery).await {
                    Ok(Taken::Applied) => brought.push(waiting),
                    Ok(Taken::Repeated | Taken::Waiting) => {}
                    Err(error) => failed(&waiting, &error),
                }
            }
        }
        Ok(())
    }

    async fn event_try(&self, event: &BillingEvent, delivery: Delivery) -> Result<Taken, Error> {
        let found = match event.needs_purchase() {
            Some(names) => {
                let found = self.store.billing_purchase(names).await?;
                found.map(|(scope, purchase)| (scope, Some(purchase)))
            }
            None => self
                .owner_of(event)
                .await?
                .map(|organization| (Scope { organization }, None)),
        };
        let Some((scope, purchase)) = found else {
            self.store.billing_event_park(event, self.clock.now()).await?;
            return Ok(Taken::Waiting);
        };
        self.event_apply(event, scope, purchase.as_ref(), delivery).await
    }

    async fn event_apply(
        &self,
        event: &BillingEvent,
        scope: Scope,
        purchase: Option<&Purchase>,
        delivery: Delivery,
    ) -> Result<Taken, Error> {
        let change = Change {
            address: delivery.address,
            request: delivery.request,
            ..Change::by(scope, Actor::Provider(event.provider.clone()))
        };
        for _ in 0..SWAPS_MAX {
            let write = self.event_write(event, scope, purchase).await?;
            let with = change.note(write.at, "billing.provider_event", "billing_event", &event.id)?;
            match self.store.billing_account_write(scope, &write, &with).await? {
                Written::Done(_) => return Ok(Taken::Applied),
                Written::SeenBefore => return Ok(Taken::Repeated),
                // Paid for, so it is told again and again until there is room.
                Written::TooMuch(_) => return Err(Error::internal("take an event", "the account is full")),
                Written::Stale => {}
            }
        }
        Err(too_busy())
    }

    async fn event_write(
        &self,
        event: &BillingEvent,
        scope: Scope,
        purchase: Option<&Purchase>,
    ) -> Result<AccountWrite, Error> {
        let mut account = self.store.billing_account(scope).await?;
        let before = account.subscriptions.clone();
        let effects = event.apply(&mut account.subscriptions, purchase);
        // Credits alone need no account that stands still.
        let changed = (account.subscriptions != before).then_some(account);
        Ok(AccountWrite {
            event: Some(event.clone()),
            names: effects.names,
            is_plain: !effects.changes_standing,
            ..self.write(changed, effects.postings)
        })
    }

    /// Who has the customer already, or else whom the event names.
    async fn owner_of(&self, event: &BillingEvent) -> Result<Option<OrganizationId>, Error> {
        if let Some(customer) = event.customer()
            && let Some(owner) = self.store.billing_customer_owner(&customer).await?
        {
            return Ok(Some(owner));
        }
        match event.organization {
            Some(named) if self.store.billing_organization_exists(named).await? => Ok(Some(named)),
            _ => Ok(None),
        }
    }
}

fn failed(event: &BillingEvent, error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(event = %event.id, %error, cause, "an event that waited could not be taken; it waits on");
}
