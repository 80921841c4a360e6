//! Many writers at once, on two stores of one database, each doing whatever comes to its mind: no credit is lost, made
//! twice, or spent below zero.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use contract::{AgentId, CallId, CallStatus, Credits, EndReason, LedgerEntry, LedgerKind};
use domain::{
    Alongside,
    billing::{
        Account, AccountWrite, BillingEvent, BillingStore, Extension, Held, News, Payment, Posting, SubscriptionRecord,
        Subscriptions, Tariff, Written,
    },
    ports::{Admission, CallStore},
    records::{CallEnding, Page, Scope},
};
use store::SqlStore;
use uuid::Uuid;

use crate::support::{ALL, Engine, World, at, call, ending};

crate::on_both_engines![many_writers_at_once_never_break_the_ledger];

const WRITERS: u64 = 8;
const STEPS: u64 = 40;
const ROUNDS: u64 = 2;
/// To run what failed again; another one each time otherwise, which a failure tells.
const SEED: Option<u64> = None;

/// Numbers that look random (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn credits(&mut self) -> Credits {
        Credits::whole(1 + self.below(20) as i32)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = self.below(all.len().max(1) as u64) as usize;
        all.get(index).copied()
    }
}

/// What the writers were told, to be compared with what is written.
#[derive(Default)]
struct Told {
    /// Put in, by the name of the operation.
    given: BTreeMap<String, i64>,
    taken_back: i64,
    /// By reservations that are not of calls.
    spent: i64,
    held: Vec<Uuid>,
    calls: Vec<CallId>,
}

/// One of several.
struct Writer {
    store: SqlStore,
    scope: Scope,
    number: u64,
    numbers: Numbers,
    told: Arc<Mutex<Told>>,
}

impl Writer {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    async fn work(mut self) {
        for step in 0..STEPS {
            let (held, calls) = {
                let told = self.told();
                (told.held.clone(), told.calls.clone())
            };
            let (held, call) = (self.numbers.one_of(&held), self.numbers.one_of(&calls));
            match (self.numbers.below(9), held, call) {
                (0, ..) => self.gift(step).await,
                (1, ..) => self.purchase(step).await,
                (2, ..) => self.refund(step).await,
                (3, ..) => self.subscription().await,
                (4, Some(held), _) => self.extension(held).await,
                (5, Some(held), _) => self.closing(held).await,
                (6, _, Some(call)) => self.extension(call.0).await,
                (7, _, Some(call)) => self.call_end(call).await,
                (8, ..) => self.call_begin().await,
                _ => self.reservation().await,
            }
        }
    }

    /// Two writers share each name, so half of them come too late.
    async fn gift(&mut self, step: u64) {
        let name = format!("gift:{}:{step}", self.number / 2);
        self.put_in(posting(name, LedgerKind::Grant, Credits::whole(10)), None)
            .await;
    }

    /// The same purchase under two names, and sometimes under the same event.
    async fn purchase(&mut self, step: u64) {
        let payment = self.payment(self.number, step);
        let own = if self.numbers.below(2) == 0 { "cs" } else { "in" };
        let mut bought = posting(format!("{own}:{payment}"), LedgerKind::Purchase, Credits::whole(7));
        bought.references = vec![format!("{own}:{payment}"), payment.clone()];
        let event = BillingEvent {
            provider: "stripe".to_owned(),
            id: format!("{own}:{payment}"),
            at: at(0),
            customer: Some("cus_1".to_owned()),
            organization: None,
            news: vec![News::Bought {
                credits: bought.amount,
                references: bought.references.clone(),
            }],
        };
        bought.note = Some(payment);
        self.put_in(bought, Some(event)).await;
    }

    /// Providers name a payment once for all organisations.
    fn payment(&self, writer: u64, step: u64) -> String {
        format!("pi:{}:{}:{step}", self.scope.organization, writer / 2)
    }

    async fn put_in(&mut self, posting: Posting, event: Option<BillingEvent>) {
        // A purchase is the same whatever its own name is.
        let name = posting.note.clone().unwrap_or_else(|| posting.operation.clone());
        let amount = posting.amount.micros();
        let written = self.write(posting, event).await;
        assert!(matches!(written, Written::Done(_) | Written::SeenBefore), "{written:?}");
        self.told().given.insert(name, amount);
    }

    /// Of a purchase that is perhaps there: half of it, then all of it.
    async fn refund(&mut self, step: u64) {
        let (writer, step_of) = (self.numbers.below(WRITERS), self.numbers.below(STEPS));
        let payment = self.payment(writer, step_of);
        let found = self.store.billing_purchase(&[payment]).await.unwrap();
        let Some((scope, purchase)) = found.filter(|(scope, _)| *scope == self.scope) else {
            return;
        };
        assert_eq!(scope, self.scope);
        let name = format!("refund:{}:{step}", self.number);
        let part = 1 + self.numbers.below(2) as i64;
        let amount = Credits::from_micros(purchase.credits.micros() * part / 2);
        let mut refund = posting(name, LedgerKind::Refund, amount);
        refund.of = Some(purchase.operation);
        let Written::Done(posted) = self.write(refund, None).await else {
            panic!("a refund needs no account that stands still");
        };
        let taken: i64 = posted.iter().map(|posted| -posted.entry.available.micros()).sum();
        self.told().taken_back += taken;
    }

    /// What needs an account that stands still, beside what does not.
    async fn subscription(&mut self) {
        let read = self.store.billing_account(self.scope).await.unwrap();
        let subscription = SubscriptionRecord::starting(None, at(0));
        let write = AccountWrite {
            account: Some(Account {
                subscriptions: Subscriptions::kept(None, Some(subscription)),
                ..read
            }),
            ..plain(Vec::new(), None)
        };
        let written = self
            .store
            .billing_account_write(self.scope, &write, &Alongside::nothing())
            .await;
        assert!(matches!(written.unwrap(), Written::Done(_) | Written::Stale));
    }

    async fn write(&self, posting: Posting, event: Option<BillingEvent>) -> Written {
        let write = plain(vec![posting], event);
        let written = self
            .store
            .billing_account_write(self.scope, &write, &Alongside::nothing())
            .await;
        written.unwrap()
    }

    async fn reservation(&mut self) {
        let (id, credits) = (Uuid::now_v7(), self.numbers.credits());
        let open = self.store.reservation_open(self.scope, id, credits, at(0)).await;
        if let Held::All(_) = open.unwrap() {
            self.told().held.push(id);
        }
    }

    async fn extension(&mut self, reservation: Uuid) {
        let extension = Extension {
            reservation,
            step: 1 + self.numbers.below(3) as u32,
            wanted: self.numbers.credits(),
            least: Credits::whole(1),
            at: at(0),
        };
        self.store.reservation_extend(self.scope, &extension).await.unwrap();
    }

    async fn closing(&mut self, reservation: Uuid) {
        let cost = match self.numbers.below(2) {
            0 => Credits::ZERO,
            _ => self.numbers.credits(),
        };
        let closed = self.store.reservation_close(self.scope, reservation, cost, at(0)).await;
        let paid = closed.unwrap().unwrap_or_default();
        self.told().spent += paid.micros();
    }

    async fn call_begin(&mut self) {
        let call = call(AgentId::new());
        let tariff = Tariff {
            per_minute: Credits::whole(3),
            payment: Payment::Reserve(self.numbers.credits()),
        };
        let created = self
            .store
            .call_create(self.scope, &call, 1000, &tariff, &Alongside::nothing())
            .await;
        match created.unwrap() {
            Admission::Created => self.told().calls.push(call.id),
            Admission::Unpaid { .. } => {}
            Admission::Full => panic!("there is room for a thousand calls"),
        }
    }

    async fn call_end(&mut self, call: CallId) {
        let ended_at = 1_000 + self.numbers.below(240_000) as i64;
        let ending = CallEnding {
            ended_at: at(ended_at),
            ..ending(CallStatus::Completed, EndReason::AgentHangup)
        };
        self.store.call_finish(self.scope, call, &ending).await.unwrap();
    }
}

fn posting(operation: String, kind: LedgerKind, amount: Credits) -> Posting {
    Posting {
        operation,
        kind,
        amount,
        note: None,
        references: Vec::new(),
        of: None,
    }
}

fn plain(postings: Vec<Posting>, event: Option<BillingEvent>) -> AccountWrite {
    AccountWrite {
        account: None,
        postings,
        event,
        names: Vec::new(),
        is_plain: false,
        at: at(0),
    }
}

async fn many_writers_at_once_never_break_the_ledger(engine: Engine) {
    let world = World::new(engine).await;
    // As another node has it.
    let beside = world.database.open().await;
    let seed = SEED.unwrap_or_else(|| Uuid::now_v7().as_u128() as u64);
    for round in 0..ROUNDS {
        let scope = world.tenant().await;
        let told = Arc::<Mutex<Told>>::default();
        let writers = (0..WRITERS).map(|number| {
            let store = if number % 2 == 0 { &world.store } else { &beside };
            let writer = Writer {
                store: store.clone(),
                scope,
                number,
                numbers: Numbers(seed.wrapping_add(round * 1000 + number)),
                told: Arc::clone(&told),
            };
            tokio::spawn(writer.work())
        });
        for writer in writers.collect::<Vec<_>>() {
            let done = writer.await;
            assert!(done.is_ok(), "seed {seed}: {done:?}");
        }
        let told = Arc::into_inner(told).unwrap().into_inner().unwrap();
        agree(&world.store, scope, &told, seed).await;
    }
    let report = world.store.ledger_verify().await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new(), "seed {seed}");
    assert!(report.entries > 100 && report.accounts == ROUNDS, "{report:?}");
}

/// What is written is what the writers were told.
async fn agree(store: &SqlStore, scope: Scope, told: &Told, seed: u64) {
    let entries = all_entries(store, scope).await;
    assert!(entries.len() > 50, "only {} entries: a test of nothing", entries.len());
    let account = store.billing_account(scope).await.unwrap();
    replay(&entries, &account);
    let sum = |part: fn(&LedgerEntry) -> Credits| entries.iter().map(|entry| part(entry).micros()).sum::<i64>();
    let given: i64 = told.given.values().sum();
    assert_eq!(
        -sum(|entry| entry.source),
        given - told.taken_back,
        "seed {seed}: each gift and purchase came once, and as much went as was said"
    );
    let mut cost = 0;
    for call in &told.calls {
        let call = store.call_fetch(scope, *call).await.unwrap().unwrap();
        cost += call
            .cost_credits
            .map_or(0, |cost| Credits::try_from(cost).unwrap().micros());
    }
    assert_eq!(
        sum(|entry| entry.spent),
        told.spent + cost,
        "seed {seed}: every reservation paid what its closing said, once"
    );
}

async fn all_entries(store: &SqlStore, scope: Scope) -> Vec<LedgerEntry> {
    let mut all: Vec<LedgerEntry> = Vec::new();
    loop {
        let page = Page {
            offset: all.len() as u64,
            ..ALL
        };
        let listing = store.ledger_list(scope, page).await.unwrap();
        all.extend(listing.items);
        if all.len() as u64 >= listing.total {
            return all;
        }
    }
}

/// The balances that follow from the entries are those of the account, and no entry breaks a rule.
fn replay(entries: &[LedgerEntry], account: &Account) {
    let [mut available, mut reserved] = [0, 0];
    for entry in entries {
        let changes = [entry.available, entry.reserved, entry.spent, entry.source].map(Credits::micros);
        assert_eq!(changes.iter().sum::<i64>(), 0, "{entry:?}");
        assert!(
            entry.balance >= Credits::ZERO && entry.balance_reserved >= Credits::ZERO,
            "{entry:?}"
        );
        available += changes[0];
        reserved += changes[1];
    }
    assert_eq!(
        (available, reserved),
        (account.available.micros(), account.reserved.micros())
    );
}
