//! The ledger: credits move here and nowhere else.
//!
//! Whoever moves credits holds the account's row first, until the end of the transaction, so an organisation's
//! entries happen one after another; the constraints of the schema refuse whatever would be wrong all the same.

use contract::{CallId, Credits, LedgerEntry, LedgerEntryId, LedgerKind, Timestamp};
use domain::{
    billing::{Extension, Held},
    records::{Listing, Page, Scope},
};
use uuid::Uuid;

use crate::sql::{Outcome, Row, Statement, Tx, args, get, name_of, named, time};

/// What [`entry`] reads.
pub(super) const ENTRY_COLUMNS: &str =
    "id, kind, available, reserved, spent, source, balance, balance_reserved, call_id, note, created_at";

/// Changes of the four places where credits can be. They add up to zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Move {
    pub(super) available: i64,
    pub(super) reserved: i64,
    pub(super) spent: i64,
    pub(super) source: i64,
}

/// What a move is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Happens once.
    pub(super) operation: &'a str,
    pub(super) kind: LedgerKind,
    pub(super) reservation: Option<Reservation>,
    pub(super) refund_of: Option<&'a str>,
    pub(super) note: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// What credits are held for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) id: Uuid,
    pub(super) is_call: bool,
}

/// What an account holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    pub(super) available: i64,
    pub(super) reserved: i64,
}

/// Takes the account's row for the rest of the transaction; makes it if there is none.
pub(super) async fn account_hold(tx: &mut Tx, scope: Scope) -> Outcome<Balance> {
    tx.execute(
        "INSERT INTO billing_accounts (organization_id) VALUES ($1) ON CONFLICT DO NOTHING",
        args![scope.organization.0],
    )
    .await?;
    let row = tx
        .fetch_for_update(
            "SELECT available, reserved FROM billing_accounts WHERE organization_id = $1",
            args![scope.organization.0],
        )
        .await?
        .ok_or("an account that was just made is gone")?;
    Ok(Balance {
        available: get(&row, "available")?,
        reserved: get(&row, "reserved")?,
    })
}

/// The entry of an operation that happened already.
pub(super) async fn known(tx: &mut Tx, scope: Scope, operation: &str) -> Outcome<Option<LedgerEntry>> {
    let row = tx
        .fetch_optional(
            Statement::built(format!(
                "SELECT {ENTRY_COLUMNS} FROM ledger WHERE organization_id = $1 AND operation = $2"
            )),
            args![scope.organization.0, operation],
        )
        .await?;
    row.as_ref().map(entry).transpose()
}

/// Moves credits. The account is held, and the operation is not known.
pub(super) async fn post(tx: &mut Tx, scope: Scope, change: Move, about: About<'_>) -> Outcome<LedgerEntry> {
    let row = tx
        .fetch_optional(
            "UPDATE billing_accounts SET available = available + $2, reserved = reserved + $3, sequence = sequence + 1
             WHERE organization_id = $1 RETURNING available, reserved, sequence",
            args![scope.organization.0, change.available, change.reserved],
        )
        .await?
        .ok_or("an account that is held is gone")?;
    let call = about.reservation.filter(|reservation| reservation.is_call);
    let entry = LedgerEntry {
        id: LedgerEntryId::new(),
        kind: about.kind,
        available: Credits::from_micros(change.available),
        reserved: Credits::from_micros(change.reserved),
        spent: Credits::from_micros(change.spent),
        source: Credits::from_micros(change.source),
        balance: Credits::from_micros(get(&row, "available")?),
        balance_reserved: Credits::from_micros(get(&row, "reserved")?),
        call_id: call.map(|call| CallId(call.id)),
        note: about.note.map(ToOwned::to_owned),
        created_at: about.at,
    };
    tx.execute(
        "INSERT INTO ledger (id, organization_id, sequence, operation, kind, available, reserved, spent, source,
                             balance, balance_reserved, reservation_id, call_id, refund_of, note, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        args![
            entry.id.0,
            scope.organization.0,
            get::<i64>(&row, "sequence")?,
            about.operation,
            name_of(&about.kind)?,
            change.available,
            change.reserved,
            change.spent,
            change.source,
            entry.balance.micros(),
            entry.balance_reserved.micros(),
            about.reservation.map(|reservation| reservation.id),
            call.map(|call| call.id),
            about.refund_of,
            about.note,
            about.at,
        ],
    )
    .await?;
    Ok(entry)
}

/// Holds credits for something that begins.
pub(super) async fn reserve(
    tx: &mut Tx,
    scope: Scope,
    reservation: Reservation,
    amount: Credits,
    at: Timestamp,
) -> Outcome<Held> {
    let balance = account_hold(tx, scope).await?;
    if let Some((_, held, closed)) = reservation_find(tx, scope, reservation.id).await? {
        return Ok(if closed {
            Held::Over
        } else {
            Held::All(Credits::from_micros(held))
        });
    }
    if balance.available < amount.micros() {
        return Ok(Held::Short(Credits::from_micros(balance.available)));
    }
    let change = Move {
        available: -amount.micros(),
        reserved: amount.micros(),
        ..Move::default()
    };
    let operation = format!("reserve:{}", reservation.id);
    post(
        tx,
        scope,
        change,
        about(&operation, LedgerKind::Reserve, reservation, at),
    )
    .await?;
    tx.execute(
        "INSERT INTO ledger_reservations (organization_id, id, is_call, held, opened_at) VALUES ($1, $2, $3, $4, $5)",
        args![
            scope.organization.0,
            reservation.id,
            reservation.is_call,
            amount.micros(),
            at
        ],
    )
    .await?;
    Ok(Held::All(amount))
}

/// Holds more credits for something that goes on.
pub(super) async fn extend(tx: &mut Tx, scope: Scope, extension: &Extension) -> Outcome<Held> {
    let balance = account_hold(tx, scope).await?;
    let Some((reservation, held, false)) = reservation_find(tx, scope, extension.reservation).await? else {
        return Ok(Held::Over);
    };
    let operation = format!("extend:{}:{}", reservation.id, extension.step);
    if known(tx, scope, &operation).await?.is_some() {
        return Ok(Held::All(Credits::from_micros(held)));
    }
    let amount = extension.wanted.micros().min(balance.available);
    if amount <= 0 || amount < extension.least.micros() {
        return Ok(Held::Short(Credits::from_micros(balance.available)));
    }
    let change = Move {
        available: -amount,
        reserved: amount,
        ..Move::default()
    };
    post(
        tx,
        scope,
        change,
        about(&operation, LedgerKind::Extend, reservation, extension.at),
    )
    .await?;
    tx.execute(
        "UPDATE ledger_reservations SET held = held + $3 WHERE organization_id = $1 AND id = $2",
        args![scope.organization.0, reservation.id, amount],
    )
    .await?;
    Ok(Held::All(Credits::from_micros(held + amount)))
}

/// Ends a reservation: `cost` is spent, from what is held and then from what there is besides; the rest is free again.
pub(super) async fn close(
    tx: &mut Tx,
    scope: Scope,
    id: Uuid,
    cost: Credits,
    at: Timestamp,
) -> Outcome<Option<Credits>> {
    // Most calls of who never pays have none: no account is made for them.
    if reservation_find(tx, scope, id).await?.is_none() {
        return Ok(None);
    }
    let balance = account_hold(tx, scope).await?;
    let Some((reservation, held, false)) = reservation_find(tx, scope, id).await? else {
        return Ok(None);
    };
    let spent = cost.micros().clamp(0, held.saturating_add(balance.available));
    let kind = if spent > 0 {
        LedgerKind::Settle
    } else {
        LedgerKind::Release
    };
    let change = Move {
        available: held - spent,
        reserved: -held,
        spent,
        ..Move::default()
    };
    let operation = format!("close:{id}");
    post(tx, scope, change, about(&operation, kind, reservation, at)).await?;
    tx.execute(
        "UPDATE ledger_reservations SET held = 0, spent = $3, closed_at = $4 WHERE organization_id = $1 AND id = $2",
        args![scope.organization.0, id, spent, at],
    )
    .await?;
    Ok(Some(Credits::from_micros(spent)))
}

/// A reservation, what it holds, and whether it ended.
async fn reservation_find(tx: &mut Tx, scope: Scope, id: Uuid) -> Outcome<Option<(Reservation, i64, bool)>> {
    let row = tx
        .fetch_optional(
            "SELECT is_call, held, closed_at FROM ledger_reservations WHERE organization_id = $1 AND id = $2",
            args![scope.organization.0, id],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let reservation = Reservation {
        id,
        is_call: get(&row, "is_call")?,
    };
    let is_closed = get::<Option<i64>>(&row, "closed_at")?.is_some();
    Ok(Some((reservation, get(&row, "held")?, is_closed)))
}

fn about(operation: &str, kind: LedgerKind, reservation: Reservation, at: Timestamp) -> About<'_> {
    About {
        operation,
        kind,
        reservation: Some(reservation),
        refund_of: None,
        note: None,
        at,
    }
}

/// A page of an organisation's entries. They are numbered under its lock, so their numbers tell the order in which they
/// happened, which the clocks of several nodes don't; and the last number is their count.
pub(super) async fn page(tx: &mut Tx, scope: Scope, page: Page) -> Outcome<Listing<LedgerEntry>> {
    let organization = scope.organization.0;
    let last = "SELECT CAST(COALESCE(MAX(sequence), 0) AS BIGINT) FROM billing_accounts WHERE organization_id = $1";
    let total: u64 = tx.scalar(last, args![organization]).await?;
    let until: i64 = match page.before {
        None => i64::MAX,
        // Below what is no entry of theirs there is none.
        Some(id) => {
            let sql = "SELECT CAST(COALESCE(MAX(sequence), 0) AS BIGINT) FROM ledger
                       WHERE organization_id = $1 AND id = $2";
            tx.scalar(sql, args![organization, id]).await?
        }
    };
    let offset = i64::try_from(page.offset).unwrap_or(i64::MAX);
    let sql = Statement::built(format!(
        "SELECT {ENTRY_COLUMNS} FROM ledger WHERE organization_id = $1 AND sequence < $2
         ORDER BY sequence DESC LIMIT $3 OFFSET $4"
    ));
    let rows = tx
        .fetch_all(sql, args![organization, until, page.limit, offset])
        .await?;
    let items = rows.iter().map(entry).collect::<Outcome<_>>()?;
    Ok(Listing { items, total })
}

/// An entry from its row.
pub(super) fn entry(row: &Row) -> Outcome<LedgerEntry> {
    let credits = |column| get(row, column).map(Credits::from_micros);
    Ok(LedgerEntry {
        id: LedgerEntryId(get(row, "id")?),
        kind: named(row, "kind")?,
        available: credits("available")?,
        reserved: credits("reserved")?,
        spent: credits("spent")?,
        source: credits("source")?,
        balance: credits("balance")?,
        balance_reserved: credits("balance_reserved")?,
        call_id: get::<Option<Uuid>>(row, "call_id")?.map(CallId),
        note: get(row, "note")?,
        created_at: time(row, "created_at")?,
    })
}
