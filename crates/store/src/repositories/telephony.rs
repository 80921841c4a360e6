//! Trunks and numbers.

use std::collections::BTreeSet;

use async_trait::async_trait;
use contract::{AgentId, Number, NumberId, OrganizationId, Trunk, TrunkId};
use domain::{
    Alongside,
    ports::{Stored, TelephonyStore},
    records::{InboundNumber, Listing, NumberCreated, NumberFilter, Page, Scope, TrunkRecord, Version, Versioned},
};

use crate::{
    SqlStore,
    repositories::versioned,
    seal::{Sealed, Sealer},
    sql::{Outcome, Row, Selection, Tx, args, doing, get, json, json_of, name_of, named, time},
};

/// What a trunk is read from.
macro_rules! trunk_columns {
    () => {
        "id, organization_id, name, provider, host, port, transport, username, password_sealed, \
         password_key, register, source_addresses, allow_sip_uri, created_at, updated_at, version"
    };
}

/// What a number is read from.
macro_rules! number_columns {
    () => {
        "id, organization_id, phone_number, provider, trunk_id, label, country, inbound_agent_id, \
         outbound_agent_id, created_at, version"
    };
}

/// The numbers that an agent calls from.
macro_rules! of_agent {
    () => {
        concat!(
            "SELECT ",
            number_columns!(),
            " FROM numbers WHERE organization_id = $1 AND outbound_agent_id = $2"
        )
    };
}

#[async_trait]
impl TelephonyStore for SqlStore {
    async fn trunk_create(&self, scope: Scope, trunk: &TrunkRecord, with: &Alongside) -> Stored<()> {
        doing("trunk_create", async {
            let mut tx = self.db.write().await?;
            trunk_put(
                &mut tx,
                &self.sealer,
                "INSERT INTO trunks (id, organization_id, name, provider, host, port, transport, username,
                                     password_sealed, password_key, register, source_addresses, allow_sip_uri,
                                     updated_at, created_at, version)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
                scope,
                trunk,
                Version(1),
            )
            .await?;
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await
        })
        .await
    }

    async fn trunk_fetch(&self, scope: Scope, id: TrunkId) -> Stored<Option<TrunkRecord>> {
        let found = self.trunk_versioned(scope, id).await?;
        Ok(found.map(|found| found.record))
    }

    async fn trunk_versioned(&self, scope: Scope, id: TrunkId) -> Stored<Option<Versioned<TrunkRecord>>> {
        doing("trunk_versioned", async {
            let row = self
                .db
                .fetch_optional(
                    concat!(
                        "SELECT ",
                        trunk_columns!(),
                        " FROM trunks WHERE organization_id = $1 AND id = $2"
                    ),
                    args![scope.organization.0, id.0],
                )
                .await?;
            row.map(|row| versioned(&row, |row| trunk(row, &self.sealer)))
                .transpose()
        })
        .await
    }

    async fn trunk_list(&self, scope: Scope, page: Page) -> Stored<Listing<TrunkRecord>> {
        doing("trunk_list", async {
            let trunks = Selection::of("trunks", trunk_columns!()).only("organization_id = $", scope.organization.0);
            self.db.page(trunks, page, |row| trunk(row, &self.sealer)).await
        })
        .await
    }

    async fn trunk_update(
        &self,
        scope: Scope,
        trunk: &TrunkRecord,
        version: Version,
        with: &Alongside,
    ) -> Stored<bool> {
        doing("trunk_update", async {
            let mut tx = self.db.write().await?;
            let changed = trunk_put(
                &mut tx,
                &self.sealer,
                "UPDATE trunks SET name = $3, provider = $4, host = $5, port = $6, transport = $7, username = $8,
                     password_sealed = $9, password_key = $10, register = $11, source_addresses = $12,
                     allow_sip_uri = $13, updated_at = $14, created_at = $15, version = $16 + 1
                 WHERE organization_id = $2 AND id = $1 AND version = $16",
                scope,
                trunk,
                version,
            )
            .await?;
            self.commit_if(tx, scope, changed > 0, with).await
        })
        .await
    }

    async fn trunk_delete(&self, scope: Scope, id: TrunkId, version: Version, with: &Alongside) -> Stored<Option<u64>> {
        doing("trunk_delete", async {
            let mut tx = self.db.write().await?;
            // Who puts a number on the trunk in the same moment waits, and then finds it gone.
            let sql = "SELECT id FROM trunks WHERE organization_id = $1 AND id = $2 AND version = $3";
            let present = args![scope.organization.0, id.0, version.0];
            if tx.fetch_for_update(sql, present).await?.is_none() {
                return Ok(None);
            }
            let numbers: i64 = tx
                .scalar(
                    "SELECT COUNT(*) FROM numbers WHERE organization_id = $1 AND trunk_id = $2",
                    args![scope.organization.0, id.0],
                )
                .await?;
            if numbers > 0 {
                return Ok(Some(u64::try_from(numbers)?));
            }
            let done = tx
                .execute(
                    "DELETE FROM trunks WHERE organization_id = $1 AND id = $2",
                    args![scope.organization.0, id.0],
                )
                .await?;
            let done = self.commit_if(tx, scope, done > 0, with).await?;
            Ok(done.then_some(0))
        })
        .await
    }

    async fn trunks_that_register(&self) -> Stored<Vec<TrunkRecord>> {
        doing("trunks_that_register", async {
            let rows = self
                .db
                .fetch_all(
                    concat!("SELECT ", trunk_columns!(), " FROM trunks WHERE register ORDER BY id"),
                    args![],
                )
                .await?;
            rows.iter().map(|row| trunk(row, &self.sealer)).collect()
        })
        .await
    }

    async fn number_create(&self, scope: Scope, number: &Number, with: &Alongside) -> Stored<NumberCreated> {
        doing("number_create", async {
            let mut tx = self.db.write().await?;
            // It may have been deleted since it was looked up.
            let sql = "SELECT id FROM trunks WHERE organization_id = $1 AND id = $2";
            let trunk = args![scope.organization.0, number.trunk_id.0];
            if tx.fetch_for_update(sql, trunk).await?.is_none() {
                return Ok(NumberCreated::NoTrunk);
            }
            let done = tx
                .execute(
                    "INSERT INTO numbers (id, organization_id, phone_number, provider, trunk_id, label, country,
                                      inbound_agent_id, outbound_agent_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (phone_number) DO NOTHING",
                    args![
                        number.id.0,
                        scope.organization.0,
                        &number.phone_number,
                        &number.provider,
                        number.trunk_id.0,
                        &number.label,
                        &number.country,
                        number.inbound_agent_id.map(|agent| agent.0),
                        number.outbound_agent_id.map(|agent| agent.0),
                        number.created_at.millis()
                    ],
                )
                .await?;
            Ok(if self.commit_if(tx, scope, done > 0, with).await? {
                NumberCreated::Added
            } else {
                NumberCreated::Known
            })
        })
        .await
    }

    async fn number_fetch(&self, scope: Scope, id: NumberId) -> Stored<Option<Number>> {
        let found = self.number_versioned(scope, id).await?;
        Ok(found.map(|found| found.record))
    }

    async fn number_versioned(&self, scope: Scope, id: NumberId) -> Stored<Option<Versioned<Number>>> {
        doing("number_versioned", async {
            let row = self
                .db
                .fetch_optional(
                    concat!(
                        "SELECT ",
                        number_columns!(),
                        " FROM numbers WHERE organization_id = $1 AND id = $2"
                    ),
                    args![scope.organization.0, id.0],
                )
                .await?;
            row.map(|row| versioned(&row, number)).transpose()
        })
        .await
    }

    async fn number_list(&self, scope: Scope, filter: NumberFilter, page: Page) -> Stored<Listing<Number>> {
        doing("number_list", async {
            let numbers = Selection::of("numbers", number_columns!())
                .only("organization_id = $", scope.organization.0)
                .only_if(
                    "inbound_agent_id = $ OR outbound_agent_id = $",
                    filter.agent.map(|agent| agent.0),
                )
                .only_if("phone_number = $", filter.phone_number);
            self.db.page(numbers, page, number).await
        })
        .await
    }

    async fn number_for_outbound(
        &self,
        scope: Scope,
        agent: AgentId,
        wanted: Option<String>,
    ) -> Stored<Option<Number>> {
        doing("number_for_outbound", async {
            let (sql, args) = match wanted {
                Some(wanted) => (
                    concat!(of_agent!(), " AND phone_number = $3"),
                    args![scope.organization.0, agent.0, wanted],
                ),
                None => (
                    concat!(of_agent!(), " ORDER BY id DESC LIMIT 1"),
                    args![scope.organization.0, agent.0],
                ),
            };
            let row = self.db.fetch_optional(sql, args).await?;
            row.as_ref().map(number).transpose()
        })
        .await
    }

    async fn number_assign(&self, scope: Scope, number: &Number, version: Version, with: &Alongside) -> Stored<bool> {
        doing("number_assign", async {
            let mut tx = self.db.write().await?;
            let agents = [number.inbound_agent_id, number.outbound_agent_id];
            // Always in the same order, so that two assignments can't wait for each other.
            let agents: BTreeSet<AgentId> = agents.into_iter().flatten().collect();
            for agent in agents {
                // It may have been deleted since it was looked up.
                let sql = "SELECT id FROM agents WHERE organization_id = $1 AND id = $2";
                if (tx.fetch_for_update(sql, args![scope.organization.0, agent.0]).await?).is_none() {
                    return Ok(false);
                }
            }
            let done = tx
                .execute(
                    "UPDATE numbers SET inbound_agent_id = $3, outbound_agent_id = $4, version = version + 1
                     WHERE organization_id = $1 AND id = $2 AND version = $5",
                    args![
                        scope.organization.0,
                        number.id.0,
                        number.inbound_agent_id.map(|agent| agent.0),
                        number.outbound_agent_id.map(|agent| agent.0),
                        version.0
                    ],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn number_delete(&self, scope: Scope, id: NumberId, version: Version, with: &Alongside) -> Stored<bool> {
        doing("number_delete", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "DELETE FROM numbers WHERE organization_id = $1 AND id = $2 AND version = $3",
                    args![scope.organization.0, id.0, version.0],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn number_by_phone(&self, phone: &str) -> Stored<Option<InboundNumber>> {
        doing("number_by_phone", async {
            let mut tx = self.db.read().await?;
            let found = tx
                .fetch_optional(
                    concat!("SELECT ", number_columns!(), " FROM numbers WHERE phone_number = $1"),
                    args![phone],
                )
                .await?;
            let Some(row) = found else { return Ok(None) };
            let (organization, number) = (OrganizationId(get(&row, "organization_id")?), number(&row)?);
            let row = tx
                .fetch_one(
                    concat!(
                        "SELECT ",
                        trunk_columns!(),
                        " FROM trunks WHERE organization_id = $1 AND id = $2"
                    ),
                    args![organization.0, number.trunk_id.0],
                )
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
    tx: &mut Tx,
    sealer: &Sealer,
    statement: &'static str,
    scope: Scope,
    record: &TrunkRecord,
    version: Version,
) -> Outcome<u64> {
    let TrunkRecord { trunk, password } = record;
    let context = seal_context(scope.organization, trunk.id);
    let sealed = password
        .as_deref()
        .map(|password| sealer.seal(&context, password))
        .transpose()?;
    let (password_sealed, password_key) = sealed.map(|sealed| (sealed.bytes, sealed.key_id)).unzip();
    let done = tx
        .execute(
            statement,
            args![
                trunk.id.0,
                scope.organization.0,
                &trunk.name,
                &trunk.provider,
                &trunk.host,
                trunk.port,
                name_of(&trunk.transport)?,
                &trunk.username,
                password_sealed,
                password_key,
                trunk.register,
                json_of(&trunk.source_addresses)?,
                trunk.allow_sip_uri,
                trunk.updated_at.millis(),
                trunk.created_at.millis(),
                version.0
            ],
        )
        .await?;
    Ok(done)
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

fn trunk(row: &Row, sealer: &Sealer) -> Outcome<TrunkRecord> {
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

fn number(row: &Row) -> Outcome<Number> {
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
