//! The check of all ledgers: every balance is computed again from the entries.

use domain::billing::LedgerReport;

use crate::sql::{Db, Outcome, Tx, args};

/// What must not be found, and the words for it.
const CHECKS: [(&str, &str); 6] = [
    (
        "entries whose changes do not add up to zero",
        "SELECT COUNT(*) FROM ledger WHERE available + reserved + spent + source <> 0",
    ),
    (
        "entries that do not follow from the one before",
        "SELECT COUNT(*) FROM (
             SELECT balance - available - COALESCE(LAG(balance) OVER entries, 0) AS jump,
                    balance_reserved - reserved - COALESCE(LAG(balance_reserved) OVER entries, 0) AS jump_reserved,
                    sequence - COALESCE(LAG(sequence) OVER entries, 0) AS step
             FROM ledger WINDOW entries AS (PARTITION BY organization_id ORDER BY sequence)
         ) AS steps WHERE jump <> 0 OR jump_reserved <> 0 OR step <> 1",
    ),
    (
        "accounts whose balances are not the sum of their entries",
        "SELECT COUNT(*) FROM billing_accounts AS account
         LEFT JOIN (SELECT organization_id, SUM(available) AS available, SUM(reserved) AS reserved,
                           MAX(sequence) AS sequence
                    FROM ledger GROUP BY organization_id) AS entries
             ON entries.organization_id = account.organization_id
         WHERE account.available <> COALESCE(entries.available, 0) OR account.reserved <> COALESCE(entries.reserved, 0)
            OR account.sequence <> COALESCE(entries.sequence, 0)",
    ),
    (
        "accounts that hold another sum than their open reservations",
        "SELECT COUNT(*) FROM billing_accounts AS account
         LEFT JOIN (SELECT organization_id, SUM(held) AS held FROM ledger_reservations GROUP BY organization_id)
             AS reservations ON reservations.organization_id = account.organization_id
         WHERE account.reserved <> COALESCE(reservations.held, 0)",
    ),
    (
        "reservations that hold another sum than their entries",
        "SELECT COUNT(*) FROM ledger_reservations AS reservation
         LEFT JOIN (SELECT organization_id, reservation_id, SUM(reserved) AS held, SUM(spent) AS spent FROM ledger
                    WHERE reservation_id IS NOT NULL GROUP BY organization_id, reservation_id) AS entries
             ON entries.organization_id = reservation.organization_id AND entries.reservation_id = reservation.id
         WHERE reservation.held <> COALESCE(entries.held, 0)
            OR COALESCE(reservation.spent, 0) <> COALESCE(entries.spent, 0)",
    ),
    (
        "reservations of calls that are over",
        "SELECT COUNT(*) FROM ledger_reservations AS reservation
         JOIN calls ON calls.organization_id = reservation.organization_id AND calls.id = reservation.id
         WHERE reservation.closed_at IS NULL AND calls.ended_at IS NOT NULL",
    ),
];

/// Looks at everything, as of one moment.
pub(super) async fn verify(db: &Db) -> Outcome<LedgerReport> {
    let mut tx = db.read().await?;
    tx.take_time().await?;
    let mut report = LedgerReport {
        entries: count(&mut tx, "SELECT COUNT(*) FROM ledger").await?,
        accounts: count(&mut tx, "SELECT COUNT(*) FROM billing_accounts").await?,
        open_reservations: count(
            &mut tx,
            "SELECT COUNT(*) FROM ledger_reservations WHERE closed_at IS NULL",
        )
        .await?,
        faults: Vec::new(),
    };
    for (what, sql) in CHECKS {
        let found = count(&mut tx, sql).await?;
        if found > 0 {
            report.faults.push(format!("{found} {what}"));
        }
    }
    Ok(report)
}

async fn count(tx: &mut Tx, sql: &'static str) -> Outcome<u64> {
    tx.scalar(sql, args![]).await
}
