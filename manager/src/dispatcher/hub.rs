//! The sessions that are open, and when each node was last heard.

use crate::store::Store;
use manager_core::{
    liveness,
    state::{Event, ObjectId},
};
use proto::{model::{NodeId, Timestamp}, wire::ManagerMessage};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, broadcast::error::RecvError, mpsc};
use tonic::Status;

/// The way to one agent. The stream's items are results because a stream may end in an error.
pub type Outbound = mpsc::Sender<Result<ManagerMessage, Status>>;

/// Knows every node's session. Clones share it.
#[derive(Clone, Default)]
pub struct Hub {
    nodes: Arc<Mutex<BTreeMap<NodeId, Known>>>,
    /// Told when a node comes or goes, so that the decisions are made anew at once.
    changed: Arc<Notify>,
}

/// What is known of one node's agent under this leadership.
struct Known {
    last_heard: Timestamp,
    /// It said that it will be back.
    goodbye: bool,
    /// It left the cluster: whatever its agent still says, it is not ready.
    left: bool,
    session: Option<Handle>,
}

struct Handle {
    number: u64,
    wake: Arc<Notify>,
    outbound: Outbound,
}

impl Hub {
    /// Notes a new session; one that the node had before is forgotten and ends by itself. Answers
    /// with what wakes the session when there is something to tell.
    pub fn open(&self, node: NodeId, number: u64, outbound: Outbound, now: Timestamp) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let session = Some(Handle { number, wake: wake.clone(), outbound });
        if let Some(before) = self.nodes().insert(node, Known { last_heard: now, goodbye: false, left: false, session })
            && let Some(session) = before.session
        {
            session.wake.notify_one();
        }
        self.changed.notify_one();
        wake
    }

    /// Whether this is still the node's session.
    pub fn is_current(&self, node: NodeId, number: u64) -> bool {
        self.nodes().get(&node).and_then(|known| known.session.as_ref()).is_some_and(|session| session.number == number)
    }

    /// Notes that a node's agent said something.
    pub fn heard(&self, node: NodeId, now: Timestamp) {
        if let Some(known) = self.nodes().get_mut(&node) {
            known.last_heard = now;
        }
    }

    /// Notes that a node's agent will be back.
    pub fn goodbye(&self, node: NodeId) {
        if let Some(known) = self.nodes().get_mut(&node) {
            known.goodbye = true;
        }
    }

    /// Notes that a node leaves the cluster.
    pub fn leave(&self, node: NodeId) {
        self.set_left(node, true);
    }

    /// Notes that a node stays after all.
    pub fn stay(&self, node: NodeId) {
        self.set_left(node, false);
    }

    fn set_left(&self, node: NodeId, left: bool) {
        if let Some(known) = self.nodes().get_mut(&node) {
            known.left = left;
        }
    }

    /// Notes that a session has ended.
    pub fn close(&self, node: NodeId, number: u64, now: Timestamp) {
        if let Some(known) = self.nodes().get_mut(&node)
            && known.session.as_ref().is_some_and(|session| session.number == number)
        {
            known.session = None;
            known.last_heard = now;
            self.changed.notify_one();
        }
    }

    /// Forgets everything: another manager leads, or this one leads anew.
    pub fn clear(&self) {
        for known in std::mem::take(&mut *self.nodes()).into_values() {
            if let Some(session) = known.session {
                session.wake.notify_one();
            }
        }
    }

    /// Waits until a node has come or gone.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is known of each node but those that left.
    pub fn contacts(&self) -> BTreeMap<NodeId, liveness::Contact> {
        let contact = |known: &Known| liveness::Contact {
            last_heard: Some(known.last_heard),
            connected: known.session.is_some(),
            goodbye: known.goodbye,
        };
        self.nodes().iter().filter(|(_, known)| !known.left).map(|(&node, known)| (node, contact(known))).collect()
    }

    /// The way to say something to a node's agent, if it has a session.
    pub fn outbound(&self, node: NodeId) -> Option<Outbound> {
        self.nodes().get(&node).and_then(|known| known.session.as_ref()).map(|session| session.outbound.clone())
    }

    /// Wakes the sessions that changes of the state concern, until the store is gone.
    pub async fn follow(self, store: Store) {
        let mut events = store.events();
        loop {
            match events.recv().await {
                // A snapshot was taken in: no list of what it changed.
                Ok(batch) if batch.is_empty() => self.wake_all(),
                Ok(batch) => self.wake(&batch),
                Err(RecvError::Lagged(_)) => self.wake_all(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn wake(&self, events: &[Event]) {
        // A node's role and address are told to every agent.
        if events.iter().any(|event| matches!(event.object, ObjectId::Node(_) | ObjectId::Cluster)) {
            return self.wake_all();
        }
        let nodes = self.nodes();
        for node in events.iter().filter_map(|event| event.node) {
            if let Some(session) = nodes.get(&node).and_then(|known| known.session.as_ref()) {
                session.wake.notify_one();
            }
        }
    }

    fn wake_all(&self) {
        for session in self.nodes().values().filter_map(|known| known.session.as_ref()) {
            session.wake.notify_one();
        }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, Known>> {
        // Nothing that panics is done under the lock.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
