//! Organisations and API keys.

use async_trait::async_trait;
use contract::{ApiKey, ApiKeyId, OrganizationId, Timestamp};
use domain::{
    ports::{OrganizationStore, Stored},
    records::{KeyRecord, Listing, Organization, Page, Scope},
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::SqliteStore;
use crate::row::{Outcome, before, doing, get, json, json_of, listing, maybe_time, offset, time};

#[async_trait]
impl OrganizationStore for SqliteStore {
    async fn organization_create(&self, organization: &Organization, first_key: &KeyRecord) -> Stored<()> {
        doing("organization_create", async {
            let mut tx = self.write().await?;
            sqlx::query("INSERT INTO organizations (id, name, created_at) VALUES (?1, ?2, ?3)")
                .bind(organization.id.0)
                .bind(&organization.name)
                .bind(organization.created_at.millis())
                .execute(&mut *tx)
                .await?;
            key_insert(&mut tx, organization.id, first_key).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn organization_list(&self) -> Stored<Vec<Organization>> {
        doing("organization_list", async {
            let rows = sqlx::query("SELECT * FROM organizations ORDER BY id")
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(organization).collect()
        })
        .await
    }

    async fn key_create(&self, scope: Scope, key: &KeyRecord) -> Stored<()> {
        doing("key_create", async {
            let mut tx = self.write().await?;
            key_insert(&mut tx, scope.organization, key).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn key_by_prefix(&self, prefix: &str) -> Stored<Option<KeyRecord>> {
        doing("key_by_prefix", async {
            let row = sqlx::query("SELECT * FROM api_keys WHERE prefix = ?1")
                .bind(prefix)
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(key_record).transpose()
        })
        .await
    }

    async fn key_list(&self, scope: Scope, page: Page) -> Stored<Listing<ApiKey>> {
        doing("key_list", async {
            let mut tx = self.read().await?;
            let total = sqlx::query_scalar("SELECT COUNT(*) FROM api_keys WHERE organization_id = ?1")
                .bind(scope.organization.0)
                .fetch_one(&mut *tx)
                .await?;
            let rows = sqlx::query(
                "SELECT * FROM api_keys WHERE organization_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3 OFFSET ?4",
            )
            .bind(scope.organization.0)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, api_key)
        })
        .await
    }

    async fn key_revoke(&self, scope: Scope, id: ApiKeyId, at: Timestamp) -> Stored<bool> {
        doing("key_revoke", async {
            let mut tx = self.write().await?;
            // The first revocation stays.
            let done = sqlx::query(
                "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?3) WHERE organization_id = ?1 AND id = ?2",
            )
            .bind(scope.organization.0)
            .bind(id.0)
            .bind(at.millis())
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn key_touch(&self, id: ApiKeyId, at: Timestamp) -> Stored<()> {
        doing("key_touch", async {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE api_keys SET last_used_at = MAX(COALESCE(last_used_at, ?2), ?2) WHERE id = ?1")
                .bind(id.0)
                .bind(at.millis())
                .execute(&mut *tx)
                .await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}

async fn key_insert(tx: &mut SqliteConnection, owner: OrganizationId, record: &KeyRecord) -> Outcome<()> {
    let key = &record.key;
    sqlx::query(
        "INSERT INTO api_keys
             (id, organization_id, name, prefix, hash, scopes, expires_at, revoked_at, last_used_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(key.id.0)
    .bind(owner.0)
    .bind(&key.name)
    .bind(&key.prefix)
    .bind(record.hash.as_slice())
    .bind(json_of(&key.scopes)?)
    .bind(key.expires_at.map(Timestamp::millis))
    .bind(key.revoked_at.map(Timestamp::millis))
    .bind(key.last_used_at.map(Timestamp::millis))
    .bind(key.created_at.millis())
    .execute(tx)
    .await?;
    Ok(())
}

fn organization(row: &SqliteRow) -> Outcome<Organization> {
    Ok(Organization {
        id: OrganizationId(get(row, "id")?),
        name: get(row, "name")?,
        created_at: time(row, "created_at")?,
    })
}

fn api_key(row: &SqliteRow) -> Outcome<ApiKey> {
    Ok(ApiKey {
        id: ApiKeyId(get(row, "id")?),
        name: get(row, "name")?,
        prefix: get(row, "prefix")?,
        scopes: json(row, "scopes")?,
        expires_at: maybe_time(row, "expires_at")?,
        revoked_at: maybe_time(row, "revoked_at")?,
        last_used_at: maybe_time(row, "last_used_at")?,
        created_at: time(row, "created_at")?,
    })
}

fn key_record(row: &SqliteRow) -> Outcome<KeyRecord> {
    Ok(KeyRecord {
        organization: OrganizationId(get(row, "organization_id")?),
        key: api_key(row)?,
        hash: get::<&[u8]>(row, "hash")?.try_into()?,
    })
}
