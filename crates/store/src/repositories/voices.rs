//! Voices.

use async_trait::async_trait;
use contract::VoiceId;
use domain::{
    ports::{Stored, VoiceStore},
    records::{Listing, Page, Scope, VoiceRecord},
};

use crate::{
    SqlStore,
    sql::{Outcome, Row, Selection, args, doing, get, maybe_json, maybe_json_of, name_of, named, time},
};

/// What a voice is read from.
macro_rules! columns {
    () => {
        "id, name, type, status, provider, provider_voice_id, language, last_error, created_at"
    };
}

#[async_trait]
impl VoiceStore for SqlStore {
    async fn voice_register_system(&self, voice: &VoiceRecord) -> Stored<VoiceId> {
        doing("voice_register_system", async {
            let mut tx = self.db.write().await?;
            let id = tx.scalar("INSERT INTO voices (id, organization_id, name, type, status, provider, provider_voice_id, language,
                                     last_error, created_at)
                 VALUES ($1, NULL, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (provider, provider_voice_id) WHERE organization_id IS NULL DO UPDATE SET
                     name = excluded.name, status = excluded.status, language = excluded.language,
                     last_error = excluded.last_error
                 RETURNING id", args![voice.id.0, &voice.name, name_of(&voice.voice_type)?, name_of(&voice.status)?, &voice.provider, &voice.provider_voice_id, &voice.language, maybe_json_of(voice.last_error.as_ref())?, voice.created_at.millis()]).await?;
            tx.commit().await?;
            Ok(VoiceId(id))
        })
        .await
    }

    async fn voice_fetch(&self, scope: Scope, id: VoiceId) -> Stored<Option<VoiceRecord>> {
        doing("voice_fetch", async {
            let row = self
                .db
                .fetch_optional(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM voices WHERE id = $2 AND (organization_id = $1 OR organization_id IS NULL)"
                    ),
                    args![scope.organization.0, id.0],
                )
                .await?;
            row.as_ref().map(voice).transpose()
        })
        .await
    }

    async fn voice_list(&self, scope: Scope, page: Page) -> Stored<Listing<VoiceRecord>> {
        doing("voice_list", async {
            let voices = Selection::of("voices", columns!())
                .only("organization_id = $ OR organization_id IS NULL", scope.organization.0);
            self.db.page(voices, page, voice).await
        })
        .await
    }
}

fn voice(row: &Row) -> Outcome<VoiceRecord> {
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
