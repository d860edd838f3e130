//! The sessions that are open, and when each node was last heard.

use super::tables::SharedTables;
use crate::{clock::Clock, store::Store};
use manager_core::{
    liveness,
    networks::Tables,
    state::{Event, ObjectId, State},
    under_way::Reached,
};
use proto::{
    model::{NodeId, TaskId, Timestamp},
    wire::ManagerMessage,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
    mpsc,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// The way to one agent. The stream's items are results because a stream may end in an error.
pub type Outbound = mpsc::Sender<Result<ManagerMessage, Status>>;

/// Knows every node's session. Clones share it.
#[derive(Clone, Default)]
pub struct Hub {
    nodes: Arc<Mutex<BTreeMap<NodeId, Known>>>,
    /// Told when a node comes or goes, so that the decisions are made anew at once.
    changed: Arc<Notify>,
    tables: SharedTables,
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
    seat: Seat,
    outbound: Outbound,
}

/// What a session hears from the hub.
#[derive(Clone, Default)]
pub struct Seat {
    /// Told when there may be something to tell the agent.
    pub wake: Arc<Notify>,
    /// Cancelled when the session is to end: the node has opened another one, or all are ended.
    pub dismissed: CancellationToken,
}

impl Hub {
    /// Notes a new session; one that the node had before is dismissed.
    pub fn open(&self, node: NodeId, number: u64, outbound: Outbound, now: Timestamp) -> Seat {
        let seat = Seat::default();
        let session = Some(Handle { number, seat: seat.clone(), outbound });
        if let Some(before) =
            self.nodes().insert(node, Known { last_heard: now, goodbye: false, left: false, session })
            && let Some(session) = before.session
        {
            session.seat.dismissed.cancel();
        }
        self.changed.notify_one();
        seat
    }

    /// Notes that a node's agent said something, as it is to do once a period. After a longer silence
    /// the node may count as down, so the decisions are made anew.
    pub fn heard(&self, node: NodeId, now: Timestamp, period: Duration) {
        let mut nodes = self.nodes();
        let Some(known) = nodes.get_mut(&node) else { return };
        if now.since(known.last_heard) > period * 2 {
            self.changed.notify_one();
        }
        known.last_heard = now;
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
        let mut nodes = self.nodes();
        let Some(known) = nodes.get_mut(&node) else { return };
        if known.session.as_ref().is_none_or(|session| session.number != number) {
            return;
        }
        known.session = None;
        known.last_heard = now;
        self.changed.notify_one();
    }

    /// Forgets everything and ends all sessions: another manager leads, this one leads anew, or it stops.
    pub fn clear(&self) {
        self.tables.clear();
        for known in std::mem::take(&mut *self.nodes()).into_values() {
            if let Some(session) = known.session {
                session.seat.dismissed.cancel();
            }
        }
    }

    /// Waits until a node has come or gone, or is heard again after a silence.
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
        self.nodes()
            .iter()
            .filter(|(_, known)| !known.left)
            .map(|(&node, known)| (node, contact(known)))
            .collect()
    }

    /// The number of a node's session, and the way to say something in it; `None` if it has none.
    pub fn outbound(&self, node: NodeId) -> Option<(u64, Outbound)> {
        let nodes = self.nodes();
        let session = nodes.get(&node)?.session.as_ref()?;
        Some((session.number, session.outbound.clone()))
    }

    /// What nodes are to know of networks in a state. If nobody has asked for it yet, the sessions are
    /// woken in which something of it is news.
    pub fn tables(&self, state: &State, now: Timestamp) -> Arc<Tables> {
        let (tables, concerned) = self.tables.of(state, now);
        self.wake_nodes(concerned);
        tables
    }

    /// Notes what a node's kernel has of networks.
    pub fn carried_out(&self, node: NodeId, reached: &Reached) {
        self.wake_nodes(self.tables.carried_out(node, reached));
    }

    /// The tasks of a node that must not be stopped yet, and when that is to be looked at again.
    pub fn held(&self, node: NodeId, now: Timestamp) -> (BTreeSet<TaskId>, Option<Timestamp>) {
        self.tables.held(node, now)
    }

    /// The nodes that still balance to a task, though it drains.
    pub fn silent(&self, task: TaskId) -> BTreeSet<NodeId> {
        self.tables.silent(task)
    }

    /// Wakes the sessions that changes of the state concern, until there are no more changes.
    pub async fn follow(self, store: Store, mut events: broadcast::Receiver<Arc<[Event]>>, clock: Clock) {
        loop {
            match events.recv().await {
                // A snapshot was taken in: no list of what it changed.
                Ok(batch) if batch.is_empty() => self.wake_all(),
                Ok(batch) => self.wake(&batch),
                Err(RecvError::Lagged(_)) => self.wake_all(),
                Err(RecvError::Closed) => return,
            }
            // A task's change concerns the other nodes of its networks as well.
            if self.has_sessions() {
                self.tables(&store.snapshot(), clock.now());
            }
        }
    }

    fn wake(&self, events: &[Event]) {
        // A node's role and address are told to every agent; a content's new edition to all whose tasks use it.
        let concerns_all = |event: &Event| {
            matches!(event.object, ObjectId::Node(_) | ObjectId::Cluster | ObjectId::Payload(_))
        };
        if events.iter().any(concerns_all) {
            return self.wake_all();
        }
        self.wake_nodes(events.iter().filter_map(|event| event.node).collect());
    }

    fn wake_nodes(&self, concerned: BTreeSet<NodeId>) {
        let nodes = self.nodes();
        for node in concerned {
            if let Some(session) = nodes.get(&node).and_then(|known| known.session.as_ref()) {
                session.seat.wake.notify_one();
            }
        }
    }

    fn has_sessions(&self) -> bool {
        self.nodes().values().any(|known| known.session.is_some())
    }

    fn wake_all(&self) {
        for session in self.nodes().values().filter_map(|known| known.session.as_ref()) {
            session.seat.wake.notify_one();
        }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, Known>> {
        // Nothing that panics is done under the lock.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "hub_costs_tests.rs"]
mod costs;

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
