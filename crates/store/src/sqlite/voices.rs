//! Voices.

use async_trait::async_trait;
use contract::VoiceId;
use domain::{
    ports::{Stored, VoiceStore},
    records::{Listing, Page, Scope, VoiceRecord},
};
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::row::{Outcome, before, doing, get, listing, maybe_json, maybe_json_of, name_of, named, offset, time};

#[async_trait]
impl VoiceStore for SqliteStore {
    async fn voice_register_system(&self, voice: &VoiceRecord) -> Stored<VoiceId> {
        doing("voice_register_system", async {
            let mut tx = self.write().await?;
            let id = sqlx::query_scalar(
                "INSERT INTO voices (id, organization_id, name, type, status, provider, provider_voice_id, language,
                                     last_error, created_at)
                 VALUES (?1, NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (provider, provider_voice_id) WHERE organization_id IS NULL DO UPDATE SET
                     name = excluded.name, status = excluded.status, language = excluded.language,
                     last_error = excluded.last_error
                 RETURNING id",
            )
            .bind(voice.id.0)
            .bind(&voice.name)
            .bind(name_of(&voice.voice_type)?)
            .bind(name_of(&voice.status)?)
            .bind(&voice.provider)
            .bind(&voice.provider_voice_id)
            .bind(&voice.language)
            .bind(maybe_json_of(voice.last_error.as_ref())?)
            .bind(voice.created_at.millis())
            .fetch_one(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(VoiceId(id))
        })
        .await
    }

    async fn voice_fetch(&self, scope: Scope, id: VoiceId) -> Stored<Option<VoiceRecord>> {
        doing("voice_fetch", async {
            let row =
                sqlx::query("SELECT * FROM voices WHERE id = ?2 AND (organization_id = ?1 OR organization_id IS NULL)")
                    .bind(scope.organization.0)
                    .bind(id.0)
                    .fetch_optional(&self.readers)
                    .await?;
            row.as_ref().map(voice).transpose()
        })
        .await
    }

    async fn voice_list(&self, scope: Scope, page: Page) -> Stored<Listing<VoiceRecord>> {
        doing("voice_list", async {
            let mut tx = self.read().await?;
            let total =
                sqlx::query_scalar("SELECT COUNT(*) FROM voices WHERE organization_id = ?1 OR organization_id IS NULL")
                    .bind(scope.organization.0)
                    .fetch_one(&mut *tx)
                    .await?;
            let rows = sqlx::query(
                "SELECT * FROM voices WHERE (organization_id = ?1 OR organization_id IS NULL) AND id < ?2
                 ORDER BY id DESC LIMIT ?3 OFFSET ?4",
            )
            .bind(scope.organization.0)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, voice)
        })
        .await
    }
}

fn voice(row: &SqliteRow) -> Outcome<VoiceRecord> {
    Ok(VoiceRecord {
        id: VoiceId(get(row, "id")?),
        name: get(row, "name")?,
        voice_type: named(row, "type")?,
        status: named(row, "status")?,
        provider: get(row, "provider")?,
        provider_voice_id: get(row, "provider_voice_id")?,
        language: get(row, "language")?,
        last_error: maybe_json(row, "last_error")?,
        created_at: time(row, "created_at")?,
    })
}
