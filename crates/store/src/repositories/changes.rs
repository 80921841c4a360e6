//! What is written together with a change, the audit log, and requests made under an `Idempotency-Key`.

use async_trait::async_trait;
use contract::{ApiKeyId, RequestId, Timestamp};
use domain::{
    Actor, Alongside,
    change::{Answer, AuditEntry, Effect},
    ports::{AuditStore, IdempotencyStore, Stored},
    records::{AuditFilter, KeyClaim, KeyedRequest, Listing, Page, Scope},
};
use uuid::Uuid;

use crate::{
    SqlStore,
    seal::Sealed,
    sql::{Kept, Outcome, Row, Selection, Tx, args, doing, get, json, json_of, time},
};

/// What an entry of the audit log is read from.
macro_rules! audit_columns {
    () => {
        "id, at, actor_kind, actor_id, address, request_id, action, resource, resource_id, fields"
    };
}

/// What a request under a key is read from.
macro_rules! keyed_columns {
    () => {
        "route, key, request_hash, claim, request_id, created_at, lease_until, answer_status, \
         answer_location, answer_sealed, answer_key"
    };
}

impl SqlStore {
    /// Writes what goes with a change into its transaction. Every method that changes what belongs to a tenant ends
    /// with this or with [`Self::commit_if`].
    pub(crate) async fn alongside(&self, tx: &mut Tx, scope: Scope, with: &Alongside) -> Outcome<()> {
        if let Some(entry) = &with.audit {
            audit_insert(tx, scope, entry).await?;
        }
        match &with.effect {
            Some(effect) => self.effect_note(tx, effect).await,
            None => Ok(()),
        }
    }

    /// Commits a change that was done together with what goes with it; one that was not done changes nothing.
    pub(crate) async fn commit_if(&self, mut tx: Tx, scope: Scope, done: bool, with: &Alongside) -> Outcome<bool> {
        if done {
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await?;
        }
        Ok(done)
    }

    /// Fails when the claim is gone: somebody else took the key over, and this effect must not happen beside theirs.
    async fn effect_note(&self, tx: &mut Tx, effect: &Effect) -> Outcome<()> {
        let scope = effect.scope;
        let noted = if let Some(answer) = &effect.answer {
            self.answer_put(tx, scope, effect.claim, answer).await?
        } else {
            let sql = "UPDATE idempotency_keys SET resource_id = $3
                       WHERE organization_id = $1 AND claim = $2 AND answer_status IS NULL";
            let args = args![scope.organization.0, effect.claim, &effect.resource_id];
            tx.execute(sql, args).await?
        };
        if noted == 1 {
            Ok(())
        } else {
            Err("the claim of the idempotency key was lost".into())
        }
    }

    async fn answer_put(&self, tx: &mut Tx, scope: Scope, claim: Uuid, answer: &Answer) -> Outcome<u64> {
        let body = std::str::from_utf8(&answer.body)?;
        let sealed = self.sealer.seal(&seal_context(claim), body)?;
        tx.execute(
            "UPDATE idempotency_keys
             SET answer_status = $3, answer_location = $4, answer_sealed = $5, answer_key = $6
             WHERE organization_id = $1 AND claim = $2 AND answer_status IS NULL",
            args![
                scope.organization.0,
                claim,
                answer.status,
                &answer.location,
                sealed.bytes,
                sealed.key_id
            ],
        )
        .await
    }

    fn keyed_request(&self, row: &Row) -> Outcome<KeyedRequest> {
        let claim = get(row, "claim")?;
        let sealed = (
            get(row, "answer_status")?,
            get(row, "answer_sealed")?,
            get(row, "answer_key")?,
        );
        let answer = match sealed {
            (Some(status), Some(bytes), Some(key_id)) => Some(Answer {
                status,
                location: get(row, "answer_location")?,
                body: self
                    .sealer
                    .open_sealed(&seal_context(claim), &Sealed { bytes, key_id })?
                    .into_bytes(),
            }),
            _ => None,
        };
        Ok(KeyedRequest {
            route: get(row, "route")?,
            key: get(row, "key")?,
            hash: get::<Vec<u8>>(row, "request_hash")?.as_slice().try_into()?,
            claim,
            request: RequestId(get(row, "request_id")?),
            created_at: time(row, "created_at")?,
            lease_until: time(row, "lease_until")?,
            answer,
        })
    }
}

#[async_trait]
impl AuditStore for SqlStore {
    async fn audit_append(&self, scope: Scope, with: &Alongside) -> Stored<()> {
        doing("audit_append", async {
            let mut tx = self.db.write().await?;
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await
        })
        .await
    }

    async fn audit_list(&self, scope: Scope, filter: AuditFilter, page: Page) -> Stored<Listing<AuditEntry>> {
        doing("audit_list", async {
            // The log is as long as its organisation is old: what is kept is not counted. The actor stands there where
            // calls have their status, the action where they have their direction.
            let kept = Selection::totals(Kept::Audit, scope, None)
                .only_if("status = $", filter.actor_id.clone())
                .only_if("direction = $", filter.action.clone());
            let is_kept = filter.resource_id.is_none() && filter.since.is_none() && filter.until.is_none();
            let entries = Selection::of("audit_log", audit_columns!())
                .only("organization_id = $", scope.organization.0)
                .only_if("actor_id = $", filter.actor_id)
                .only_if("action = $", filter.action)
                .only_if("resource_id = $", filter.resource_id)
                .only_if("at >= $", filter.since)
                .only_if("at < $", filter.until);
            let entries = if is_kept { entries.counted_by(kept) } else { entries };
            self.db.page(entries, page, audit_entry).await
        })
        .await
    }

    async fn audit_knows(&self, scope: Scope, actor: &Actor, action: &'static str, resource_id: &str) -> Stored<bool> {
        doing("audit_knows", async {
            let sql = "SELECT id FROM audit_log
                       WHERE organization_id = $1 AND resource_id = $2 AND action = $3
                         AND actor_kind = $4 AND actor_id = $5
                       LIMIT 1";
            let args = args![scope.organization.0, resource_id, action, actor.kind(), actor.id()];
            // The index leads to all that was ever done to the resource, which may be too much for a point read.
            Ok(!self.db.fetch_all(sql, args).await?.is_empty())
        })
        .await
    }
}

#[async_trait]
impl IdempotencyStore for SqlStore {
    async fn idempotency_find(&self, scope: Scope, route: &str, key: &str) -> Stored<Option<KeyedRequest>> {
        doing("idempotency_find", async {
            let sql = concat!(
                "SELECT ",
                keyed_columns!(),
                " FROM idempotency_keys WHERE organization_id = $1 AND route = $2 AND key = $3"
            );
            let row = self
                .db
                .fetch_optional(sql, args![scope.organization.0, route, key])
                .await?;
            row.map(|row| self.keyed_request(&row)).transpose()
        })
        .await
    }

    async fn idempotency_claim(
        &self,
        scope: Scope,
        request: &KeyedRequest,
        fresh_after: Timestamp,
    ) -> Stored<KeyClaim> {
        doing("idempotency_claim", async {
            let mut tx = self.db.write().await?;
            let row = tx
                .fetch_optional(
                    "INSERT INTO idempotency_keys
                         (organization_id, route, key, request_hash, claim, request_id, created_at, lease_until)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (organization_id, route, key) DO UPDATE SET
                         resource_id = CASE WHEN idempotency_keys.created_at <= $9 THEN NULL
                                            ELSE idempotency_keys.resource_id END,
                         request_hash = excluded.request_hash, claim = excluded.claim,
                         request_id = excluded.request_id, created_at = excluded.created_at,
                         lease_until = excluded.lease_until, answer_status = NULL, answer_location = NULL,
                         answer_sealed = NULL, answer_key = NULL
                     WHERE idempotency_keys.created_at <= $9
                        OR (idempotency_keys.answer_status IS NULL
                            AND (idempotency_keys.lease_until <= excluded.created_at
                                 OR idempotency_keys.lease_until > 2 * excluded.lease_until - excluded.created_at)
                            AND idempotency_keys.request_hash = excluded.request_hash)
                     RETURNING resource_id",
                    args![
                        scope.organization.0,
                        &request.route,
                        &request.key,
                        request.hash.as_slice(),
                        request.claim,
                        request.request.0,
                        request.created_at,
                        request.lease_until,
                        fresh_after
                    ],
                )
                .await?;
            let Some(row) = row else { return Ok(KeyClaim::Taken) };
            let earlier = get(&row, "resource_id")?;
            tx.commit().await?;
            Ok(KeyClaim::Ours(earlier))
        })
        .await
    }

    async fn idempotency_answer(&self, scope: Scope, claim: Uuid, answer: &Answer) -> Stored<()> {
        doing("idempotency_answer", async {
            let mut tx = self.db.write().await?;
            self.answer_put(&mut tx, scope, claim, answer).await?;
            tx.commit().await
        })
        .await
    }

    async fn idempotency_release(&self, scope: Scope, claim: Uuid) -> Stored<()> {
        doing("idempotency_release", async {
            let mut tx = self.db.write().await?;
            let sql = "DELETE FROM idempotency_keys
                       WHERE organization_id = $1 AND claim = $2 AND answer_status IS NULL";
            tx.execute(sql, args![scope.organization.0, claim]).await?;
            tx.commit().await
        })
        .await
    }

    async fn idempotency_abandon(&self, scope: Scope, claim: Uuid) -> Stored<()> {
        doing("idempotency_abandon", async {
            let mut tx = self.db.write().await?;
            for sql in [
                "DELETE FROM idempotency_keys
                 WHERE organization_id = $1 AND claim = $2 AND answer_status IS NULL AND resource_id IS NULL",
                "UPDATE idempotency_keys SET lease_until = created_at
                 WHERE organization_id = $1 AND claim = $2 AND answer_status IS NULL",
            ] {
                tx.execute(sql, args![scope.organization.0, claim]).await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn idempotency_purge(&self, before: Timestamp, limit: u32) -> Stored<u64> {
        doing("idempotency_purge", async {
            let mut tx = self.db.write().await?;
            let sql = "DELETE FROM idempotency_keys WHERE claim IN
                           (SELECT claim FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
            let done = tx.execute(sql, args![before, limit]).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await
    }
}

async fn audit_insert(tx: &mut Tx, scope: Scope, entry: &AuditEntry) -> Outcome<()> {
    tx.execute(
        "INSERT INTO audit_log (id, organization_id, at, actor_kind, actor_id, address, request_id, action, resource,
                                resource_id, fields)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            entry.id,
            scope.organization.0,
            entry.at,
            entry.actor.kind(),
            entry.actor.id(),
            entry.address.map(|address| address.to_string()),
            entry.request.map(|request| request.0),
            &entry.action,
            &entry.resource,
            &entry.resource_id,
            json_of(&entry.fields)?
        ],
    )
    .await?;
    Ok(())
}

/// Binds a sealed answer to its claim, so that it can't be moved to another's.
fn seal_context(claim: Uuid) -> Vec<u8> {
    [b"idempotency.answer".as_slice(), claim.as_bytes()].concat()
}

fn audit_entry(row: &Row) -> Outcome<AuditEntry> {
    let (kind, id): (String, String) = (get(row, "actor_kind")?, get(row, "actor_id")?);
    let actor = match kind.as_str() {
        "key" => Actor::Key(id.parse::<ApiKeyId>()?),
        "user" => Actor::User(id),
        "operator" => Actor::Operator(id),
        // The platform itself has no name.
        "system" if !id.is_empty() => Actor::Provider(id),
        _ => Actor::System,
    };
    let address = get::<Option<String>>(row, "address")?;
    Ok(AuditEntry {
        id: get(row, "id")?,
        at: time(row, "at")?,
        actor,
        address: address.map(|address| address.parse()).transpose()?,
        request: get::<Option<Uuid>>(row, "request_id")?.map(RequestId),
        action: get(row, "action")?,
        resource: get(row, "resource")?,
        resource_id: get(row, "resource_id")?,
        fields: json(row, "fields")?,
    })
}
