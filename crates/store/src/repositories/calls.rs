//! Calls, their transcripts and endings.

use async_trait::async_trait;
use contract::{AgentId, Call, CallContext, CallId, CallStatus, Credits, LaterFailure, Timestamp, TranscriptTurn};
use domain::{
    Alongside,
    billing::{Held, Payment, Tariff},
    nodes::NodeId,
    ports::{Admission, CallStore, Stored},
    records::{CallEnding, CallFilter, Listing, Page, Scope},
};

use super::{
    billing::call_settle,
    ledger::{self, Reservation},
};
use crate::{
    SqlStore,
    sql::{
        Kept, Outcome, Row, Selection, Tx, args, doing, get, json, json_of, maybe_json, maybe_json_of, maybe_named,
        maybe_time, name_of, named, time,
    },
};

/// What a call is read from, beside whether it has a transcript.
macro_rules! call_columns {
    () => {
        "id, organization_id, agent_id, status, direction, from_number, to_number, started_at, \
         answered_at, ended_at, end_reason, cost_micros, summary, recorded, metrics, variables, metadata, \
         dtmf, last_error"
    };
}

/// Whether a call has a transcript.
macro_rules! transcribed {
    () => {
        "EXISTS (SELECT 1 FROM call_turns AS turn
                 WHERE turn.organization_id = calls.organization_id AND turn.call_id = calls.id) AS transcribed"
    };
}
pub(super) use {call_columns, transcribed};

/// Where the API serves what belongs to a call.
const CALLS_PATH: &str = "/api/public/v1/calls";

#[async_trait]
impl CallStore for SqlStore {
    async fn call_create(
        &self,
        scope: Scope,
        call: &Call,
        limit: u32,
        tariff: &Tariff,
        with: &Alongside,
    ) -> Stored<Admission> {
        doing("call_create", async {
            let mut tx = self.db.write().await?;
            tx.hold_organization(scope.organization).await?;
            let live: i64 = tx
                .scalar(
                    "SELECT COUNT(*) FROM calls WHERE organization_id = $1 AND ended_at IS NULL",
                    args![scope.organization.0],
                )
                .await?;
            if live >= i64::from(limit) {
                return Ok(Admission::Full);
            }
            if let Some(unpaid) = beginning_pay(&mut tx, scope, call, tariff).await? {
                return Ok(unpaid);
            }
            call_insert(&mut tx, scope, (call, self.node), tariff).await?;
            self.alongside(&mut tx, scope, with).await?;
            tx.commit().await?;
            Ok(Admission::Created)
        })
        .await
    }

    async fn calls_live(&self, scope: Scope) -> Stored<u32> {
        doing("calls_live", async {
            let sql = "SELECT COUNT(*) AS live FROM calls WHERE organization_id = $1 AND ended_at IS NULL";
            let row = self.db.fetch_optional(sql, args![scope.organization.0]).await?;
            let live = row.map(|row| get::<i64>(&row, "live")).transpose()?;
            Ok(u32::try_from(live.unwrap_or_default())?)
        })
        .await
    }

    async fn call_fetch(&self, scope: Scope, id: CallId) -> Stored<Option<Call>> {
        doing("call_fetch", async {
            let row = self
                .db
                .fetch_optional(
                    concat!(
                        "SELECT ",
                        call_columns!(),
                        ", ",
                        transcribed!(),
                        " FROM calls WHERE organization_id = $1 AND id = $2"
                    ),
                    args![scope.organization.0, id.0],
                )
                .await?;
            row.as_ref().map(call).transpose()
        })
        .await
    }

    async fn call_list(&self, scope: Scope, filter: CallFilter, page: Page) -> Stored<Listing<Call>> {
        doing("call_list", async {
            let direction = filter.direction.map(|direction| name_of(&direction)).transpose()?;
            let status = filter.status.map(CallStatus::name);
            let totals = Selection::totals(Kept::Calls, scope, filter.agent)
                .only_if("direction = $", direction.clone())
                .only_if("status = $", status);
            let calls = Selection::of("calls", call_columns!())
                .beside(transcribed!())
                .only("organization_id = $", scope.organization.0)
                .only_if("agent_id = $", filter.agent.map(|agent| agent.0))
                .only_if("direction = $", direction)
                .only_if("status = $", status)
                .counted_by(totals);
            self.db.page(calls, page, call).await
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
            let mut tx = self.db.write().await?;
            // News of ringing that comes late does not take a call back.
            tx.execute(
                "UPDATE calls SET status = $3, answered_at = COALESCE(answered_at, $4)
                 WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL
                   AND NOT (status = 'in_progress' AND $3 = 'ringing')",
                args![
                    scope.organization.0,
                    id.0,
                    status.name(),
                    answered_at.map(Timestamp::millis)
                ],
            )
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn call_turn_append(&self, scope: Scope, id: CallId, index: u32, turn: &TranscriptTurn) -> Stored<()> {
        doing("call_turn_append", async {
            let mut tx = self.db.write().await?;
            if is_live(&mut tx, scope, id).await? {
                turn_put(&mut tx, scope, id, index, turn).await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn call_error_set(&self, scope: Scope, id: CallId, error: &LaterFailure) -> Stored<()> {
        doing("call_error_set", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "UPDATE calls SET last_error = $3 WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL",
                args![scope.organization.0, id.0, json_of(error)?],
            )
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn call_finish(&self, scope: Scope, id: CallId, ending: &CallEnding) -> Stored<bool> {
        doing("call_finish", async {
            let mut tx = self.db.write().await?;
            if !call_end(&mut tx, scope, id, ending).await? {
                return Ok(false);
            }
            tx.execute(
                "DELETE FROM call_turns WHERE organization_id = $1 AND call_id = $2",
                args![scope.organization.0, id.0],
            )
            .await?;
            for (index, turn) in (0..).zip(&ending.turns) {
                turn_put(&mut tx, scope, id, index, turn).await?;
            }
            call_settle(&mut tx, scope, id, ending.ended_at).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn call_transcript(&self, scope: Scope, id: CallId) -> Stored<Option<Vec<TranscriptTurn>>> {
        doing("call_transcript", async {
            let mut tx = self.db.read().await?;
            let known: i64 = tx
                .scalar(
                    "SELECT COUNT(*) FROM calls WHERE organization_id = $1 AND id = $2",
                    args![scope.organization.0, id.0],
                )
                .await?;
            if known == 0 {
                return Ok(None);
            }
            let rows = tx
                .fetch_all(
                    "SELECT speaker, text, started_at, ended_at, interrupted FROM call_turns
                     WHERE organization_id = $1 AND call_id = $2 ORDER BY turn_index",
                    args![scope.organization.0, id.0],
                )
                .await?;
            rows.iter().map(turn).collect::<Outcome<_>>().map(Some)
        })
        .await
    }

    async fn call_delete(&self, scope: Scope, id: CallId, with: &Alongside) -> Stored<bool> {
        doing("call_delete", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "DELETE FROM calls WHERE organization_id = $1 AND id = $2 AND ended_at IS NOT NULL",
                    args![scope.organization.0, id.0],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }
}

/// Holds what the beginning of a call costs; why it must not begin, if it must not.
async fn beginning_pay(tx: &mut Tx, scope: Scope, call: &Call, tariff: &Tariff) -> Outcome<Option<Admission>> {
    let (balance, required) = match tariff.payment {
        Payment::Metered => return Ok(None),
        Payment::Refused => (Credits::ZERO, Credits::ZERO),
        Payment::Reserve(required) if !required.is_positive() => return Ok(None),
        Payment::Reserve(required) => {
            let reservation = Reservation {
                id: call.id.0,
                is_call: true,
            };
            match ledger::reserve(tx, scope, reservation, required, call.started_at).await? {
                Held::All(_) => return Ok(None),
                Held::Short(balance) => (balance, required),
                Held::Over => return Err("a new call has an old reservation".into()),
            }
        }
    };
    Ok(Some(Admission::Unpaid { balance, required }))
}

/// Whether the call goes on, and will until this transaction is over.
async fn is_live(tx: &mut Tx, scope: Scope, id: CallId) -> Outcome<bool> {
    let sql = "SELECT id FROM calls WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL";
    Ok((tx.fetch_for_update(sql, args![scope.organization.0, id.0]).await?).is_some())
}

async fn call_insert(tx: &mut Tx, scope: Scope, (call, node): (&Call, NodeId), tariff: &Tariff) -> Outcome<()> {
    tx.execute(
        "INSERT INTO calls (id, organization_id, agent_id, status, direction, from_number, to_number, started_at,
                            answered_at, ended_at, end_reason, cost_credits, summary, recorded, metrics, variables,
                            metadata, dtmf, last_error, rate_micros, node_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
        args![
            call.id.0,
            scope.organization.0,
            call.agent_id.0,
            call.status.name(),
            name_of(&call.direction)?,
            &call.from_number,
            &call.to_number,
            call.started_at.millis(),
            call.answered_at.map(Timestamp::millis),
            call.ended_at.map(Timestamp::millis),
            call.end_reason.map(|reason| name_of(&reason)).transpose()?,
            call.cost_credits,
            &call.summary,
            call.recording_url.is_some(),
            json_of(&call.metrics)?,
            json_of(&call.variables)?,
            json_of(&call.metadata)?,
            &call.context.dtmf,
            maybe_json_of(call.context.last_error.as_ref())?,
            tariff.per_minute.micros(),
            node.0,
        ],
    )
    .await?;
    Ok(())
}

/// Writes the ending over a call that has none; `false` when it has, or isn't there.
async fn call_end(tx: &mut Tx, scope: Scope, id: CallId, ending: &CallEnding) -> Outcome<bool> {
    let done = tx
        .execute(
            "UPDATE calls SET status = $3, end_reason = $4, answered_at = COALESCE($5, answered_at), ended_at = $6,
             metrics = $7, dtmf = $8, last_error = COALESCE($9, last_error), recorded = $10
         WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL",
            args![
                scope.organization.0,
                id.0,
                ending.status.name(),
                name_of(&ending.end_reason)?,
                ending.answered_at.map(Timestamp::millis),
                ending.ended_at.millis(),
                json_of(&ending.metrics)?,
                &ending.dtmf,
                maybe_json_of(ending.last_error.as_ref())?,
                ending.recorded
            ],
        )
        .await?;
    Ok(done > 0)
}

async fn turn_put(tx: &mut Tx, scope: Scope, call: CallId, index: u32, turn: &TranscriptTurn) -> Outcome<()> {
    tx.execute("INSERT INTO call_turns (organization_id, call_id, turn_index, speaker, text, started_at, ended_at, interrupted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (organization_id, call_id, turn_index) DO UPDATE SET speaker = excluded.speaker, text = excluded.text,
             started_at = excluded.started_at, ended_at = excluded.ended_at, interrupted = excluded.interrupted", args![scope.organization.0, call.0, index, name_of(&turn.speaker)?, &turn.text, turn.started_at.millis(), turn.ended_at.millis(), turn.interrupted]).await?;
    Ok(())
}

pub(super) fn call(row: &Row) -> Outcome<Call> {
    let id = CallId(get(row, "id")?);
    let (answered_at, ended_at) = (maybe_time(row, "answered_at")?, maybe_time(row, "ended_at")?);
    let path = |there: bool, what: &str| there.then(|| format!("{CALLS_PATH}/{id}/{what}"));
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
        end_reason: maybe_named(row, "end_reason")?,
        cost_credits: get::<Option<i64>>(row, "cost_micros")?.map(|cost| Credits::from_micros(cost).as_f64()),
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

fn turn(row: &Row) -> Outcome<TranscriptTurn> {
    Ok(TranscriptTurn {
        speaker: named(row, "speaker")?,
        text: get(row, "text")?,
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        interrupted: get(row, "interrupted")?,
    })
}
