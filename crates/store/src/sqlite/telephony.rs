//! Trunks and numbers.

use async_trait::async_trait;
use contract::{AgentId, Number, NumberDirection, NumberId, OrganizationId, Trunk, TrunkId};
use domain::{
    ports::{Stored, TelephonyStore},
    records::{InboundNumber, Listing, Page, Scope, TrunkRecord},
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    row::{Outcome, before, doing, get, json, json_of, listing, name_of, named, offset, time},
    seal::{Sealed, Sealer},
};

#[async_trait]
impl TelephonyStore for SqliteStore {
    async fn trunk_create(&self, scope: Scope, trunk: &TrunkRecord) -> Stored<()> {
        doing("trunk_create", async {
            let mut tx = self.write().await?;
            trunk_put(
                &mut tx,
                &self.sealer,
                "INSERT INTO trunks (id, organization_id, name, provider, host, port, transport, username,
                                     password_sealed, password_key, register, source_addresses, allow_sip_uri,
                                     updated_at, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                scope,
                trunk,
            )
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn trunk_fetch(&self, scope: Scope, id: TrunkId) -> Stored<Option<TrunkRecord>> {
        doing("trunk_fetch", async {
            let row = sqlx::query("SELECT * FROM trunks WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .fetch_optional(&self.readers)
                .await?;
            row.map(|row| trunk(&row, &self.sealer)).transpose()
        })
        .await
    }

    async fn trunk_list(&self, scope: Scope, page: Page) -> Stored<Listing<TrunkRecord>> {
        doing("trunk_list", async {
            let mut tx = self.read().await?;
            let total = sqlx::query_scalar("SELECT COUNT(*) FROM trunks WHERE organization_id = ?1")
                .bind(scope.organization.0)
                .fetch_one(&mut *tx)
                .await?;
            let rows = sqlx::query(
                "SELECT * FROM trunks WHERE organization_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3 OFFSET ?4",
            )
            .bind(scope.organization.0)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, |row| trunk(row, &self.sealer))
        })
        .await
    }

    async fn trunk_update(&self, scope: Scope, trunk: &TrunkRecord) -> Stored<bool> {
        doing("trunk_update", async {
            let mut tx = self.write().await?;
            let changed = trunk_put(
                &mut tx,
                &self.sealer,
                "UPDATE trunks SET name = ?3, provider = ?4, host = ?5, port = ?6, transport = ?7, username = ?8,
                     password_sealed = ?9, password_key = ?10, register = ?11, source_addresses = ?12,
                     allow_sip_uri = ?13, updated_at = ?14, created_at = ?15
                 WHERE organization_id = ?2 AND id = ?1",
                scope,
                trunk,
            )
            .await?;
            tx.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    async fn trunk_delete(&self, scope: Scope, id: TrunkId) -> Stored<Option<u64>> {
        doing("trunk_delete", async {
            let mut tx = self.write().await?;
            let numbers: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM numbers WHERE organization_id = ?1 AND trunk_id = ?2")
                    .bind(scope.organization.0)
                    .bind(id.0)
                    .fetch_one(&mut *tx)
                    .await?;
            if numbers > 0 {
                return Ok(Some(u64::try_from(numbers)?));
            }
            let done = sqlx::query("DELETE FROM trunks WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok((done.rows_affected() > 0).then_some(0))
        })
        .await
    }

    async fn trunks_that_register(&self) -> Stored<Vec<TrunkRecord>> {
        doing("trunks_that_register", async {
            let rows = sqlx::query("SELECT * FROM trunks WHERE register ORDER BY id")
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(|row| trunk(row, &self.sealer)).collect()
        })
        .await
    }

    async fn number_create(&self, scope: Scope, number: &Number) -> Stored<bool> {
        doing("number_create", async {
            let mut tx = self.write().await?;
            let done = sqlx::query(
                "INSERT INTO numbers (id, organization_id, phone_number, provider, trunk_id, label, country,
                                      inbound_agent_id, outbound_agent_id, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (phone_number) DO NOTHING",
            )
            .bind(number.id.0)
            .bind(scope.organization.0)
            .bind(&number.phone_number)
            .bind(&number.provider)
            .bind(number.trunk_id.0)
            .bind(&number.label)
            .bind(&number.country)
            .bind(number.inbound_agent_id.map(|agent| agent.0))
            .bind(number.outbound_agent_id.map(|agent| agent.0))
            .bind(number.created_at.millis())
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn number_fetch(&self, scope: Scope, id: NumberId) -> Stored<Option<Number>> {
        doing("number_fetch", async {
            let row = sqlx::query("SELECT * FROM numbers WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(number).transpose()
        })
        .await
    }

    async fn number_list(&self, scope: Scope, agent: Option<AgentId>, page: Page) -> Stored<Listing<Number>> {
        doing("number_list", async {
            let agent = agent.map(|agent| agent.0);
            let mut tx = self.read().await?;
            let total = sqlx::query_scalar(
                "SELECT COUNT(*) FROM numbers
                 WHERE organization_id = ?1 AND (?2 IS NULL OR inbound_agent_id = ?2 OR outbound_agent_id = ?2)",
            )
            .bind(scope.organization.0)
            .bind(agent)
            .fetch_one(&mut *tx)
            .await?;
            let rows = sqlx::query(
                "SELECT * FROM numbers
                 WHERE organization_id = ?1 AND (?2 IS NULL OR inbound_agent_id = ?2 OR outbound_agent_id = ?2)
                   AND id < ?3
                 ORDER BY id DESC LIMIT ?4 OFFSET ?5",
            )
            .bind(scope.organization.0)
            .bind(agent)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, number)
        })
        .await
    }

    async fn number_assign(
        &self,
        scope: Scope,
        id: NumberId,
        agent: Option<AgentId>,
        direction: NumberDirection,
    ) -> Stored<bool> {
        doing("number_assign", async {
            let mut tx = self.write().await?;
            // Clearing takes the number from anyone; setting only from nobody, or from the same agent again.
            let done = sqlx::query(
                "UPDATE numbers SET inbound_agent_id = CASE WHEN ?4 THEN ?3 ELSE inbound_agent_id END,
                                    outbound_agent_id = CASE WHEN ?5 THEN ?3 ELSE outbound_agent_id END
                 WHERE organization_id = ?1 AND id = ?2
                   AND (?3 IS NULL OR NOT ?4 OR COALESCE(inbound_agent_id, ?3) = ?3)
                   AND (?3 IS NULL OR NOT ?5 OR COALESCE(outbound_agent_id, ?3) = ?3)",
            )
            .bind(scope.organization.0)
            .bind(id.0)
            .bind(agent.map(|agent| agent.0))
            .bind(direction != NumberDirection::Outbound)
            .bind(direction != NumberDirection::Inbound)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn number_delete(&self, scope: Scope, id: NumberId) -> Stored<bool> {
        doing("number_delete", async {
            let mut tx = self.write().await?;
            let done = sqlx::query("DELETE FROM numbers WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn number_by_phone(&self, phone: &str) -> Stored<Option<InboundNumber>> {
        doing("number_by_phone", async {
            let mut tx = self.read().await?;
            let found = sqlx::query("SELECT * FROM numbers WHERE phone_number = ?1")
                .bind(phone)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = found else { return Ok(None) };
            let (organization, number) = (OrganizationId(get(&row, "organization_id")?), number(&row)?);
            let row = sqlx::query("SELECT * FROM trunks WHERE organization_id = ?1 AND id = ?2")
                .bind(organization.0)
                .bind(number.trunk_id.0)
                .fetch_one(&mut *tx)
                .await?;
            let trunk = trunk(&row, &self.sealer)?;
            Ok(Some(InboundNumber {
                organization,
                number,
                trunk,
            }))
        })
        .await
    }
}

/// Runs a statement that takes all columns of a trunk; the number of rows it changed.
async fn trunk_put(
    tx: &mut SqliteConnection,
    sealer: &Sealer,
    statement: &'static str,
    scope: Scope,
    record: &TrunkRecord,
) -> Outcome<u64> {
    let TrunkRecord { trunk, password } = record;
    let context = seal_context(scope.organization, trunk.id);
    let sealed = password
        .as_deref()
        .map(|password| sealer.seal(&context, password))
        .transpose()?;
    let (password_sealed, password_key) = sealed.map(|sealed| (sealed.bytes, sealed.key_id)).unzip();
    let done = sqlx::query(statement)
        .bind(trunk.id.0)
        .bind(scope.organization.0)
        .bind(&trunk.name)
        .bind(&trunk.provider)
        .bind(&trunk.host)
        .bind(trunk.port)
        .bind(name_of(&trunk.transport)?)
        .bind(&trunk.username)
        .bind(password_sealed)
        .bind(password_key)
        .bind(trunk.register)
        .bind(json_of(&trunk.source_addresses)?)
        .bind(trunk.allow_sip_uri)
        .bind(trunk.updated_at.millis())
        .bind(trunk.created_at.millis())
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

/// Binds a sealed password to its row, so that it can't be moved to another's.
fn seal_context(organization: OrganizationId, trunk: TrunkId) -> Vec<u8> {
    [
        b"trunk.password".as_slice(),
        organization.0.as_bytes(),
        trunk.0.as_bytes(),
    ]
    .concat()
}

fn trunk(row: &SqliteRow, sealer: &Sealer) -> Outcome<TrunkRecord> {
    let id = TrunkId(get(row, "id")?);
    let password = match (get(row, "password_sealed")?, get(row, "password_key")?) {
        (Some(bytes), Some(key_id)) => {
            let context = seal_context(OrganizationId(get(row, "organization_id")?), id);
            Some(sealer.open_sealed(&context, &Sealed { bytes, key_id })?)
        }
        _ => None,
    };
    let trunk = Trunk {
        id,
        name: get(row, "name")?,
        provider: get(row, "provider")?,
        host: get(row, "host")?,
        port: get(row, "port")?,
        transport: named(row, "transport")?,
        username: get(row, "username")?,
        has_password: password.is_some(),
        register: get(row, "register")?,
        source_addresses: json(row, "source_addresses")?,
        allow_sip_uri: get(row, "allow_sip_uri")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    };
    Ok(TrunkRecord { trunk, password })
}

fn number(row: &SqliteRow) -> Outcome<Number> {
    Ok(Number {
        id: NumberId(get(row, "id")?),
        phone_number: get(row, "phone_number")?,
        provider: get(row, "provider")?,
        trunk_id: TrunkId(get(row, "trunk_id")?),
        label: get(row, "label")?,
        country: get(row, "country")?,
        inbound_agent_id: get::<Option<_>>(row, "inbound_agent_id")?.map(AgentId),
        outbound_agent_id: get::<Option<_>>(row, "outbound_agent_id")?.map(AgentId),
        created_at: time(row, "created_at")?,
    })
}
