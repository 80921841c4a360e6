//! Agents.

use async_trait::async_trait;
use contract::AgentId;
use domain::{
    ports::{AgentStore, Stored},
    records::{AgentRecord, Listing, Page, Scope},
};
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::row::{Outcome, before, doing, get, json, json_of, listing, maybe_json, maybe_json_of, offset, time};

#[async_trait]
impl AgentStore for SqliteStore {
    async fn agent_create(&self, scope: Scope, agent: &AgentRecord) -> Stored<()> {
        doing("agent_create", async {
            let mut tx = self.write().await?;
            sqlx::query(
                "INSERT INTO agents (id, organization_id, settings, last_error, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(agent.id.0)
            .bind(scope.organization.0)
            .bind(json_of(&agent.settings)?)
            .bind(maybe_json_of(agent.last_error.as_ref())?)
            .bind(agent.created_at.millis())
            .bind(agent.updated_at.millis())
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn agent_fetch(&self, scope: Scope, id: AgentId) -> Stored<Option<AgentRecord>> {
        doing("agent_fetch", async {
            let row = sqlx::query("SELECT * FROM agents WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(agent).transpose()
        })
        .await
    }

    async fn agent_list(&self, scope: Scope, page: Page) -> Stored<Listing<AgentRecord>> {
        doing("agent_list", async {
            let mut tx = self.read().await?;
            let total = sqlx::query_scalar("SELECT COUNT(*) FROM agents WHERE organization_id = ?1")
                .bind(scope.organization.0)
                .fetch_one(&mut *tx)
                .await?;
            let rows = sqlx::query(
                "SELECT * FROM agents WHERE organization_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3 OFFSET ?4",
            )
            .bind(scope.organization.0)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, agent)
        })
        .await
    }

    async fn agent_update(&self, scope: Scope, agent: &AgentRecord) -> Stored<bool> {
        doing("agent_update", async {
            let mut tx = self.write().await?;
            let done = sqlx::query(
                "UPDATE agents SET settings = ?3, last_error = ?4, updated_at = ?5
                 WHERE organization_id = ?1 AND id = ?2",
            )
            .bind(scope.organization.0)
            .bind(agent.id.0)
            .bind(json_of(&agent.settings)?)
            .bind(maybe_json_of(agent.last_error.as_ref())?)
            .bind(agent.updated_at.millis())
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn agent_delete(&self, scope: Scope, id: AgentId) -> Stored<bool> {
        doing("agent_delete", async {
            let mut tx = self.write().await?;
            for free in [
                "UPDATE numbers SET inbound_agent_id = NULL WHERE organization_id = ?1 AND inbound_agent_id = ?2",
                "UPDATE numbers SET outbound_agent_id = NULL WHERE organization_id = ?1 AND outbound_agent_id = ?2",
            ] {
                sqlx::query(free)
                    .bind(scope.organization.0)
                    .bind(id.0)
                    .execute(&mut *tx)
                    .await?;
            }
            let done = sqlx::query("DELETE FROM agents WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }
}

fn agent(row: &SqliteRow) -> Outcome<AgentRecord> {
    Ok(AgentRecord {
        id: AgentId(get(row, "id")?),
        settings: json(row, "settings")?,
        last_error: maybe_json(row, "last_error")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
