//! Transactions.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::OrganizationId;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use sqlx::{Postgres, Sqlite, Transaction};

use super::{
    Outcome, Row, Statement, Value, args,
    change::Change,
    row::Column,
    server::{Generation, Server},
    value::{for_postgres, for_sqlite},
};

/// Waits so long and no longer; what the wait was for is given up then.
pub(super) async fn bounded<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Outcome<T> {
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(format!("the database did not answer within {deadline:?}").into()),
    }
}

/// A transaction; rolled back when it is dropped without a commit.
pub(crate) struct Tx {
    on: On,
    /// Of a file, if it may write. It is over after the transaction.
    change: Option<Change>,
    time: Time,
}

enum On {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>, Arc<Server>, Generation),
}

/// How long a transaction may take.
#[derive(Clone, Copy)]
struct Time {
    /// Each statement. An operator's work on many rows takes as long as it takes.
    statement: Option<Duration>,
    /// All of it: statements that each come just in time would hold their locks for many times as long.
    end: Option<Instant>,
}

impl Time {
    fn of(statement: Duration) -> Self {
        Self {
            statement: Some(statement),
            end: Instant::now().checked_add(statement * 2),
        }
    }

    /// For the next statement.
    fn left(self) -> Outcome<Duration> {
        if self.end.is_some_and(|end| end <= Instant::now()) {
            return Err("the transaction took too long".into());
        }
        Ok(self.statement.unwrap_or(Duration::MAX))
    }
}

impl Tx {
    pub(super) fn sqlite(tx: Transaction<'static, Sqlite>, change: Option<Change>, deadline: Duration) -> Self {
        Self {
            on: On::Sqlite(tx),
            change,
            time: Time::of(deadline),
        }
    }

    pub(super) async fn postgres(server: &Arc<Server>, begin: &'static str, deadline: Duration) -> Outcome<Self> {
        let now = server.generation();
        // A connection comes within half of the deadline, or none does; the rest is for the answer.
        let tx = server
            .connected(&now, deadline, Box::pin(now.pool.begin_with(begin)))
            .await?;
        Ok(Self {
            on: On::Postgres(tx, Arc::clone(server), now),
            change: None,
            time: Time::of(deadline),
        })
    }

    /// Lifts the limits that keep requests short: for an operator's work on many rows.
    pub(crate) async fn take_time(&mut self) -> Outcome<()> {
        if matches!(self.on, On::Postgres(..)) {
            for limit in [
                "SET LOCAL statement_timeout = 0",
                "SET LOCAL idle_in_transaction_session_timeout = 0",
            ] {
                self.execute(limit, args![]).await?;
            }
        }
        self.time = Time {
            statement: None,
            end: None,
        };
        Ok(())
    }

    /// Makes all of it true at once.
    pub(crate) async fn commit(self) -> Outcome<()> {
        let within = self.time.left()?;
        let done = match self.on {
            On::Sqlite(tx) => bounded(within, tx.commit()).await,
            On::Postgres(tx, server, now) => server.answer(&now, within, tx.commit()).await,
        };
        drop(self.change);
        done
    }

    /// Runs a change; the number of rows it touched.
    pub(crate) async fn execute(&mut self, sql: impl Into<Statement> + Send, args: Vec<Value>) -> Outcome<u64> {
        let (sql, within) = (sql.into(), self.time.left()?);
        Ok(match &mut self.on {
            On::Sqlite(tx) => {
                let query = sqlx::query_with(sql.sqlite, for_sqlite(args)?);
                bounded(within, query.execute(&mut **tx)).await?.rows_affected()
            }
            On::Postgres(tx, server, now) => {
                let query = sqlx::query_with(sql.postgres, for_postgres(args)?);
                let done = server.answer(now, within, query.execute(&mut **tx)).await?;
                done.rows_affected()
            }
        })
    }

    /// The row that is found, or returned by a change, if any.
    pub(crate) async fn fetch_optional(
        &mut self,
        sql: impl Into<Statement> + Send,
        args: Vec<Value>,
    ) -> Outcome<Option<Row>> {
        let (sql, within) = (sql.into(), self.time.left()?);
        Ok(match &mut self.on {
            On::Sqlite(tx) => {
                let query = sqlx::query_with(sql.sqlite, for_sqlite(args)?);
                let row = bounded(within, query.fetch_optional(&mut **tx)).await?;
                row.map(Row::Sqlite)
            }
            On::Postgres(tx, server, now) => {
                let query = sqlx::query_with(sql.postgres, for_postgres(args)?);
                let row = server.answer(now, within, query.fetch_optional(&mut **tx)).await?;
                row.map(Row::Postgres)
            }
        })
    }

    /// The row that must be there.
    pub(crate) async fn fetch_one(&mut self, sql: impl Into<Statement> + Send, args: Vec<Value>) -> Outcome<Row> {
        let row = self.fetch_optional(sql, args).await?;
        row.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// All rows; for what is known to be few.
    pub(crate) async fn fetch_all(&mut self, sql: impl Into<Statement> + Send, args: Vec<Value>) -> Outcome<Vec<Row>> {
        let (sql, within) = (sql.into(), self.time.left()?);
        Ok(match &mut self.on {
            On::Sqlite(tx) => {
                let query = sqlx::query_with(sql.sqlite, for_sqlite(args)?);
                let rows = bounded(within, query.fetch_all(&mut **tx)).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            On::Postgres(tx, server, now) => {
                let query = sqlx::query_with(sql.postgres, for_postgres(args)?);
                let rows = server.answer(now, within, query.fetch_all(&mut **tx)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Rows one by one and without a deadline, for the operator's work on what may be many.
    pub(crate) fn stream(&mut self, sql: impl Into<Statement>, args: Vec<Value>) -> BoxStream<'_, Outcome<Row>> {
        let sql = sql.into();
        match &mut self.on {
            On::Sqlite(tx) => match for_sqlite(args) {
                Ok(args) => (sqlx::query_with(sql.sqlite, args).fetch(&mut **tx))
                    .map(|row| Ok(Row::Sqlite(row?)))
                    .boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            },
            On::Postgres(tx, ..) => match for_postgres(args) {
                Ok(args) => (sqlx::query_with(sql.postgres, args).fetch(&mut **tx))
                    .map(|row| Ok(Row::Postgres(row?)))
                    .boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            },
        }
    }

    /// The one value of a statement that asks for one, such as a count.
    pub(crate) async fn scalar<T: Column>(&mut self, sql: impl Into<Statement> + Send, args: Vec<Value>) -> Outcome<T> {
        self.fetch_one(sql, args).await?.only()
    }

    /// The row that a `SELECT` from one table finds; nobody else changes it before this transaction is over.
    pub(crate) async fn fetch_for_update(&mut self, select: &'static str, args: Vec<Value>) -> Outcome<Option<Row>> {
        let sql = match self.on {
            // The transaction itself is what keeps others off.
            On::Sqlite(_) => select.into(),
            On::Postgres(..) => Statement::built(format!("{select} FOR UPDATE")),
        };
        self.fetch_optional(sql, args).await
    }

    /// Makes transactions that hold the same organisation wait for this one; for rules over many of its rows, such
    /// as "at most so many". Plain inserts and reads go on.
    pub(crate) async fn hold_organization(&mut self, organization: OrganizationId) -> Outcome<()> {
        if matches!(self.on, On::Postgres(..)) {
            // Foreign keys share the row's key; this lock leaves them that.
            let sql = "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE";
            self.fetch_optional(sql, args![organization.0]).await?;
        }
        Ok(())
    }
}
