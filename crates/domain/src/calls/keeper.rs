//! What a node does beside holding calls: it says that it is alive, ends calls that other nodes were asked to end,
//! and closes the records of calls that nobody holds any more, its own and those of nodes that died.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use contract::CallId;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Calls, live::Loss};
use crate::{
    Error,
    nodes::{HeldCall, NodeId, NodeSeen},
};

/// Between two looks for calls that other nodes were asked to end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Spent at one beat on the calls of others, and on those that nobody holds.
const SPENT_MAX: Duration = Duration::from_millis(2500);
/// A node that was silent for so long is dead.
pub const LEASE: Duration = Duration::from_secs(30);

/// Keeps one node.
pub struct NodeKeeper {
    calls: Calls,
    last_beat: Option<Instant>,
    /// The others' beats, and since when they are so many.
    observed: HashMap<NodeId, (NodeSeen, Instant)>,
    /// Open in the store at the last beat, and held by nobody here.
    unheld: HashSet<CallId>,
    /// Held here at the last beat, and over in the store.
    over: HashSet<CallId>,
}

impl NodeKeeper {
    /// For these calls.
    pub fn new(calls: Calls) -> Self {
        Self {
            calls,
            last_beat: None,
            observed: HashMap::new(),
            unheld: HashSet::new(),
            over: HashSet::new(),
        }
    }

    /// Keeps the node for as long as it is polled.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = Instant::now();
            if self.last_beat.is_none_or(|last| now >= last + BEAT_EVERY) {
                self.beat(now).await;
            } else {
                self.look().await;
            }
        }
    }

    /// Ends calls of this node that others were asked to end.
    pub async fn look(&self) {
        if self.calls.events.is_empty() {
            return;
        }
        match self.calls.setup.store.calls_held().await {
            Ok(held) => self.end_requested(&held),
            Err(error) => tracing::warn!(%error, "calls that are to end could not be looked up"),
        }
    }

    /// Says that this node is alive, and looks after calls that nobody holds.
    pub async fn beat(&mut self, now: Instant) {
        let is_late = self.last_beat.is_some_and(|last| now > last + LEASE / 2);
        self.last_beat = Some(now);
        if is_late {
            // Who slept can't tell whether the others slept too.
            self.observed.clear();
        }
        if let Err(error) = self.try_beat(now).await {
            // Nor can who did not reach the store: it may have been away for all.
            self.observed.clear();
            tracing::warn!(%error, "the store could not be told that this node is alive");
        }
    }

    async fn try_beat(&mut self, now: Instant) -> Result<(), Error> {
        let calls = self.calls.clone();
        if !calls.setup.store.node_beat(calls.run, calls.now()).await? {
            // Whoever was started last looks after the calls of both.
            tracing::error!("another process runs as this node; each needs a data folder of its own, not a copy");
            return Ok(());
        }
        let held = calls.setup.store.calls_held().await?;
        self.end_requested(&held);
        self.close_unheld(&held).await;
        self.end_closed(&held);
        self.bury_the_dead(now).await
    }

    fn end_requested(&self, held: &[HeldCall]) {
        for call in held.iter().filter(|call| call.end_requested) {
            self.end(call.id);
        }
    }

    fn end(&self, id: CallId) {
        // A call that no session holds yet, or any more, is looked at again.
        let _ = self.calls.carrier().map(|carrier| carrier.end(id));
    }

    /// Closes records of ours that no session holds, such as one whose creation was committed but not acknowledged.
    /// Only what is so at two beats in a row: a call that begins or ends is so for a moment.
    async fn close_unheld(&mut self, held: &[HeldCall]) {
        let is_unheld = |call: &&HeldCall| !self.calls.events.is_open(call.id) && !self.calls.endings.holds(call.id);
        let unheld: Vec<HeldCall> = held.iter().filter(is_unheld).copied().collect();
        let until = Instant::now() + SPENT_MAX;
        for call in unheld.iter().filter(|call| self.unheld.contains(&call.id)) {
            if Instant::now() >= until {
                break;
            }
            if let Err(error) = self.calls.close_lost(call.scope, call.id, Loss::Unheld).await {
                tracing::error!(call_id = %call.id, %error, "a call that nobody holds could not be closed");
            }
        }
        self.unheld = unheld.iter().map(|call| call.id).collect();
    }

    /// Ends calls whose records somebody else closed, since they took this node for dead.
    fn end_closed(&mut self, held: &[HeldCall]) {
        let open: HashSet<CallId> = held.iter().map(|call| call.id).collect();
        let is_over = |id: &CallId| !open.contains(id) && !self.calls.endings.holds(*id);
        let over: HashSet<CallId> = self.calls.events.live().into_iter().filter(is_over).collect();
        for id in over.intersection(&self.over) {
            tracing::warn!(call_id = %id, "the record of a call was closed elsewhere; the call ends");
            self.end(*id);
        }
        self.over = over;
    }

    async fn bury_the_dead(&mut self, now: Instant) -> Result<(), Error> {
        let seen = self.calls.setup.store.nodes_with_calls().await?;
        self.observed.retain(|id, _| seen.iter().any(|node| node.id == *id));
        // Whoever is busy with the dead for too long looks dead itself; the rest waits for the next beat.
        let until = Instant::now() + SPENT_MAX;
        for node in seen {
            let since = self.observed.entry(node.id).or_insert((node, now));
            if since.0 != node {
                *since = (node, now);
            }
            if now.saturating_duration_since(since.1) >= LEASE {
                self.bury(node, until).await?;
            }
        }
        Ok(())
    }

    /// Closes the calls of a silent node; one that can't be closed holds up no other.
    async fn bury(&self, node: NodeSeen, until: Instant) -> Result<(), Error> {
        let store = &self.calls.setup.store;
        let lost = store.calls_of_node(node).await?;
        tracing::warn!(node_id = %node.id.0, calls = lost.len(), "a node is silent; its calls become failed");
        let mut are_closed = true;
        for owned in lost {
            if Instant::now() >= until {
                return Ok(());
            }
            let id = owned.call.id;
            if let Err(error) = self.calls.close_owned(owned, Loss::Node).await {
                tracing::error!(call_id = %id, %error, "a call of a silent node could not be closed");
                are_closed = false;
            }
        }
        if are_closed {
            store.node_forget(node).await?;
        }
        Ok(())
    }
}
