//! Calls, their transcripts and endings.

use async_trait::async_trait;
use contract::{
    AgentId, Call, CallContext, CallId, CallStatus, LaterFailure, OrganizationId, Timestamp, TranscriptTurn,
};
use domain::{
    ports::{CallStore, Stored},
    records::{CallEnding, CallFilter, Listing, OwnedCall, Page, Scope},
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::SqliteStore;
use crate::row::{
    Outcome, before, doing, get, json, json_of, listing, maybe_json, maybe_json_of, maybe_time, name_of, named, offset,
    time,
};

/// Where the API serves what belongs to a call.
const CALLS_PATH: &str = "/api/public/v1/calls";

#[async_trait]
impl CallStore for SqliteStore {
    async fn call_create(&self, scope: Scope, call: &Call, limit: u32) -> Stored<bool> {
        doing("call_create", async {
            let mut tx = self.write().await?;
            let live: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM calls WHERE organization_id = ?1 AND ended_at IS NULL")
                    .bind(scope.organization.0)
                    .fetch_one(&mut *tx)
                    .await?;
            if live >= i64::from(limit) {
                return Ok(false);
            }
            call_insert(&mut tx, scope, call).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn call_fetch(&self, scope: Scope, id: CallId) -> Stored<Option<Call>> {
        doing("call_fetch", async {
            let row = sqlx::query(
                "SELECT *, EXISTS (SELECT 1 FROM call_turns AS turn
                                   WHERE turn.organization_id = calls.organization_id AND turn.call_id = calls.id)
                           AS transcribed
                 FROM calls WHERE organization_id = ?1 AND id = ?2",
            )
            .bind(scope.organization.0)
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
            row.as_ref().map(call).transpose()
        })
        .await
    }

    async fn call_list(&self, scope: Scope, filter: CallFilter, page: Page) -> Stored<Listing<Call>> {
        doing("call_list", async {
            let agent = filter.agent.map(|agent| agent.0);
            let direction = filter.direction.map(|direction| name_of(&direction)).transpose()?;
            let mut tx = self.read().await?;
            let total = sqlx::query_scalar(
                "SELECT COUNT(*) FROM calls
                 WHERE organization_id = ?1 AND (?2 IS NULL OR agent_id = ?2) AND (?3 IS NULL OR status = ?3)
                   AND (?4 IS NULL OR direction = ?4)",
            )
            .bind(scope.organization.0)
            .bind(agent)
            .bind(filter.status.map(CallStatus::name))
            .bind(&direction)
            .fetch_one(&mut *tx)
            .await?;
            let rows = sqlx::query(
                "SELECT *, EXISTS (SELECT 1 FROM call_turns AS turn
                                   WHERE turn.organization_id = calls.organization_id AND turn.call_id = calls.id)
                           AS transcribed
                 FROM calls
                 WHERE organization_id = ?1 AND (?2 IS NULL OR agent_id = ?2) AND (?3 IS NULL OR status = ?3)
                   AND (?4 IS NULL OR direction = ?4) AND id < ?5
                 ORDER BY id DESC LIMIT ?6 OFFSET ?7",
            )
            .bind(scope.organization.0)
            .bind(agent)
            .bind(filter.status.map(CallStatus::name))
            .bind(&direction)
            .bind(before(page))
            .bind(page.limit)
            .bind(offset(page))
            .fetch_all(&mut *tx)
            .await?;
            listing(&rows, total, call)
        })
        .await
    }

    async fn call_progress(
        &self,
        scope: Scope,
        id: CallId,
        status: CallStatus,
        answered_at: Option<Timestamp>,
    ) -> Stored<()> {
        doing("call_progress", async {
            if !matches!(status, CallStatus::Ringing | CallStatus::InProgress) {
                return Err(format!("a call does not progress to {}", status.name()).into());
            }
            let mut tx = self.write().await?;
            // News of ringing that comes late does not take a call back.
            sqlx::query(
                "UPDATE calls SET status = ?3, answered_at = COALESCE(answered_at, ?4)
                 WHERE organization_id = ?1 AND id = ?2 AND ended_at IS NULL
                   AND NOT (status = 'in_progress' AND ?3 = 'ringing')",
            )
            .bind(scope.organization.0)
            .bind(id.0)
            .bind(status.name())
            .bind(answered_at.map(Timestamp::millis))
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn call_turn_append(&self, scope: Scope, id: CallId, index: u32, turn: &TranscriptTurn) -> Stored<()> {
        doing("call_turn_append", async {
            let mut tx = self.write().await?;
            if is_live(&mut tx, scope, id).await? {
                turn_put(&mut tx, scope, id, index, turn).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn call_error_set(&self, scope: Scope, id: CallId, error: &LaterFailure) -> Stored<()> {
        doing("call_error_set", async {
            let mut tx = self.write().await?;
            sqlx::query("UPDATE calls SET last_error = ?3 WHERE organization_id = ?1 AND id = ?2 AND ended_at IS NULL")
                .bind(scope.organization.0)
                .bind(id.0)
                .bind(json_of(error)?)
                .execute(&mut *tx)
                .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) -> Stored<bool> {
        doing("call_finish", async {
            let mut tx = self.write().await?;
            if !call_end(&mut tx, scope, id, ending).await? {
                return Ok(false);
            }
            sqlx::query("DELETE FROM call_turns WHERE organization_id = ?1 AND call_id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            for (index, turn) in (0..).zip(&ending.turns) {
                turn_put(&mut tx, scope, id, index, turn).await?;
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn call_transcript(&self, scope: Scope, id: CallId) -> Stored<Option<Vec<TranscriptTurn>>> {
        doing("call_transcript", async {
            let mut tx = self.read().await?;
            let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM calls WHERE organization_id = ?1 AND id = ?2")
                .bind(scope.organization.0)
                .bind(id.0)
                .fetch_one(&mut *tx)
                .await?;
            if known == 0 {
                return Ok(None);
            }
            let rows =
                sqlx::query("SELECT * FROM call_turns WHERE organization_id = ?1 AND call_id = ?2 ORDER BY turn_index")
                    .bind(scope.organization.0)
                    .bind(id.0)
                    .fetch_all(&mut *tx)
                    .await?;
            rows.iter().map(turn).collect::<Outcome<_>>().map(Some)
        })
        .await
    }

    async fn call_delete(&self, scope: Scope, id: CallId) -> Stored<bool> {
        doing("call_delete", async {
            let mut tx = self.write().await?;
            let done = sqlx::query("DELETE FROM calls WHERE organization_id = ?1 AND id = ?2 AND ended_at IS NOT NULL")
                .bind(scope.organization.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    async fn calls_unfinished(&self) -> Stored<Vec<OwnedCall>> {
        doing("calls_unfinished", async {
            let rows = sqlx::query(
                "SELECT *, EXISTS (SELECT 1 FROM call_turns AS turn
                                   WHERE turn.organization_id = calls.organization_id AND turn.call_id = calls.id)
                           AS transcribed
                 FROM calls WHERE ended_at IS NULL ORDER BY id",
            )
            .fetch_all(&self.readers)
            .await?;
            let owned = |row: &SqliteRow| -> Outcome<OwnedCall> {
                Ok(OwnedCall {
                    organization: OrganizationId(get(row, "organization_id")?),
                    call: call(row)?,
                })
            };
            rows.iter().map(owned).collect()
        })
        .await
    }
}

async fn is_live(tx: &mut SqliteConnection, scope: Scope, id: CallId) -> Outcome<bool> {
    let live: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM calls WHERE organization_id = ?1 AND id = ?2 AND ended_at IS NULL")
            .bind(scope.organization.0)
            .bind(id.0)
            .fetch_one(tx)
            .await?;
    Ok(live > 0)
}

async fn call_insert(tx: &mut SqliteConnection, scope: Scope, call: &Call) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO calls (id, organization_id, agent_id, status, direction, from_number, to_number, started_at,
                            answered_at, ended_at, end_reason, cost_credits, summary, recorded, metrics, variables,
                            metadata, dtmf, last_error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )
    .bind(call.id.0)
    .bind(scope.organization.0)
    .bind(call.agent_id.0)
    .bind(call.status.name())
    .bind(name_of(&call.direction)?)
    .bind(&call.from_number)
    .bind(&call.to_number)
    .bind(call.started_at.millis())
    .bind(call.answered_at.map(Timestamp::millis))
    .bind(call.ended_at.map(Timestamp::millis))
    .bind(call.end_reason.map(|reason| name_of(&reason)).transpose()?)
    .bind(call.cost_credits)
    .bind(&call.summary)
    .bind(call.recording_url.is_some())
    .bind(json_of(&call.metrics)?)
    .bind(json_of(&call.variables)?)
    .bind(json_of(&call.metadata)?)
    .bind(&call.context.dtmf)
    .bind(maybe_json_of(call.context.last_error.as_ref())?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the ending over a call that has none; `false` when it has, or isn't there.
async fn call_end(tx: &mut SqliteConnection, scope: Scope, id: CallId, ending: &CallEnding) -> Outcome<bool> {
    let done = sqlx::query(
        "UPDATE calls SET status = ?3, end_reason = ?4, answered_at = COALESCE(?5, answered_at), ended_at = ?6,
             metrics = ?7, dtmf = ?8, last_error = COALESCE(?9, last_error), recorded = ?10
         WHERE organization_id = ?1 AND id = ?2 AND ended_at IS NULL",
    )
    .bind(scope.organization.0)
    .bind(id.0)
    .bind(ending.status.name())
    .bind(name_of(&ending.end_reason)?)
    .bind(ending.answered_at.map(Timestamp::millis))
    .bind(ending.ended_at.millis())
    .bind(json_of(&ending.metrics)?)
    .bind(&ending.dtmf)
    .bind(maybe_json_of(ending.last_error.as_ref())?)
    .bind(ending.recorded)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn turn_put(
    tx: &mut SqliteConnection,
    scope: Scope,
    call: CallId,
    index: u32,
    turn: &TranscriptTurn,
) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO call_turns (organization_id, call_id, turn_index, speaker, text, started_at, ended_at, interrupted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET speaker = excluded.speaker, text = excluded.text,
             started_at = excluded.started_at, ended_at = excluded.ended_at, interrupted = excluded.interrupted",
    )
    .bind(scope.organization.0)
    .bind(call.0)
    .bind(index)
    .bind(name_of(&turn.speaker)?)
    .bind(&turn.text)
    .bind(turn.started_at.millis())
    .bind(turn.ended_at.millis())
    .bind(turn.interrupted)
    .execute(tx)
    .await?;
    Ok(())
}

fn call(row: &SqliteRow) -> Outcome<Call> {
    let id = CallId(get(row, "id")?);
    let (answered_at, ended_at) = (maybe_time(row, "answered_at")?, maybe_time(row, "ended_at")?);
    let path = |there: bool, what: &str| there.then(|| format!("{CALLS_PATH}/{id}/{what}"));
    let end_reason = match get::<Option<&str>>(row, "end_reason")? {
        Some(_) => Some(named(row, "end_reason")?),
        None => None,
    };
    Ok(Call {
        id,
        status: named(row, "status")?,
        direction: named(row, "direction")?,
        from_number: get(row, "from_number")?,
        to_number: get(row, "to_number")?,
        agent_id: AgentId(get(row, "agent_id")?),
        started_at: time(row, "started_at")?,
        answered_at,
        ended_at,
        duration_seconds: answered_at
            .zip(ended_at)
            .map(|(answered, ended)| ended.seconds_since(answered)),
        end_reason,
        cost_credits: get(row, "cost_credits")?,
        summary: get(row, "summary")?,
        recording_url: path(get(row, "recorded")?, "recording"),
        transcript_url: path(get(row, "transcribed")?, "transcript"),
        metrics: json(row, "metrics")?,
        variables: json(row, "variables")?,
        metadata: json(row, "metadata")?,
        context: CallContext {
            last_error: maybe_json(row, "last_error")?,
            dtmf: get(row, "dtmf")?,
        },
    })
}

fn turn(row: &SqliteRow) -> Outcome<TranscriptTurn> {
    Ok(TranscriptTurn {
        speaker: named(row, "speaker")?,
        text: get(row, "text")?,
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        interrupted: get(row, "interrupted")?,
    })
}
