//! Agents.

use std::sync::Arc;

use async_trait::async_trait;
use contract::AgentId;
use domain::{
    Alongside,
    ports::{AgentStore, Stored},
    records::{AgentRecord, Listing, Page, Scope, Version, Versioned},
    snapshot::Snapshot,
};

use crate::{
    SqlStore,
    repositories::versioned,
    sql::{Kept, Outcome, Row, Selection, Tx, args, doing, each, get, json, json_of, maybe_json, maybe_json_of, time},
};

/// What an agent is read from.
macro_rules! columns {
    () => {
        "id, settings, last_error, created_at, updated_at, version"
    };
}

#[async_trait]
impl AgentStore for SqlStore {
    async fn agent_create(&self, scope: Scope, agent: &AgentRecord, with: &Alongside) -> Stored<()> {
        doing("agent_create", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "INSERT INTO agents (id, organization_id, settings, last_error, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                args![
                    agent.id.0,
                    scope.organization.0,
                    json_of(&agent.settings)?,
                    maybe_json_of(agent.last_error.as_ref())?,
                    agent.created_at.millis(),
                    agent.updated_at.millis()
                ],
            )
            .await?;
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await
        })
        .await
    }

    async fn agent_fetch(&self, scope: Scope, id: AgentId) -> Stored<Option<AgentRecord>> {
        let found = self.agent_versioned(scope, id).await?;
        Ok(found.map(|found| found.record))
    }

    async fn agent_snapshot(&self, scope: Scope, id: AgentId) -> Stored<Option<Arc<Snapshot<AgentRecord>>>> {
        doing("agent_snapshot", async {
            let Some(row) = self.agent_row(scope, id).await? else {
                return Ok(None);
            };
            self.agents_made.of(id.0, row, agent).map(Some)
        })
        .await
    }

    async fn agent_versioned(&self, scope: Scope, id: AgentId) -> Stored<Option<Versioned<AgentRecord>>> {
        doing("agent_versioned", async {
            let row = self.agent_row(scope, id).await?;
            row.map(|row| versioned(&row, agent)).transpose()
        })
        .await
    }

    async fn agent_list(&self, scope: Scope, page: Page) -> Stored<Listing<AgentRecord>> {
        doing("agent_list", async {
            let agents = Selection::of("agents", columns!())
                .only("organization_id = $", scope.organization.0)
                .counted_by(Selection::totals(Kept::Agents, scope, None));
            self.db.page(agents, page, agent).await
        })
        .await
    }

    async fn agent_update(
        &self,
        scope: Scope,
        agent: &AgentRecord,
        version: Version,
        with: &Alongside,
    ) -> Stored<bool> {
        doing("agent_update", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "UPDATE agents SET settings = $3, last_error = $4, updated_at = $5, version = version + 1
                     WHERE organization_id = $1 AND id = $2 AND version = $6",
                    args![
                        scope.organization.0,
                        agent.id.0,
                        json_of(&agent.settings)?,
                        maybe_json_of(agent.last_error.as_ref())?,
                        agent.updated_at.millis(),
                        version.0
                    ],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn agent_delete(&self, scope: Scope, id: AgentId, version: Version, with: &Alongside) -> Stored<bool> {
        doing("agent_delete", async {
            let mut tx = self.db.write().await?;
            // Who assigns the agent a number in the same moment waits, and then finds it gone.
            let sql = "SELECT id FROM agents WHERE organization_id = $1 AND id = $2 AND version = $3";
            let present = args![scope.organization.0, id.0, version.0];
            if tx.fetch_for_update(sql, present).await?.is_none() {
                return Ok(false);
            }
            self.agents_made.forget(id.0);
            numbers_free(&mut tx, scope, id).await?;
            let done = tx
                .execute(
                    "DELETE FROM agents WHERE organization_id = $1 AND id = $2",
                    args![scope.organization.0, id.0],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }
}

impl SqlStore {
    async fn agent_row(&self, scope: Scope, id: AgentId) -> Outcome<Option<Row>> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM agents WHERE organization_id = $1 AND id = $2"
        );
        self.db.fetch_optional(sql, args![scope.organization.0, id.0]).await
    }
}

/// Takes an agent off its numbers. The rows are held in one order first: an agent that answers one number and calls
/// from another would else wait for one who does so the other way round, and that one for it.
async fn numbers_free(tx: &mut Tx, scope: Scope, agent: AgentId) -> Outcome<()> {
    let hold = each(
        "SELECT id FROM numbers WHERE organization_id = $1 AND (inbound_agent_id = $2 OR outbound_agent_id = $2)
         ORDER BY id",
        "SELECT id FROM numbers WHERE organization_id = $1 AND (inbound_agent_id = $2 OR outbound_agent_id = $2)
         ORDER BY id FOR UPDATE",
    );
    tx.fetch_all(hold, args![scope.organization.0, agent.0]).await?;
    let free = "UPDATE numbers SET
                    inbound_agent_id = CASE WHEN inbound_agent_id = $2 THEN NULL ELSE inbound_agent_id END,
                    outbound_agent_id = CASE WHEN outbound_agent_id = $2 THEN NULL ELSE outbound_agent_id END,
                    version = version + 1
                WHERE organization_id = $1 AND (inbound_agent_id = $2 OR outbound_agent_id = $2)";
    tx.execute(free, args![scope.organization.0, agent.0]).await.map(drop)
}

fn agent(row: &Row) -> Outcome<AgentRecord> {
    Ok(AgentRecord {
        id: AgentId(get(row, "id")?),
        settings: json(row, "settings")?,
        last_error: maybe_json(row, "last_error")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
