//! What nodes are to know of networks under one leadership, and which tasks are held until they do.

use crate::{drains::Drains, networks::Tables, state::State, under_way::Reached};
use proto::model::{NodeId, NodeState, TaskId, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

/// The tables of the newest state that was looked at, and how far nodes are with them.
#[derive(Debug, Default)]
pub struct NetworkNews {
    newest: Arc<Tables>,
    drains: Drains,
}

impl NetworkNews {
    /// The tables of a state, and the nodes to which something of them is news, which are named only to
    /// whoever looks at the state first.
    pub fn follow(&mut self, state: &State, now: Timestamp) -> (Arc<Tables>, BTreeSet<NodeId>) {
        if self.newest.version() == state.version() {
            return (self.newest.clone(), BTreeSet::new());
        }
        let tables = Arc::new(self.newest.next(state));
        // Whoever looks at an older state is woken anyway to look at the newer one.
        if tables.version() < self.newest.version() {
            return (tables, BTreeSet::new());
        }
        let mut concerned = tables.concerned(&self.newest);
        let is_up = |node| state.node(node).is_some_and(|node| node.status.state != NodeState::Down);
        concerned.extend(self.drains.follow(&tables, is_up, now));
        self.newest = tables.clone();
        (tables, concerned)
    }

    /// Notes what a node's kernel has; gives the nodes that have news.
    pub fn carried_out(&mut self, node: NodeId, reached: &Reached) -> BTreeSet<NodeId> {
        self.drains.carried_out(node, reached)
    }

    /// The tasks of a node that must not be stopped yet, and when that is to be looked at again.
    pub fn held(&self, node: NodeId, now: Timestamp) -> (BTreeSet<TaskId>, Option<Timestamp>) {
        (self.drains.held(node, now), self.drains.deadline(node, now))
    }

    /// The nodes that have not let go of a task.
    pub fn silent(&self, task: TaskId) -> BTreeSet<NodeId> {
        self.drains.silent(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};

    const NOW: Timestamp = Timestamp(0);

    #[test]
    fn who_has_to_be_told_is_named_once_and_an_older_state_takes_nothing_back() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let before = bench.state.clone();
        let front = bench.add_network(network_spec("front"));
        bench.create(service("web").network(front));
        bench.settle();
        let mut news = NetworkNews::default();
        let (tables, concerned) = news.follow(&bench.state, NOW);
        assert_eq!((tables.of_node(id).count(), concerned), (1, BTreeSet::from([id])));
        assert_eq!(news.follow(&bench.state, NOW).1, BTreeSet::new());
        let (older, concerned) = news.follow(&before, NOW);
        assert_eq!((older.of_node(id).count(), concerned), (0, BTreeSet::new()));
        assert!(Arc::ptr_eq(&news.follow(&bench.state, NOW).0, &tables));
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
        let held = |news: &NetworkNews| news.held(id, NOW).0.len();
        for _leader in 0..2 {
            let mut news = NetworkNews::default();
            let version = news.follow(&bench.state, NOW).0.version();
            assert_eq!(held(&news), 1);
            let reached = Reached { version, ..Reached::default() };
            assert_eq!(news.carried_out(id, &reached), BTreeSet::from([id]));
            assert_eq!(held(&news), 0);
        }
    }
}
