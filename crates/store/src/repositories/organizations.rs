//! Organisations and API keys.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{ApiKey, ApiKeyId, OrganizationId, Timestamp};
use domain::{
    Alongside,
    keys::PLATFORM,
    ports::{OrganizationStore, Stored},
    records::{KeyRecord, Listing, Organization, Page, Scope, Version, Versioned},
};

use super::versioned;
use crate::{
    SqlStore,
    sql::{Outcome, Row, Selection, Tx, args, doing, get, json, json_of, maybe_time, time},
};

/// What the clocks of nodes may differ by. A use that is noted further in the future was noted by a clock that was wrong.
const CLOCKS_APART_MS: i64 = 600_000;

/// What an organisation is read from.
macro_rules! columns {
    () => {
        "id, name, created_at, version"
    };
}

/// What a key is read from.
macro_rules! key_columns {
    () => {
        "id, organization_id, name, prefix, hash, scopes, ip_allowlist, rate_limits, expires_at, \
         revoked_at, last_used_at, created_at, version"
    };
}

#[async_trait]
impl OrganizationStore for SqlStore {
    async fn organization_create(
        &self,
        organization: &Organization,
        first_key: &KeyRecord,
        with: &Alongside,
    ) -> Stored<()> {
        doing("organization_create", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)",
                args![organization.id.0, &organization.name, organization.created_at.millis()],
            )
            .await?;
            key_insert(&mut tx, organization.id, first_key).await?;
            let scope = Scope {
                organization: organization.id,
            };
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await
        })
        .await
    }

    async fn organization_list(&self) -> Stored<Vec<Organization>> {
        doing("organization_list", async {
            let rows = self
                .db
                .fetch_all(
                    concat!("SELECT ", columns!(), " FROM organizations ORDER BY id"),
                    args![],
                )
                .await?;
            rows.iter().map(organization).collect()
        })
        .await
    }

    async fn organization_page(&self, page: Page) -> Stored<Listing<Organization>> {
        doing("organization_page", async {
            let all = Selection::of("organizations", columns!()).only("id <> $", PLATFORM.0);
            self.db.page(all, page, organization).await
        })
        .await
    }

    async fn organization_fetch(&self, scope: Scope) -> Stored<Option<Versioned<Organization>>> {
        doing("organization_fetch", async {
            let sql = concat!("SELECT ", columns!(), " FROM organizations WHERE id = $1");
            let row = self.db.fetch_optional(sql, args![scope.organization.0]).await?;
            row.map(|row| versioned(&row, organization)).transpose()
        })
        .await
    }

    async fn organization_update(&self, record: &Organization, version: Version, with: &Alongside) -> Stored<bool> {
        doing("organization_update", async {
            let mut tx = self.db.write().await?;
            let sql = "UPDATE organizations SET name = $2, version = version + 1 WHERE id = $1 AND version = $3";
            let done = tx.execute(sql, args![record.id.0, &record.name, version.0]).await?;
            let scope = Scope {
                organization: record.id,
            };
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn key_create(&self, scope: Scope, key: &KeyRecord, with: &Alongside) -> Stored<()> {
        doing("key_create", async {
            let mut tx = self.db.write().await?;
            key_insert(&mut tx, scope.organization, key).await?;
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await
        })
        .await
    }

    async fn key_by_prefix(&self, prefix: &str) -> Stored<Option<Arc<KeyRecord>>> {
        let moment = self.db.moment();
        if let Some(seen) = moment.and_then(|now| self.keys_seen.recall(now, prefix)) {
            return Ok(Some(seen));
        }
        doing("key_by_prefix", async {
            let row = self
                .db
                .fetch_optional(
                    concat!("SELECT ", key_columns!(), " FROM api_keys WHERE prefix = $1"),
                    args![prefix],
                )
                .await?;
            let record = row.as_ref().map(key_record).transpose()?.map(Arc::new);
            if let (Some(moment), Some(record)) = (moment, &record) {
                self.keys_seen.keep(moment, prefix.to_owned(), Arc::clone(record));
            }
            Ok(record)
        })
        .await
    }

    async fn key_list(&self, scope: Scope, page: Page) -> Stored<Listing<ApiKey>> {
        doing("key_list", async {
            let keys = Selection::of("api_keys", key_columns!()).only("organization_id = $", scope.organization.0);
            self.db.page(keys, page, api_key).await
        })
        .await
    }

    async fn key_versioned(&self, scope: Scope, id: ApiKeyId) -> Stored<Option<Versioned<ApiKey>>> {
        doing("key_versioned", async {
            let sql = concat!(
                "SELECT ",
                key_columns!(),
                " FROM api_keys WHERE organization_id = $1 AND id = $2"
            );
            let row = self.db.fetch_optional(sql, args![scope.organization.0, id.0]).await?;
            row.map(|row| versioned(&row, api_key)).transpose()
        })
        .await
    }

    async fn key_update(&self, scope: Scope, key: &ApiKey, version: Version, with: &Alongside) -> Stored<bool> {
        doing("key_update", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "UPDATE api_keys SET name = $3, ip_allowlist = $4, rate_limits = $5, expires_at = $6,
                         version = version + 1
                     WHERE organization_id = $1 AND id = $2 AND version = $7 AND revoked_at IS NULL",
                    args![
                        scope.organization.0,
                        key.id.0,
                        &key.name,
                        json_of(&key.ip_allowlist)?,
                        json_of(&key.rate_limits)?,
                        key.expires_at.map(Timestamp::millis),
                        version.0
                    ],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn key_revoke(
        &self,
        scope: Scope,
        id: ApiKeyId,
        version: Version,
        at: Timestamp,
        with: &Alongside,
    ) -> Stored<bool> {
        doing("key_revoke", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "UPDATE api_keys SET revoked_at = $3, version = version + 1
                     WHERE organization_id = $1 AND id = $2 AND version = $4 AND revoked_at IS NULL",
                    args![scope.organization.0, id.0, at.millis(), version.0],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn key_touch(&self, id: ApiKeyId, at: Timestamp) -> Stored<()> {
        doing("key_touch", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "UPDATE api_keys SET last_used_at = $2
                 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2 OR last_used_at > $3)",
                args![id.0, at.millis(), at.millis().saturating_add(CLOCKS_APART_MS)],
            )
            .await?;
            tx.commit().await
        })
        .await
    }
}

async fn key_insert(tx: &mut Tx, owner: OrganizationId, record: &KeyRecord) -> Outcome<()> {
    let key = &record.key;
    tx.execute(
        "INSERT INTO api_keys
             (id, organization_id, name, prefix, hash, scopes, expires_at, revoked_at, last_used_at, created_at,
              ip_allowlist, rate_limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            key.id.0,
            owner.0,
            &key.name,
            &key.prefix,
            record.hash.as_slice(),
            json_of(&key.scopes)?,
            key.expires_at.map(Timestamp::millis),
            key.revoked_at.map(Timestamp::millis),
            key.last_used_at.map(Timestamp::millis),
            key.created_at.millis(),
            json_of(&key.ip_allowlist)?,
            json_of(&key.rate_limits)?
        ],
    )
    .await?;
    Ok(())
}

fn organization(row: &Row) -> Outcome<Organization> {
    Ok(Organization {
        id: OrganizationId(get(row, "id")?),
        name: get(row, "name")?,
        created_at: time(row, "created_at")?,
    })
}

fn api_key(row: &Row) -> Outcome<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId(get(row, "id")?),
        name: get(row, "name")?,
        prefix: get(row, "prefix")?,
        scopes: json(row, "scopes")?,
        ip_allowlist: json(row, "ip_allowlist")?,
        rate_limits: json(row, "rate_limits")?,
        expires_at: maybe_time(row, "expires_at")?,
        revoked_at: maybe_time(row, "revoked_at")?,
        last_used_at: maybe_time(row, "last_used_at")?,
        created_at: time(row, "created_at")?,
    })
}

fn key_record(row: &Row) -> Outcome<KeyRecord> {
    Ok(KeyRecord {
        organization: OrganizationId(get(row, "organization_id")?),
        key: api_key(row)?,
        hash: get::<Vec<u8>>(row, "hash")?.as_slice().try_into()?,
    })
}
