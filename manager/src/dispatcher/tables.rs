//! What nodes know of networks, and which tasks are held until they do; worked out once for each state,
//! whatever the number of sessions.

use manager_core::{drains::Drains, networks::Tables, state::State};
use proto::model::{NodeId, TaskId, Timestamp};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The tables of the newest state that was looked at, and how far nodes are with them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTables(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    newest: Arc<Tables>,
    drains: Drains,
}

impl SharedTables {
    /// The tables of a state, and the nodes to which something of them is news, which are named only to
    /// whoever looks at the state first.
    pub fn of(
        &self,
        state: &State,
        can_answer: impl Fn(NodeId) -> bool,
        now: Timestamp,
    ) -> (Arc<Tables>, BTreeSet<NodeId>) {
        let mut shared = self.lock();
        if shared.newest.version() == state.version() {
            return (shared.newest.clone(), BTreeSet::new());
        }
        let tables = Arc::new(shared.newest.next(state));
        // Whoever looks at an older state is woken anyway to look at the newer one.
        if tables.version() < shared.newest.version() {
            return (tables, BTreeSet::new());
        }
        let concerned = tables.concerned(&shared.newest);
        shared.drains.follow(&tables, can_answer, now);
        shared.newest = tables.clone();
        (tables, concerned)
    }

    /// Forgets how far nodes are, and so all the rest.
    pub fn clear(&self) {
        *self.lock() = Shared::default();
    }

    /// Notes that a node has carried out what it was told of a version; gives the nodes that have news.
    pub fn carried_out(&self, node: NodeId, version: u64) -> BTreeSet<NodeId> {
        self.lock().drains.carried_out(node, version)
    }

    /// Notes that a node's session is over; gives the nodes that have news.
    pub fn session_ended(&self, node: NodeId) -> BTreeSet<NodeId> {
        self.lock().drains.session_ended(node)
    }

    /// The tasks of a node that must not be stopped yet, and when that is to be looked at again.
    pub fn held(&self, node: NodeId, now: Timestamp) -> (BTreeSet<TaskId>, Option<Timestamp>) {
        let shared = self.lock();
        (shared.drains.held(node, now), shared.drains.deadline(node))
    }

    /// The nodes that have not let go of a task.
    pub fn silent(&self, task: TaskId) -> Vec<NodeId> {
        self.lock().drains.silent(task).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic leaves what was there before, from which all else can be worked out.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_spec, node, service};

    fn of(shared: &SharedTables, state: &State) -> (Arc<Tables>, BTreeSet<NodeId>) {
        shared.of(state, |_| true, Timestamp(0))
    }

    #[test]
    fn who_has_to_be_told_is_named_once_and_an_older_state_takes_nothing_back() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let before = bench.state.clone();
        let front = bench.add_network(network_spec("front"));
        bench.create(service("web").network(front));
        bench.settle();
        let shared = SharedTables::default();
        let (tables, concerned) = of(&shared, &bench.state);
        assert_eq!((tables.of_node(id).count(), concerned), (1, BTreeSet::from([id])));
        assert_eq!(of(&shared, &bench.state).1, BTreeSet::new());
        let (older, concerned) = of(&shared, &before);
        assert_eq!((older.of_node(id).count(), concerned), (0, BTreeSet::new()));
        assert!(Arc::ptr_eq(&of(&shared, &bench.state).0, &tables));
    }

    #[test]
    fn a_task_that_drains_is_held_until_its_nodes_answer_and_anew_under_a_new_leader() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").replicas(2).network(front));
        bench.settle();
        bench.scale(web, 1);
        bench.pass();
        let shared = SharedTables::default();
        let version = of(&shared, &bench.state).0.version();
        let held = || shared.held(id, Timestamp(0)).0.len();
        assert_eq!(held(), 1);
        assert_eq!(shared.carried_out(id, version), BTreeSet::from([id]));
        assert_eq!(held(), 0);
        shared.clear();
        of(&shared, &bench.state);
        assert_eq!(held(), 1);
    }
}
