//! Accounts, events of payment providers, usage, and the ledger as its port wants it.

use async_trait::async_trait;
use contract::{Credits, LedgerEntry, LedgerKind, OrganizationId, Timestamp, Trial, UsageFigures};
use domain::{
    Alongside,
    billing::{
        Account, AccountWrite, BillingEvent, BillingStore, Customer, Extension, Held, LedgerReport, Posted, Posting,
        Purchase, PurchaseName, Subscriptions, UsedDay, Written, billed_seconds,
    },
    ports::Stored,
    records::{Listing, Page, Scope},
};
use uuid::Uuid;

use super::ledger::{self, About, Move, Reservation};
use crate::{
    SqlStore,
    sql::{Outcome, Row, Tx, args, doing, get, json, json_of, maybe_json, maybe_json_of, maybe_time},
};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Waiting events that one name brings at a time; the others are taken by the next round.
const PARKED_MAX: u32 = 100;

#[async_trait]
impl BillingStore for SqlStore {
    async fn billing_account(&self, scope: Scope) -> Stored<Account> {
        doing("billing_account", async {
            let sql = "SELECT available, reserved, trial_started_at, trial_ends_at, subscription,
                              subscriptions, version
                       FROM billing_accounts WHERE organization_id = $1";
            let row = self.db.fetch_optional(sql, args![scope.organization.0]).await?;
            row.as_ref().map_or_else(|| Ok(Account::default()), account)
        })
        .await
    }

    async fn billing_account_write(&self, scope: Scope, write: &AccountWrite, with: &Alongside) -> Stored<Written> {
        doing("billing_account_write", async {
            let written = self.account_write(scope, write, with).await?;
            // A provider that is told that its event was taken never sends it again.
            self.db.outlast_power().await?;
            Ok(written)
        })
        .await
    }

    async fn billing_organization_exists(&self, organization: OrganizationId) -> Stored<bool> {
        doing("billing_organization_exists", async {
            let sql = "SELECT id FROM organizations WHERE id = $1";
            Ok(self.db.fetch_optional(sql, args![organization.0]).await?.is_some())
        })
        .await
    }

    async fn billing_customer_owner(&self, customer: &Customer) -> Stored<Option<OrganizationId>> {
        doing("billing_customer_owner", async {
            let sql = "SELECT organization_id FROM billing_customers WHERE provider = $1 AND customer = $2";
            let row = self
                .db
                .fetch_optional(sql, args![&customer.provider, &customer.id])
                .await?;
            row.map(|row| get(&row, "organization_id").map(OrganizationId))
                .transpose()
        })
        .await
    }

    async fn billing_event_park(&self, event: &BillingEvent, at: Timestamp) -> Stored<()> {
        doing("billing_event_park", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "INSERT INTO billing_events (provider, id, customer, happened_at, received_at, waiting)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                args![
                    &event.provider,
                    &event.id,
                    event.waits_for(),
                    event.at,
                    at,
                    json_of(event)?
                ],
            )
            .await?;
            tx.commit().await?;
            self.db.outlast_power().await
        })
        .await
    }

    async fn billing_events_parked(&self, provider: &str, names: &[String]) -> Stored<Vec<BillingEvent>> {
        doing("billing_events_parked", async {
            let mut tx = self.db.read().await?;
            let mut waiting = Vec::new();
            for name in names {
                let sql = "SELECT waiting FROM billing_events WHERE provider = $1 AND customer = $2
                           AND waiting IS NOT NULL ORDER BY happened_at, id LIMIT $3";
                let rows = tx.fetch_all(sql, args![provider, name, PARKED_MAX]).await?;
                waiting.extend(rows);
            }
            let events = waiting.iter().map(|row| json(row, "waiting"));
            let mut events = events.collect::<Outcome<Vec<BillingEvent>>>()?;
            events.sort_by_key(|event| event.at);
            Ok(events)
        })
        .await
    }

    async fn billing_events_ready(&self, limit: u32) -> Stored<Vec<BillingEvent>> {
        doing("billing_events_ready", async {
            let sql = "SELECT waiting FROM billing_events AS event
                       WHERE waiting IS NOT NULL
                         AND (EXISTS (SELECT 1 FROM billing_customers AS known
                                      WHERE known.provider = event.provider AND known.customer = event.customer)
                              OR EXISTS (SELECT 1 FROM billing_purchases AS known
                                         WHERE known.reference = event.customer))
                       ORDER BY happened_at, id LIMIT $1";
            let rows = self.db.fetch_all(sql, args![limit]).await?;
            rows.iter().map(|row| json(row, "waiting")).collect()
        })
        .await
    }

    async fn billing_events_purge(&self, taken: Timestamp, waiting: Timestamp, limit: u32) -> Stored<u64> {
        doing("billing_events_purge", async {
            let mut tx = self.db.write().await?;
            let sql = "DELETE FROM billing_events WHERE (provider, id) IN (
                           SELECT provider, id FROM billing_events
                           WHERE (received_at < $1 AND waiting IS NULL) OR received_at < $2
                           ORDER BY received_at LIMIT $3)";
            let done = tx.execute(sql, args![taken, waiting, limit]).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await
    }

    async fn billing_purchase(&self, references: &[String]) -> Stored<Option<(Scope, Purchase)>> {
        doing("billing_purchase", async {
            let mut tx = self.db.read().await?;
            for reference in references {
                let sql = "SELECT organization_id, operation, credits FROM billing_purchases WHERE reference = $1";
                if let Some(row) = tx.fetch_optional(sql, args![reference]).await? {
                    let organization = OrganizationId(get(&row, "organization_id")?);
                    return Ok(Some((Scope { organization }, purchase(&row)?)));
                }
            }
            Ok(None)
        })
        .await
    }

    async fn ledger_list(&self, scope: Scope, page: Page) -> Stored<Listing<LedgerEntry>> {
        doing("ledger_list", async {
            let mut tx = self.db.read().await?;
            ledger::page(&mut tx, scope, page).await
        })
        .await
    }

    async fn ledger_entry(&self, scope: Scope, operation: &str) -> Stored<Option<LedgerEntry>> {
        doing("ledger_entry", async {
            let mut tx = self.db.read().await?;
            ledger::known(&mut tx, scope, operation).await
        })
        .await
    }

    async fn ledger_verify(&self) -> Stored<LedgerReport> {
        doing("ledger_verify", super::ledger_report::verify(&self.db)).await
    }

    async fn reservation_open(&self, scope: Scope, id: Uuid, amount: Credits, at: Timestamp) -> Stored<Held> {
        doing("reservation_open", async {
            let mut tx = self.db.write().await?;
            let reservation = Reservation { id, is_call: false };
            let held = ledger::reserve(&mut tx, scope, reservation, amount, at).await?;
            tx.commit().await?;
            Ok(held)
        })
        .await
    }

    async fn reservation_extend(&self, scope: Scope, extension: &Extension) -> Stored<Held> {
        doing("reservation_extend", async {
            let mut tx = self.db.write().await?;
            let held = ledger::extend(&mut tx, scope, extension).await?;
            tx.commit().await?;
            Ok(held)
        })
        .await
    }

    async fn reservation_close(&self, scope: Scope, id: Uuid, cost: Credits, at: Timestamp) -> Stored<Option<Credits>> {
        doing("reservation_close", async {
            let mut tx = self.db.write().await?;
            let spent = ledger::close(&mut tx, scope, id, cost, at).await?;
            tx.commit().await?;
            Ok(spent)
        })
        .await
    }

    async fn usage_list(&self, scope: Scope, from: i64, to: i64) -> Stored<Vec<UsedDay>> {
        doing("usage_list", async {
            let sql = "SELECT day, calls, seconds, cost_micros FROM usage_days
                       WHERE organization_id = $1 AND day BETWEEN $2 AND $3 ORDER BY day";
            let rows = self.db.fetch_all(sql, args![scope.organization.0, from, to]).await?;
            rows.iter().map(used_day).collect()
        })
        .await
    }
}

impl SqlStore {
    async fn account_write(&self, scope: Scope, write: &AccountWrite, with: &Alongside) -> Outcome<Written> {
        let mut tx = self.db.write().await?;
        ledger::account_hold(&mut tx, scope).await?;
        let Some(is_bound) = event_mark(&mut tx, scope, write).await? else {
            return Ok(Written::SeenBefore);
        };
        if let Some(account) = &write.account
            && !account_replace(&mut tx, scope, account).await?
        {
            return Ok(Written::Stale);
        }
        let mut posted = Vec::new();
        for posting in &write.postings {
            match posting_write(&mut tx, scope, posting, write.at).await? {
                Placed::Entry(entry) => posted.push(entry),
                Placed::Nothing => {}
                Placed::TooMuch(balance) => return Ok(Written::TooMuch(balance)),
            }
        }
        for name in &write.names {
            name_write(&mut tx, scope, name).await?;
        }
        let is_changed = write.account.is_some() && !write.is_plain;
        if is_bound || is_changed || posted.iter().any(|posted| posted.is_new) {
            self.alongside(&mut tx, scope, with).await?;
        } else {
            self.alongside(&mut tx, scope, &with.without_audit()).await?;
        }
        tx.commit().await?;
        Ok(Written::Done(posted))
    }
}

/// What a call cost: written into its row, into the day's usage, and settled with what was held for it. In the
/// transaction that ends the call.
pub(super) async fn call_settle(tx: &mut Tx, scope: Scope, call: contract::CallId, ended_at: Timestamp) -> Outcome<()> {
    let sql = "SELECT rate_micros, answered_at FROM calls WHERE organization_id = $1 AND id = $2";
    let row = tx.fetch_one(sql, args![scope.organization.0, call.0]).await?;
    let rate: Option<i64> = get(&row, "rate_micros")?;
    // The row's, not the ending's: who ends a call need not know when it was answered.
    let answered_at = maybe_time(&row, "answered_at")?;
    let seconds = billed_seconds(answered_at, ended_at);
    let metered = domain::billing::cost(Credits::from_micros(rate.unwrap_or(0)), seconds);
    let paid = ledger::close(tx, scope, call.0, metered, ended_at).await?;
    let cost = paid.unwrap_or(metered).micros();
    tx.execute(
        "UPDATE calls SET cost_micros = $3 WHERE organization_id = $1 AND id = $2",
        args![scope.organization.0, call.0, rate.map(|_| cost)],
    )
    .await?;
    tx.execute(
        "INSERT INTO usage_days (organization_id, day, calls, seconds, cost_micros) VALUES ($1, $2, 1, $3, $4)
         ON CONFLICT (organization_id, day) DO UPDATE SET calls = usage_days.calls + 1,
             seconds = usage_days.seconds + excluded.seconds,
             cost_micros = usage_days.cost_micros + excluded.cost_micros",
        args![
            scope.organization.0,
            ended_at.millis().div_euclid(MILLIS_PER_DAY),
            seconds,
            cost
        ],
    )
    .await?;
    Ok(())
}

/// Whether the event tells of a customer for the first time; `None` when it was taken before.
async fn event_mark(tx: &mut Tx, scope: Scope, write: &AccountWrite) -> Outcome<Option<bool>> {
    let Some(event) = &write.event else {
        return Ok(Some(false));
    };
    let mut bound = 0;
    if let Some(customer) = &event.customer {
        let sql = "INSERT INTO billing_customers (provider, customer, organization_id) VALUES ($1, $2, $3)
                   ON CONFLICT DO NOTHING";
        bound = tx
            .execute(sql, args![&event.provider, customer, scope.organization.0])
            .await?;
    }
    let done = tx
        .execute(
            "INSERT INTO billing_events (provider, id, customer, happened_at, received_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (provider, id) DO UPDATE SET waiting = NULL WHERE billing_events.waiting IS NOT NULL",
            args![&event.provider, &event.id, event.waits_for(), event.at, write.at],
        )
        .await?;
    Ok((done > 0).then_some(bound > 0))
}

/// `false` when the account was changed since it was read.
async fn account_replace(tx: &mut Tx, scope: Scope, account: &Account) -> Outcome<bool> {
    let done = tx
        .execute(
            "UPDATE billing_accounts SET trial_started_at = $3, trial_ends_at = $4, subscription = $5,
                 subscriptions = $6, version = version + 1
             WHERE organization_id = $1 AND version = $2",
            args![
                scope.organization.0,
                account.version,
                account.trial.map(|trial| trial.started_at),
                account.trial.map(|trial| trial.ends_at),
                maybe_json_of(account.subscriptions.counted())?,
                json_of(&account.subscriptions)?,
            ],
        )
        .await?;
    Ok(done > 0)
}

/// What became of a posting.
enum Placed {
    /// It stands in the ledger.
    Entry(Posted),
    /// There is nothing to take back.
    Nothing,
    /// There would be more credits than there may be.
    TooMuch(Credits),
}

async fn posting_write(tx: &mut Tx, scope: Scope, posting: &Posting, at: Timestamp) -> Outcome<Placed> {
    if let Some(entry) = posting_known(tx, scope, posting).await? {
        return Ok(Placed::Entry(Posted { entry, is_new: false }));
    }
    let balance = ledger::account_hold(tx, scope).await?;
    let change = match posting.kind {
        LedgerKind::Refund => {
            let before = refunded(tx, scope, posting.of.as_deref()).await?;
            -(posting.amount.micros() - before).clamp(0, balance.available)
        }
        LedgerKind::Grant
        | LedgerKind::Purchase
        | LedgerKind::Reserve
        | LedgerKind::Extend
        | LedgerKind::Settle
        | LedgerKind::Release => posting.amount.micros(),
    };
    if change == 0 {
        return Ok(Placed::Nothing);
    }
    // What is held may come back, so it needs its room too.
    let present = balance.available.saturating_add(balance.reserved);
    if change > 0 && present.saturating_add(change) > Credits::MAX.micros() {
        return Ok(Placed::TooMuch(Credits::from_micros(present)));
    }
    let about = About {
        operation: &posting.operation,
        kind: posting.kind,
        reservation: None,
        refund_of: posting.of.as_deref(),
        note: posting.note.as_deref(),
        at,
    };
    let moved = Move {
        available: change,
        source: -change,
        ..Move::default()
    };
    let entry = ledger::post(tx, scope, moved, about).await?;
    for reference in &posting.references {
        let purchase = Purchase {
            operation: posting.operation.clone(),
            credits: posting.amount,
        };
        let reference = reference.clone();
        name_write(tx, scope, &PurchaseName { purchase, reference }).await?;
    }
    Ok(Placed::Entry(Posted { entry, is_new: true }))
}

/// The entry of a posting that was made before: of the same name, or of a purchase that has one of its names.
async fn posting_known(tx: &mut Tx, scope: Scope, posting: &Posting) -> Outcome<Option<LedgerEntry>> {
    if let Some(entry) = ledger::known(tx, scope, &posting.operation).await? {
        return Ok(Some(entry));
    }
    let Some(purchase) = purchase_of(tx, scope, &posting.references).await? else {
        return Ok(None);
    };
    for reference in posting.references.iter().cloned() {
        let purchase = purchase.clone();
        name_write(tx, scope, &PurchaseName { purchase, reference }).await?;
    }
    ledger::known(tx, scope, &purchase.operation).await
}

async fn purchase_of(tx: &mut Tx, scope: Scope, references: &[String]) -> Outcome<Option<Purchase>> {
    for reference in references {
        let sql = "SELECT operation, credits FROM billing_purchases WHERE organization_id = $1 AND reference = $2";
        let row = tx.fetch_optional(sql, args![scope.organization.0, reference]).await?;
        if let Some(row) = row {
            return purchase(&row).map(Some);
        }
    }
    Ok(None)
}

async fn name_write(tx: &mut Tx, scope: Scope, name: &PurchaseName) -> Outcome<()> {
    let PurchaseName { purchase, reference } = name;
    tx.execute(
        "INSERT INTO billing_purchases (organization_id, reference, operation, credits) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        args![
            scope.organization.0,
            reference,
            &purchase.operation,
            purchase.credits.micros()
        ],
    )
    .await?;
    Ok(())
}

/// How much of a purchase was taken back. The account is held, so nobody takes back more meanwhile.
async fn refunded(tx: &mut Tx, scope: Scope, of: Option<&str>) -> Outcome<i64> {
    let Some(of) = of else { return Ok(0) };
    let sql = "SELECT CAST(COALESCE(SUM(-available), 0) AS BIGINT) FROM ledger
               WHERE organization_id = $1 AND refund_of = $2";
    tx.scalar(sql, args![scope.organization.0, of]).await
}

fn purchase(row: &Row) -> Outcome<Purchase> {
    Ok(Purchase {
        operation: get(row, "operation")?,
        credits: Credits::from_micros(get(row, "credits")?),
    })
}

fn account(row: &Row) -> Outcome<Account> {
    let trial = maybe_time(row, "trial_started_at")?.zip(maybe_time(row, "trial_ends_at")?);
    Ok(Account {
        available: Credits::from_micros(get(row, "available")?),
        reserved: Credits::from_micros(get(row, "reserved")?),
        trial: trial.map(|(started_at, ends_at)| Trial { started_at, ends_at }),
        subscriptions: Subscriptions::kept(maybe_json(row, "subscriptions")?, maybe_json(row, "subscription")?),
        version: get(row, "version")?,
    })
}

fn used_day(row: &Row) -> Outcome<UsedDay> {
    Ok(UsedDay {
        day: get(row, "day")?,
        figures: UsageFigures {
            calls: get(row, "calls")?,
            seconds: get(row, "seconds")?,
            credits: Credits::from_micros(get(row, "cost_micros")?),
        },
    })
}
