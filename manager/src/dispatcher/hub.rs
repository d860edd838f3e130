//! The sessions that are open, and when each node was last heard.

use super::tables::SharedTables;
use crate::{clock::Clock, store::Store};
use manager_core::{
    liveness,
    networks::Tables,
    state::{Event, ObjectId, State},
};
use proto::{
    model::{NodeId, NodeState, TaskId, Timestamp},
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
        drop(nodes);
        self.changed.notify_one();
        self.wake_nodes(self.tables.session_ended(node));
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
        // One that has not called since this leadership began may be about to.
        let lost: BTreeSet<NodeId> =
            self.nodes().iter().filter(|(_, known)| known.session.is_none()).map(|(&node, _)| node).collect();
        let is_up = |node| state.node(node).is_some_and(|node| node.status.state != NodeState::Down);
        let (tables, concerned) = self.tables.of(state, |node| is_up(node) && !lost.contains(&node), now);
        self.wake_nodes(concerned);
        tables
    }

    /// Notes that a node has carried out what it was told of networks in a version of the state.
    pub fn carried_out(&self, node: NodeId, version: u64) {
        self.wake_nodes(self.tables.carried_out(node, version));
    }

    /// The tasks of a node that must not be stopped yet, and when that is to be looked at again.
    pub fn held(&self, node: NodeId, now: Timestamp) -> (BTreeSet<TaskId>, Option<Timestamp>) {
        self.tables.held(node, now)
    }

    /// The nodes that still balance to a task, though it drains.
    pub fn silent(&self, task: TaskId) -> Vec<NodeId> {
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
        // A node's role and address are told to every agent.
        if events.iter().any(|event| matches!(event.object, ObjectId::Node(_) | ObjectId::Cluster)) {
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
mod tests {
    use super::*;
    use futures::FutureExt;
    use manager_core::testing::{Bench, network_spec, node, service};

    const NODE: NodeId = NodeId::from_bits(1);
    const PERIOD: Duration = Duration::from_secs(1);

    fn opened(hub: &Hub, number: u64) -> Seat {
        hub.open(NODE, number, mpsc::channel(1).0, Timestamp(0))
    }

    fn has_changed(hub: &Hub) -> bool {
        hub.changed().now_or_never().is_some()
    }

    #[test]
    fn a_node_that_calls_again_has_its_old_session_ended_and_keeps_the_new_one() {
        let hub = Hub::default();
        let (old, new) = (opened(&hub, 1), opened(&hub, 2));
        assert!(old.dismissed.is_cancelled() && !new.dismissed.is_cancelled());
        // The old one notices late.
        hub.close(NODE, 1, Timestamp(5));
        assert_eq!(hub.outbound(NODE).map(|(number, _)| number), Some(2));
        assert!(hub.contacts()[&NODE].connected);
    }

    #[test]
    fn a_connection_that_breaks_wakes_the_decisions_and_is_the_last_sign_of_life() {
        let hub = Hub::default();
        opened(&hub, 1);
        assert!(has_changed(&hub) && !has_changed(&hub));
        hub.close(NODE, 1, Timestamp(700));
        assert!(has_changed(&hub));
        let last = liveness::Contact { last_heard: Some(Timestamp(700)), connected: false, goodbye: false };
        assert_eq!(hub.contacts()[&NODE], last);
    }

    #[test]
    fn a_node_that_counts_as_down_is_looked_at_again_when_it_speaks_in_its_old_session() {
        let hub = Hub::default();
        opened(&hub, 1);
        assert!(has_changed(&hub));
        hub.heard(NODE, Timestamp(1000), PERIOD);
        assert!(!has_changed(&hub), "a heartbeat in time changes nothing");
        hub.heard(NODE, Timestamp(5000), PERIOD);
        assert!(has_changed(&hub));
    }

    #[test]
    fn a_goodbye_lasts_until_the_node_is_back() {
        let hub = Hub::default();
        opened(&hub, 1);
        hub.goodbye(NODE);
        hub.close(NODE, 1, Timestamp(1));
        assert!(hub.contacts()[&NODE].goodbye);
        opened(&hub, 2);
        assert!(!hub.contacts()[&NODE].goodbye);
    }

    #[test]
    fn a_node_that_left_is_not_known_until_it_stays_or_calls_again() {
        let hub = Hub::default();
        opened(&hub, 1);
        hub.leave(NODE);
        assert!(hub.contacts().is_empty());
        hub.stay(NODE);
        assert!(hub.contacts().contains_key(&NODE));
    }

    #[test]
    fn the_nodes_of_a_network_are_woken_when_a_task_in_it_changes_on_another_one() {
        let mut bench = Bench::new();
        let ids = [1, 2, 3].map(|n| bench.add(node(n)));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").replicas(2).max_per_node(1).network(front));
        bench.settle();
        let hub = Hub::default();
        hub.tables(&bench.state, Timestamp(0));
        let seats = ids.map(|id| hub.open(id, 1, mpsc::channel(1).0, Timestamp(0)));
        bench.fail_one(web);
        let tables = hub.tables(&bench.state, Timestamp(0));
        let inside: Vec<bool> = ids.iter().map(|&id| tables.of_node(id).count() > 0).collect();
        let woken: Vec<bool> =
            seats.iter().map(|seat| seat.wake.notified().now_or_never().is_some()).collect();
        assert_eq!((inside.iter().filter(|it| **it).count(), woken), (2, inside));
    }

    #[test]
    fn a_new_leadership_begins_without_sessions() {
        let hub = Hub::default();
        let seat = opened(&hub, 1);
        hub.clear();
        assert!(seat.dismissed.is_cancelled() && hub.contacts().is_empty());
        // What the old session still does must not bring it back.
        hub.heard(NODE, Timestamp(1), PERIOD);
        hub.close(NODE, 1, Timestamp(1));
        assert!(hub.contacts().is_empty());
    }
}
