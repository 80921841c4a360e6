//! Live events of calls, from the session to whoever watches. Bounded: a slow watcher loses the oldest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use contract::{CallEvent, CallId, OrganizationId};
use tokio::sync::broadcast;

/// Events kept for a slow watcher before it loses the oldest.
const BACKLOG: usize = 256;

/// Live calls with their tenants.
type Channels = HashMap<CallId, (OrganizationId, broadcast::Sender<CallEvent>)>;

/// Where sessions publish and watchers listen.
#[derive(Clone, Default)]
pub struct EventBus {
    calls: Arc<Mutex<Channels>>,
}

impl EventBus {
    /// Opens the channel of a call. Dropping the publisher ends every watcher's stream.
    pub fn open(&self, organization: OrganizationId, call: CallId) -> EventPublisher {
        let (sender, _) = broadcast::channel(BACKLOG);
        self.lock().insert(call, (organization, sender.clone()));
        EventPublisher {
            bus: self.clone(),
            call,
            sender,
        }
    }

    /// Watches a live call; `None` when it is not live here, or not that tenant's.
    pub fn watch(&self, organization: OrganizationId, call: CallId) -> Option<broadcast::Receiver<CallEvent>> {
        let calls = self.lock();
        let (owner, sender) = calls.get(&call)?;
        (*owner == organization).then(|| sender.subscribe())
    }

    /// Whether a call is live here.
    pub(crate) fn is_open(&self, call: CallId) -> bool {
        self.lock().contains_key(&call)
    }

    /// Whether no call is live here.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Calls that are live here.
    pub(crate) fn live(&self) -> Vec<CallId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Channels> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's end of a call's channel.
pub struct EventPublisher {
    bus: EventBus,
    call: CallId,
    sender: broadcast::Sender<CallEvent>,
}

impl EventPublisher {
    /// Tells whoever watches; nobody may.
    pub fn publish(&self, event: CallEvent) {
        // An error only says that nobody watches.
        let _ = self.sender.send(event);
    }
}

impl Drop for EventPublisher {
    fn drop(&mut self) {
        self.bus.lock().remove(&self.call);
    }
}
