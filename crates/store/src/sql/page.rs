//! Lists, a page at a time.

use contract::AgentId;
use domain::records::{Listing, Page, Scope};
use uuid::Uuid;

use super::{Db, Outcome, Row, Statement, Value};

/// Which rows of which table. What it is built from are constants; values go in beside them.
pub(crate) struct Selection {
    columns: &'static str,
    beside: Option<&'static str>,
    table: &'static str,
    filter: String,
    args: Vec<Value>,
    kept_total: Option<Box<Selection>>,
}

/// Of which kind a total is kept; see the migration that made the table `totals`.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    Agents,
    Calls,
    Audit,
}

impl Selection {
    /// All rows of a table that has an `id`, and the columns to read of them.
    pub(crate) fn of(table: &'static str, columns: &'static str) -> Self {
        Self {
            columns,
            beside: None,
            table,
            filter: String::new(),
            args: Vec::new(),
            kept_total: None,
        }
    }

    /// What is found out about each row of the page besides, and not about those that were counted or skipped: an
    /// expression over the columns, under the table's name.
    pub(crate) fn beside(self, expression: &'static str) -> Self {
        Self {
            beside: Some(expression),
            ..self
        }
    }

    /// Only rows for which the condition holds; each `$` in it stands for the value.
    pub(crate) fn only(mut self, condition: &str, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        let placeholder = format!("${}", self.args.len());
        let joint = if self.filter.is_empty() { "WHERE" } else { " AND" };
        self.filter.push_str(joint);
        self.filter.push_str(" (");
        self.filter.push_str(&condition.replace('$', &placeholder));
        self.filter.push(')');
        self
    }

    /// As [`Self::only`] when there is a value.
    pub(crate) fn only_if(self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.only(condition, value),
            None => self,
        }
    }

    /// The totals kept for an organisation, of one agent or of all; to be narrowed by the same filters as the list.
    pub(crate) fn totals(kind: Kept, scope: Scope, agent: Option<AgentId>) -> Self {
        let kind = match kind {
            Kept::Agents => "agents",
            Kept::Calls => "calls",
            Kept::Audit => "audit",
        };
        Self::of("totals", "CAST(COALESCE(SUM(total), 0) AS BIGINT)")
            .only("organization_id = $", scope.organization.0)
            .only("kind = $", kind)
            .only("agent_id = $", agent.map_or(Uuid::nil(), named))
    }

    /// Takes the total from what is kept instead of counting: for lists that may be long. The one column of `totals`
    /// tells it.
    pub(crate) fn counted_by(self, totals: Self) -> Self {
        Self {
            kept_total: Some(Box::new(totals)),
            ..self
        }
    }

    /// What tells the total.
    fn count(&self) -> (Statement, Vec<Value>) {
        let (counted, what) = match &self.kept_total {
            Some(totals) => (&**totals, totals.columns),
            None => (self, "COUNT(*)"),
        };
        let sql = format!("SELECT {what} AS total FROM {} {}", counted.table, counted.filter);
        (Statement::built(sql), counted.args.clone())
    }

    /// Its own placeholders come first, then those of the page.
    fn rows(&self) -> Statement {
        let Self {
            columns,
            beside,
            table,
            filter,
            args,
            ..
        } = self;
        let joint = if filter.is_empty() { "WHERE" } else { " AND" };
        let [before, limit, offset] = [1, 2, 3].map(|further| args.len() + further);
        let page = format!(
            "SELECT {columns} FROM {table} {filter}{joint} id < ${before} ORDER BY id DESC LIMIT ${limit} OFFSET ${offset}"
        );
        Statement::built(match beside {
            Some(beside) => format!("SELECT {columns}, {beside} FROM ({page}) AS {table} ORDER BY id DESC"),
            None => page,
        })
    }
}

/// The id of zeros stands for all agents, so an agent who is asked for by it has to be somebody else: nobody.
fn named(agent: AgentId) -> Uuid {
    if agent.0.is_nil() { Uuid::max() } else { agent.0 }
}

impl Db {
    /// A page of a selection, newest first, and how many rows there are in all, both from one moment.
    pub(crate) async fn page<T>(
        &self,
        selection: Selection,
        page: Page,
        read: impl Fn(&Row) -> Outcome<T> + Send,
    ) -> Outcome<Listing<T>> {
        let ((count, count_args), rows) = (selection.count(), selection.rows());
        let mut tx = self.read().await?;
        let total: u64 = tx.scalar(count, count_args).await?;
        let mut args = selection.args;
        args.extend([
            // The greatest of all ids for the first page.
            Value::from(page.before.unwrap_or(Uuid::max())),
            Value::from(page.limit),
            Value::from(i64::try_from(page.offset).unwrap_or(i64::MAX)),
        ]);
        let rows = tx.fetch_all(rows, args).await?;
        let items = rows.iter().map(read).collect::<Outcome<Vec<T>>>()?;
        Ok(Listing { items, total })
    }
}
