//! Nodes, and the calls that they hold.

use async_trait::async_trait;
use contract::{CallId, OrganizationId, Timestamp};
use domain::{
    nodes::{HeldCall, Holder, NodeId, NodeSeen, NodeStore},
    ports::Stored,
    records::{OwnedCall, Scope},
};
use uuid::Uuid;

use super::calls::{call, call_columns, transcribed};
use crate::{
    SqlStore,
    sql::{Outcome, Row, Statement, Value, args, doing, get, maybe_time},
};

/// When more was paid for a call last, and when its node said last that it is alive.
const SIGNS_OF_LIFE: &str = "(SELECT MAX(ledger.created_at) FROM ledger
         WHERE ledger.organization_id = calls.organization_id AND ledger.reservation_id = calls.id
           AND ledger.kind = 'extend') AS extended_at,
     (SELECT nodes.seen_at FROM nodes WHERE nodes.id = calls.node_id) AS node_seen_at";

#[async_trait]
impl NodeStore for SqlStore {
    async fn node_begin(&self, run: Uuid, at: Timestamp) -> Stored<()> {
        doing("node_begin", async {
            let mut tx = self.db.write().await?;
            tx.execute(
                "INSERT INTO nodes (id, run, beats, seen_at) VALUES ($1, $2, 1, $3)
                 ON CONFLICT (id) DO UPDATE SET run = excluded.run, beats = nodes.beats + 1, seen_at = excluded.seen_at",
                args![self.node.0, run, at],
            )
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn node_beat(&self, run: Uuid, at: Timestamp) -> Stored<bool> {
        doing("node_beat", async {
            let mut tx = self.db.write().await?;
            // One that was taken for dead was forgotten.
            let done = tx
                .execute(
                    "INSERT INTO nodes (id, run, beats, seen_at) VALUES ($1, $2, 1, $3)
                     ON CONFLICT (id) DO UPDATE SET beats = nodes.beats + 1, seen_at = excluded.seen_at
                     WHERE nodes.run = excluded.run",
                    args![self.node.0, run, at],
                )
                .await?;
            tx.commit().await?;
            Ok(done > 0)
        })
        .await
    }

    async fn nodes_with_calls(&self) -> Stored<Vec<NodeSeen>> {
        doing("nodes_with_calls", async {
            let sql =
                "SELECT DISTINCT calls.node_id, nodes.beats FROM calls LEFT JOIN nodes ON nodes.id = calls.node_id
                       WHERE calls.ended_at IS NULL AND calls.node_id <> $1";
            let rows = self.db.fetch_all(sql, args![self.node.0]).await?;
            let seen = |row: &Row| -> Outcome<NodeSeen> {
                Ok(NodeSeen {
                    id: NodeId(get(row, "node_id")?),
                    beats: get(row, "beats")?,
                })
            };
            rows.iter().map(seen).collect()
        })
        .await
    }

    async fn node_forget(&self, node: NodeSeen) -> Stored<()> {
        doing("node_forget", async {
            let mut tx = self.db.write().await?;
            let sql = "DELETE FROM nodes WHERE id = $1 AND beats = $2";
            tx.execute(sql, args![node.id.0, node.beats]).await?;
            tx.commit().await
        })
        .await
    }

    async fn calls_unfinished(&self) -> Stored<Vec<OwnedCall>> {
        let which = "(node_id = $1 OR node_id IS NULL)";
        doing("calls_unfinished", self.calls_open(which, args![self.node.0])).await
    }

    async fn calls_of_node(&self, node: NodeSeen) -> Stored<Vec<OwnedCall>> {
        // One that came back says so before it takes calls, so none of its new calls is found.
        let which = "node_id = $1 AND COALESCE((SELECT beats FROM nodes WHERE nodes.id = $1), -1) = COALESCE($2, -1)";
        doing("calls_of_node", self.calls_open(which, args![node.id.0, node.beats])).await
    }

    async fn calls_held(&self) -> Stored<Vec<HeldCall>> {
        doing("calls_held", async {
            let sql = "SELECT organization_id, id, end_requested_at FROM calls
                       WHERE ended_at IS NULL AND node_id = $1 ORDER BY id";
            let rows = self.db.fetch_all(sql, args![self.node.0]).await?;
            let held = |row: &Row| -> Outcome<HeldCall> {
                Ok(HeldCall {
                    scope: Scope {
                        organization: OrganizationId(get(row, "organization_id")?),
                    },
                    id: CallId(get(row, "id")?),
                    end_requested: maybe_time(row, "end_requested_at")?.is_some(),
                })
            };
            rows.iter().map(held).collect()
        })
        .await
    }

    async fn call_end_request(&self, scope: Scope, id: CallId, at: Timestamp) -> Stored<Option<Holder>> {
        doing("call_end_request", async {
            let mut tx = self.db.write().await?;
            let row = tx
                .fetch_optional(
                    "UPDATE calls SET end_requested_at = COALESCE(end_requested_at, $3)
                     WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL RETURNING node_id",
                    args![scope.organization.0, id.0, at],
                )
                .await?;
            let node = row.map(|row| get::<Option<Uuid>>(&row, "node_id")).transpose()?;
            tx.commit().await?;
            Ok(node.map(|node| {
                if node.is_none_or(|node| node == self.node.0) {
                    Holder::Here
                } else {
                    Holder::Elsewhere
                }
            }))
        })
        .await
    }
}

impl SqlStore {
    /// Calls that are not over and for which a condition holds.
    async fn calls_open(&self, which: &str, args: Vec<Value>) -> Outcome<Vec<OwnedCall>> {
        let columns = concat!(call_columns!(), ", ", transcribed!());
        let sql =
            format!("SELECT {columns}, {SIGNS_OF_LIFE} FROM calls WHERE ended_at IS NULL AND {which} ORDER BY id");
        let rows = self.db.fetch_all(Statement::built(sql), args).await?;
        let owned = |row: &Row| -> Outcome<OwnedCall> {
            Ok(OwnedCall {
                organization: OrganizationId(get(row, "organization_id")?),
                call: call(row)?,
                extended_at: maybe_time(row, "extended_at")?,
                node_seen_at: maybe_time(row, "node_seen_at")?,
            })
        };
        rows.iter().map(owned).collect()
    }
}
