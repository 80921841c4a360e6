//! What billing needs from outside.

use async_trait::async_trait;
use contract::{Credits, LedgerEntry, OrganizationId, Timestamp};
use uuid::Uuid;

use super::{
    account::{Account, Customer, Posting, Purchase, PurchaseName},
    event::{BillingEvent, EventRefusal},
};
use crate::{
    Alongside,
    ports::Stored,
    records::{Listing, Page, Scope},
};

/// Changes of an account that commit together or not at all.
#[derive(Clone, Debug)]
pub struct AccountWrite {
    /// The account as it was read, with what is to change; its credits don't count, they follow from postings. `None`
    /// where nothing but credits moves: then it does not matter who else changes the account meanwhile.
    pub account: Option<Account>,
    /// Credits that come in or are taken back.
    pub postings: Vec<Posting>,
    /// The provider's event that this follows from: taken once, and its customer is the organisation's from then on.
    pub event: Option<BillingEvent>,
    /// Names by which purchases are known from now on.
    pub names: Vec<PurchaseName>,
    /// What changes in the account is only what helps to understand news that come later; it stands in no log.
    pub is_plain: bool,
    /// When.
    pub at: Timestamp,
}

/// What became of an [`AccountWrite`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done. What changed nothing at all stands in no audit log.
    Done(Vec<Posted>),
    /// The account was changed since it was read: nothing was written.
    Stale,
    /// The event was taken before: nothing was written.
    SeenBefore,
    /// There would be more than [`Credits::MAX`] with what is held; nothing was written. So much there is.
    TooMuch(Credits),
}

/// The entry of a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The entry, that of an earlier time where the operation was known.
    pub entry: LedgerEntry,
    /// Whether this posting made it.
    pub is_new: bool,
}

/// What became of a wish to hold credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// So much is held now for this reservation.
    All(Credits),
    /// There is only so much to spend; nothing was changed.
    Short(Credits),
    /// There is no such reservation, or it ended.
    Over,
}

/// More credits for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Which reservation.
    pub reservation: Uuid,
    /// Number of the extension, from 1: each is made once.
    pub step: u32,
    /// Wanted.
    pub wanted: Credits,
    /// Taken where there is less than wanted, but at least this.
    pub least: Credits,
    /// When.
    pub at: Timestamp,
}

/// What was used on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedDay {
    /// Days since the Unix epoch.
    pub day: i64,
    /// How much.
    pub figures: contract::UsageFigures,
}

/// What a check of all ledgers found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// Entries looked at.
    pub entries: u64,
    /// Accounts looked at.
    pub accounts: u64,
    /// Reservations that are open.
    pub open_reservations: u64,
    /// What does not add up, in words. Empty when all is well.
    pub faults: Vec<String>,
}

/// Accounts, ledgers, reservations and usage.
#[async_trait]
pub trait BillingStore: Send + Sync {
    /// The account; empty when it was never written.
    async fn billing_account(&self, scope: Scope) -> Stored<Account>;
    /// Changes an account, unless it was changed since it was read.
    async fn billing_account_write(&self, scope: Scope, write: &AccountWrite, with: &Alongside) -> Stored<Written>;
    /// Whether there is such an organisation; for what providers say.
    async fn billing_organization_exists(&self, organization: OrganizationId) -> Stored<bool>;
    /// Whose customer it is.
    async fn billing_customer_owner(&self, customer: &Customer) -> Stored<Option<OrganizationId>>;
    /// Keeps an event for which what it waits for is not there yet. One that is known already stays as it is.
    async fn billing_event_park(&self, event: &BillingEvent, at: Timestamp) -> Stored<()>;
    /// Events that wait for one of these names, the first of them, oldest first.
    async fn billing_events_parked(&self, provider: &str, names: &[String]) -> Stored<Vec<BillingEvent>>;
    /// Events that wait for what is there, oldest first.
    async fn billing_events_ready(&self, limit: u32) -> Stored<Vec<BillingEvent>>;
    /// Forgets events that were taken, or wait, since before then; how many.
    async fn billing_events_purge(&self, taken: Timestamp, waiting: Timestamp, limit: u32) -> Stored<u64>;
    /// The purchase that has one of these names, and whose it is: a refund says no more than what was paid.
    async fn billing_purchase(&self, references: &[String]) -> Stored<Option<(Scope, Purchase)>>;
    /// A page of the ledger.
    async fn ledger_list(&self, scope: Scope, page: Page) -> Stored<Listing<LedgerEntry>>;
    /// The entry of an operation.
    async fn ledger_entry(&self, scope: Scope, operation: &str) -> Stored<Option<LedgerEntry>>;
    /// Recomputes every balance from the entries and compares; for the operator.
    async fn ledger_verify(&self) -> Stored<LedgerReport>;
    /// Holds credits for something that begins. Asking again for the same reservation changes nothing.
    async fn reservation_open(&self, scope: Scope, id: Uuid, amount: Credits, at: Timestamp) -> Stored<Held>;
    /// Holds more.
    async fn reservation_extend(&self, scope: Scope, extension: &Extension) -> Stored<Held>;
    /// Ends a reservation: `cost` is spent, from what is held and then from what there is besides, but no more than
    /// that; the rest is free again. What was spent, or `None` when it is over already.
    async fn reservation_close(&self, scope: Scope, id: Uuid, cost: Credits, at: Timestamp) -> Stored<Option<Credits>>;
    /// What was used from one day to another, both included, in days since the Unix epoch; oldest first.
    async fn usage_list(&self, scope: Scope, from: i64, to: i64) -> Stored<Vec<UsedDay>>;
}

/// A provider of payments: makes events of ours from what it sends.
pub trait BillingEvents: Send + Sync {
    /// Whether what came with it can be a signature at all; told before its body is read.
    fn looks_signed(&self, signature: Option<&str>) -> Result<(), EventRefusal>;

    /// Checks who sent it and says what it means; `None` for what does not concern us.
    fn read(&self, signature: Option<&str>, body: &[u8], now: Timestamp) -> Result<Option<BillingEvent>, EventRefusal>;
}
