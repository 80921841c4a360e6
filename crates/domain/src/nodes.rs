//! Programs that hold calls beside each other on one database: what each keeps there about itself.
//!
//! A node is alive while its count of beats grows. Each watches the others' by its own monotonic clock, so clocks
//! that differ between machines, or jump, declare nobody dead.

use async_trait::async_trait;
use contract::{CallId, Timestamp};
use uuid::Uuid;

use crate::{
    ports::Stored,
    records::{OwnedCall, Scope},
};

/// A program with a data folder of its own; the same after each start on that folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub Uuid);

/// Another node that holds calls which are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// Which.
    pub id: NodeId,
    /// How often it said that it is alive; `None` when it never did, or was forgotten.
    pub beats: Option<i64>,
}

/// A call of this node that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldCall {
    /// Whose.
    pub scope: Scope,
    /// Which.
    pub id: CallId,
    /// Whether somebody asked another node to end it.
    pub end_requested: bool,
}

/// Where a call is held that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// By this node, or by none.
    Here,
    /// By another node.
    Elsewhere,
}

/// What nodes keep in the database. The store knows which node it belongs to.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// Says that `run`, a process that has just started, is this node from now on.
    async fn node_begin(&self, run: Uuid, at: Timestamp) -> Stored<()>;
    /// Says that this node is alive; `false` when a later process says that it is this node.
    async fn node_beat(&self, run: Uuid, at: Timestamp) -> Stored<bool>;
    /// Other nodes that hold calls which are not over.
    async fn nodes_with_calls(&self) -> Stored<Vec<NodeSeen>>;
    /// Forgets a node that was not heard of since it was seen so. One that lives says so again.
    async fn node_forget(&self, node: NodeSeen) -> Stored<()>;
    /// Calls of this node, and those that belong to none, that are not over. At a start these were lost.
    async fn calls_unfinished(&self) -> Stored<Vec<OwnedCall>>;
    /// Calls of another node that are not over; none if it was heard of since it was seen so.
    async fn calls_of_node(&self, node: NodeSeen) -> Stored<Vec<OwnedCall>>;
    /// Calls of this node that are not over.
    async fn calls_held(&self) -> Stored<Vec<HeldCall>>;
    /// Notes that somebody wants a call to end, for the node that holds it. `None` when it is over.
    async fn call_end_request(&self, scope: Scope, id: CallId, at: Timestamp) -> Stored<Option<Holder>>;
}
