//! The ledger: whatever happens at once, in whatever order, nothing is lost, nothing is made twice, nothing is below
//! zero.

use contract::{Credits, LedgerKind, Timestamp, Trial};
use domain::{
    Alongside, Change,
    billing::{Account, AccountWrite, BillingEvent, BillingStore, Extension, Held, News, Posted, Posting, Written},
    ports::AuditStore,
    records::{AuditFilter, Page, Scope},
};
use store::SqlStore;
use uuid::Uuid;

use crate::support::{ALL, Engine, World, at};

crate::on_both_engines![
    an_operation_happens_once,
    what_is_held_is_settled_or_released_once,
    an_extension_takes_what_there_is_and_each_step_once,
    a_refund_takes_no_more_than_there_is,
    an_account_changed_meanwhile_is_not_overwritten,
    an_account_holds_no_more_than_an_amount_can_say,
    what_changes_nothing_stands_in_no_log,
    entries_are_listed_as_they_are_numbered,
    an_event_is_taken_once_and_waits_for_its_customer,
    a_purchase_is_known_by_each_of_its_names,
    events_are_forgotten_when_nobody_asks_any_more,
    entries_are_never_changed_or_deleted,
    a_ledger_that_was_tampered_with_is_found_out
];

fn posting(operation: &str, kind: LedgerKind, credits: i32) -> Posting {
    Posting {
        operation: operation.to_owned(),
        kind,
        amount: Credits::whole(credits),
        note: None,
        references: Vec::new(),
        of: None,
    }
}

/// Posts, whoever else changes the account.
async fn post(store: &SqlStore, scope: Scope, posting: Posting) -> Vec<Posted> {
    let write = AccountWrite {
        account: None,
        postings: vec![posting],
        event: None,
        names: Vec::new(),
        is_plain: false,
        at: at(0),
    };
    let written = store.billing_account_write(scope, &write, &Alongside::nothing()).await;
    match written.unwrap() {
        Written::Done(posted) => posted,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn granted(store: &SqlStore, scope: Scope, credits: i32) {
    post(store, scope, posting("first", LedgerKind::Grant, credits)).await;
}

async fn an_operation_happens_once(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let twins = (0..10).map(|_| {
        let store = world.store.clone();
        tokio::spawn(async move { post(&store, scope, posting("gift", LedgerKind::Grant, 5)).await })
    });
    let mut ids = Vec::new();
    for twin in twins.collect::<Vec<_>>() {
        ids.extend(
            twin.await
                .unwrap()
                .iter()
                .map(|posted| (posted.is_new, posted.entry.id)),
        );
    }
    assert_eq!(ids.len(), 10);
    assert!(
        ids.iter().all(|(_, id)| *id == ids[0].1),
        "all are told of the same entry"
    );
    assert_eq!(ids.iter().filter(|(is_new, _)| *is_new).count(), 1);
    let account = world.store.billing_account(scope).await.unwrap();
    assert_eq!(account.available, Credits::whole(5));
    let other = world.tenant().await;
    post(&world.store, other, posting("gift", LedgerKind::Grant, 7)).await;
    assert_eq!(
        world.store.billing_account(other).await.unwrap().available,
        Credits::whole(7)
    );
}

async fn what_is_held_is_settled_or_released_once(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    granted(store, scope, 10).await;
    let [settled, released] = [Uuid::now_v7(), Uuid::now_v7()];
    for id in [settled, released] {
        let held = store
            .reservation_open(scope, id, Credits::whole(4), at(0))
            .await
            .unwrap();
        assert_eq!(held, Held::All(Credits::whole(4)));
        let again = store
            .reservation_open(scope, id, Credits::whole(4), at(0))
            .await
            .unwrap();
        assert_eq!(again, Held::All(Credits::whole(4)));
    }
    let short = store
        .reservation_open(scope, Uuid::now_v7(), Credits::whole(3), at(0))
        .await
        .unwrap();
    assert_eq!(short, Held::Short(Credits::whole(2)));
    let close = |id, cost| store.reservation_close(scope, id, Credits::whole(cost), at(1));
    assert_eq!(
        close(settled, 9).await.unwrap(),
        Some(Credits::whole(6)),
        "what is held, and then what there is besides, but no more"
    );
    assert_eq!(close(settled, 1).await.unwrap(), None);
    assert_eq!(close(released, 0).await.unwrap(), Some(Credits::ZERO));
    assert_eq!(close(Uuid::now_v7(), 1).await.unwrap(), None);
    let account = store.billing_account(scope).await.unwrap();
    assert_eq!(
        (account.available, account.reserved),
        (Credits::whole(4), Credits::ZERO)
    );
    let elsewhere = world.tenant().await;
    assert_eq!(
        store
            .reservation_close(elsewhere, settled, Credits::whole(1), at(1))
            .await
            .unwrap(),
        None,
        "another tenant's reservation is nobody's"
    );
}

async fn an_extension_takes_what_there_is_and_each_step_once(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    granted(store, scope, 10).await;
    let reservation = Uuid::now_v7();
    store
        .reservation_open(scope, reservation, Credits::whole(4), at(0))
        .await
        .unwrap();
    let extend = |step, wanted| {
        let extension = Extension {
            reservation,
            step,
            wanted: Credits::whole(wanted),
            least: Credits::whole(2),
            at: at(0),
        };
        async move { store.reservation_extend(scope, &extension).await.unwrap() }
    };
    assert_eq!(extend(1, 3).await, Held::All(Credits::whole(7)));
    assert_eq!(
        extend(1, 3).await,
        Held::All(Credits::whole(7)),
        "the same step is not paid twice"
    );
    assert_eq!(
        extend(2, 9).await,
        Held::All(Credits::whole(10)),
        "the last credits go as far as they go"
    );
    assert_eq!(extend(3, 3).await, Held::Short(Credits::ZERO));
    store
        .reservation_close(scope, reservation, Credits::whole(1), at(1))
        .await
        .unwrap();
    assert_eq!(extend(4, 3).await, Held::Over);
}

async fn a_refund_takes_no_more_than_there_is(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let mut bought = posting("stripe:in_1", LedgerKind::Purchase, 10);
    bought.references = vec!["in_1".to_owned(), "pi_1".to_owned()];
    post(store, scope, bought).await;
    store
        .reservation_open(scope, Uuid::now_v7(), Credits::whole(7), at(0))
        .await
        .unwrap();
    let mut refund = posting("stripe:evt_1", LedgerKind::Refund, 10);
    refund.of = Some("stripe:in_1".to_owned());
    let entries = post(store, scope, refund).await;
    assert_eq!(entries[0].entry.available, Credits::from_micros(-3_000_000));
    let names = ["pi_1".to_owned()];
    let (owner, purchase) = store.billing_purchase(&names).await.unwrap().unwrap();
    assert_eq!((owner, purchase.credits), (scope, Credits::whole(10)));
    granted(store, scope, 20).await;
    let mut refund = posting("stripe:evt_2", LedgerKind::Refund, 10);
    refund.of = Some(purchase.operation);
    let entries = post(store, scope, refund).await;
    assert_eq!(
        entries[0].entry.available,
        Credits::from_micros(-7_000_000),
        "ten in all, of which three were taken before"
    );
}

async fn an_account_changed_meanwhile_is_not_overwritten(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let read = store.billing_account(scope).await.unwrap();
    let trial = |days: i64| AccountWrite {
        account: Some(Account {
            trial: Some(Trial {
                started_at: at(0),
                ends_at: Timestamp::from_millis(days * 86_400_000),
            }),
            ..read.clone()
        }),
        postings: Vec::new(),
        event: None,
        names: Vec::new(),
        is_plain: false,
        at: at(0),
    };
    let write = |days| {
        let write = trial(days);
        async move {
            store
                .billing_account_write(scope, &write, &Alongside::nothing())
                .await
                .unwrap()
        }
    };
    assert_eq!(write(1).await, Written::Done(Vec::new()));
    assert_eq!(write(2).await, Written::Stale);
    let account = store.billing_account(scope).await.unwrap();
    assert_eq!(account.trial, trial(1).account.unwrap().trial);
}

async fn an_account_holds_no_more_than_an_amount_can_say(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    granted(store, scope, 999_999_999).await;
    let held = store.reservation_open(scope, Uuid::now_v7(), Credits::whole(400), at(0));
    assert_eq!(held.await.unwrap(), Held::All(Credits::whole(400)));
    let write = |credits| AccountWrite {
        account: None,
        postings: vec![posting("second", LedgerKind::Grant, credits)],
        event: None,
        names: Vec::new(),
        is_plain: false,
        at: at(0),
    };
    let written = store
        .billing_account_write(scope, &write(2), &Alongside::nothing())
        .await;
    assert_eq!(
        written.unwrap(),
        Written::TooMuch(Credits::whole(999_999_999)),
        "what is held may come back"
    );
    let written = store
        .billing_account_write(scope, &write(1), &Alongside::nothing())
        .await;
    assert!(matches!(written.unwrap(), Written::Done(_)));
}

async fn what_changes_nothing_stands_in_no_log(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    for _ in 0..2 {
        let write = AccountWrite {
            account: None,
            postings: vec![posting("gift", LedgerKind::Grant, 5)],
            event: None,
            names: Vec::new(),
            is_plain: false,
            at: at(0),
        };
        let with = Change::by_system(scope).note(at(0), "credits.granted", "organization", scope.organization);
        let with = with.unwrap();
        store.billing_account_write(scope, &write, &with).await.unwrap();
    }
    let log = store.audit_list(scope, AuditFilter::default(), ALL).await.unwrap();
    let granted = log
        .items
        .iter()
        .filter(|entry| entry.action == "credits.granted")
        .count();
    assert_eq!(granted, 1);
}

async fn entries_are_listed_as_they_are_numbered(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let other = world.tenant().await;
    for number in 1..=5 {
        let name = format!("gift:{number}");
        post(store, scope, posting(&name, LedgerKind::Grant, number)).await;
        post(store, other, posting(&name, LedgerKind::Grant, number)).await;
    }
    // As entries of a node whose clock is an hour ahead are numbered.
    let mut outsider = world.database.outsider().await;
    outsider
        .run(
            "INSERT INTO ledger (id, organization_id, sequence, operation, kind, available, reserved, spent, source,
                                  balance, balance_reserved, created_at)
              SELECT organization_id, organization_id, 6, 'early', 'grant', 0, 0, 0, 0, 15000000, 0, 0 FROM billing_accounts",
        )
        .await;
    outsider.run("UPDATE billing_accounts SET sequence = 6").await;
    let page = |limit, offset, before| Page { limit, offset, before };
    let balances = async |page| {
        let listing = store.ledger_list(scope, page).await.unwrap();
        assert_eq!(listing.total, 6);
        listing
            .items
            .iter()
            .map(|entry| entry.balance.micros() / 1_000_000)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        balances(page(100, 0, None)).await,
        [15, 15, 10, 6, 3, 1],
        "by number, not by id"
    );
    let newest = Some(scope.organization.0);
    assert_eq!(balances(page(2, 0, newest)).await, [15, 10]);
    assert_eq!(balances(page(2, 3, newest)).await, [3, 1]);
    let nobody = Some(Uuid::now_v7());
    assert_eq!(balances(page(2, 0, nobody)).await, [0; 0]);
}

async fn an_event_is_taken_once_and_waits_for_its_customer(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let event = |id: &str, second: i64| BillingEvent {
        provider: "stripe".to_owned(),
        id: id.to_owned(),
        at: at(second * 1000),
        customer: Some("cus_1".to_owned()),
        organization: None,
        news: vec![News::Bought {
            credits: Credits::whole(1),
            references: vec![id.to_owned()],
        }],
    };
    let (later, earlier) = (event("evt_2", 2), event("evt_1", 1));
    for waiting in [&later, &earlier, &later] {
        store.billing_event_park(waiting, at(9000)).await.unwrap();
    }
    let customer = later.customer().unwrap();
    let names = ["cus_1".to_owned()];
    let parked = || async { store.billing_events_parked("stripe", &names).await.unwrap() };
    assert_eq!(store.billing_customer_owner(&customer).await.unwrap(), None);
    assert_eq!(parked().await, [earlier.clone(), later.clone()]);
    assert_eq!(store.billing_events_ready(10).await.unwrap(), [], "nobody's customer");
    let take = || {
        let event = Some(earlier.clone());
        async move {
            let write = AccountWrite {
                account: None,
                postings: vec![posting("stripe:evt_1", LedgerKind::Purchase, 1)],
                event,
                names: Vec::new(),
                is_plain: false,
                at: at(9000),
            };
            store
                .billing_account_write(scope, &write, &Alongside::nothing())
                .await
                .unwrap()
        }
    };
    assert!(matches!(take().await, Written::Done(entries) if entries.len() == 1));
    assert_eq!(take().await, Written::SeenBefore);
    assert_eq!(parked().await, std::slice::from_ref(&later));
    assert_eq!(store.billing_events_ready(10).await.unwrap(), [later]);
    assert_eq!(
        store.billing_customer_owner(&customer).await.unwrap(),
        Some(scope.organization)
    );
}

async fn a_purchase_is_known_by_each_of_its_names(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let bought = |operation: &str, references: [&str; 2]| {
        let mut bought = posting(operation, LedgerKind::Purchase, 10);
        bought.references = references.map(ToOwned::to_owned).to_vec();
        post(store, scope, bought)
    };
    assert!(bought("stripe:pi_1", ["pi_1", "in_1"]).await[0].is_new);
    assert!(!bought("stripe:in_1", ["in_1", "ch_1"]).await[0].is_new);
    assert!(
        !bought("stripe:ch_1", ["ch_1", "ch_1"]).await[0].is_new,
        "also by what it was called later"
    );
    assert!(bought("stripe:pi_2", ["pi_2", "in_2"]).await[0].is_new);
    assert_eq!(
        store.billing_account(scope).await.unwrap().available,
        Credits::whole(20)
    );
}

async fn events_are_forgotten_when_nobody_asks_any_more(engine: Engine) {
    let world = World::new(engine).await;
    let (scope, store) = (world.tenant().await, &world.store);
    let event = |id: &str, customer: &str| BillingEvent {
        provider: "stripe".to_owned(),
        id: id.to_owned(),
        at: at(0),
        customer: Some(customer.to_owned()),
        organization: None,
        news: Vec::new(),
    };
    let taken = AccountWrite {
        account: None,
        postings: Vec::new(),
        event: Some(event("evt_1", "cus_1")),
        names: Vec::new(),
        is_plain: false,
        at: at(1_000),
    };
    let written = store.billing_account_write(scope, &taken, &Alongside::nothing()).await;
    assert_eq!(written.unwrap(), Written::Done(Vec::new()));
    store
        .billing_event_park(&event("evt_2", "cus_2"), at(1_000))
        .await
        .unwrap();
    let purge = |taken, waiting| store.billing_events_purge(at(taken), at(waiting), 10);
    assert_eq!(purge(1_000, 500).await.unwrap(), 0);
    assert_eq!(purge(1_001, 500).await.unwrap(), 1, "the one that was taken");
    assert_eq!(purge(1_001, 1_000).await.unwrap(), 0);
    assert_eq!(purge(1_001, 1_001).await.unwrap(), 1);
}

async fn entries_are_never_changed_or_deleted(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    granted(&world.store, scope, 10).await;
    let mut outsider = world.database.outsider().await;
    for sql in ["UPDATE ledger SET note = 'x'", "DELETE FROM ledger"] {
        let refused = outsider.attempt(sql).await.unwrap_err().to_string();
        assert!(refused.contains("only ever added to"), "{sql}: {refused}");
    }
    let twisted = "INSERT INTO ledger SELECT * FROM ledger";
    assert!(outsider.attempt(twisted).await.is_err(), "an entry is there once");
    let below = "UPDATE billing_accounts SET available = -1";
    assert!(outsider.attempt(below).await.is_err(), "no balance is below zero");
}

async fn a_ledger_that_was_tampered_with_is_found_out(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    granted(&world.store, scope, 10).await;
    assert_eq!(world.store.ledger_verify().await.unwrap().faults, Vec::<String>::new());
    let sql = "UPDATE billing_accounts SET available = available + 1";
    world.database.outsider().await.run(sql).await;
    let faults = world.store.ledger_verify().await.unwrap().faults;
    assert_eq!(faults, ["1 accounts whose balances are not the sum of their entries"]);
}
