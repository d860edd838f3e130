//! When a task that gets connections may be stopped: once every node that balances has let go of it.
//!
//! ```text
//! desired: shutdown --> draining in the tables --> each node carries that out and says so --> told to stop
//!                                             '--> a node says nothing for PATIENCE --------'
//! ```
//!
//! Until then its own node is told that it is to run. Nothing of this is stored: a new leader asks anew.

use crate::networks::Tables;
use proto::model::{NodeId, TaskId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long a silent node is waited for. One that is not overloaded answers within milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The tasks that are drained, and which nodes have yet to let go of them.
#[derive(Debug, Default)]
pub struct Drains {
    waits: BTreeMap<TaskId, Wait>,
}

#[derive(Debug)]
struct Wait {
    /// Where the task runs.
    node: NodeId,
    /// The first version of the state in which it drains.
    since: u64,
    until: Timestamp,
    /// Those that have not carried that out.
    nodes: BTreeSet<NodeId>,
}

impl Drains {
    /// Takes in newer tables; only nodes that can answer are waited for.
    pub fn follow(&mut self, tables: &Tables, can_answer: impl Fn(NodeId) -> bool, now: Timestamp) {
        let draining = tables.draining();
        self.waits.retain(|task, _| draining.contains_key(task));
        for (task, drained) in draining {
            self.waits.entry(task).or_insert_with(|| Wait {
                node: drained.node,
                since: tables.version(),
                until: now + PATIENCE,
                nodes: drained.balancers.into_iter().filter(|&node| can_answer(node)).collect(),
            });
        }
    }

    /// Notes that a node's kernel has what it was told of a version; gives the nodes of tasks that may be
    /// stopped now.
    pub fn carried_out(&mut self, node: NodeId, version: u64) -> BTreeSet<NodeId> {
        self.release(node, |wait| wait.since <= version)
    }

    /// Notes that a node's session is over; gives the nodes of tasks that may be stopped now.
    pub fn session_ended(&mut self, node: NodeId) -> BTreeSet<NodeId> {
        self.release(node, |_| true)
    }

    fn release(&mut self, node: NodeId, lets_go: impl Fn(&Wait) -> bool) -> BTreeSet<NodeId> {
        let mut released = BTreeSet::new();
        for wait in self.waits.values_mut().filter(|wait| lets_go(wait)) {
            if wait.nodes.remove(&node) && wait.nodes.is_empty() {
                released.insert(wait.node);
            }
        }
        released
    }

    /// The tasks of a node that must not be stopped yet.
    pub fn held(&self, node: NodeId, now: Timestamp) -> BTreeSet<TaskId> {
        let holds = |wait: &Wait| wait.node == node && !wait.nodes.is_empty() && now < wait.until;
        self.waits.iter().filter(|(_, wait)| holds(wait)).map(|(&task, _)| task).collect()
    }

    /// The nodes that have not let go of a task.
    pub fn silent(&self, task: TaskId) -> impl Iterator<Item = NodeId> {
        self.waits.get(&task).into_iter().flat_map(|wait| &wait.nodes).copied()
    }

    /// When the next task of a node may be stopped, whoever is silent.
    pub fn deadline(&self, node: NodeId) -> Option<Timestamp> {
        let waits = self.waits.values().filter(|wait| wait.node == node && !wait.nodes.is_empty());
        waits.map(|wait| wait.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};

    const NOW: Timestamp = Timestamp(1000);

    /// A service of two tasks on two of three nodes, of which a third has a client in the network; the task
    /// that goes when it is scaled down, and the tables then.
    fn bench() -> (Bench, [NodeId; 3], TaskId, Tables) {
        let mut bench = Bench::new();
        let ids = [1, 2, 3].map(|n| bench.add(node(n)));
        let front = bench.add_network(network_spec("front"));
        bench.create(service("client").global().network(front));
        let web = bench.create(service("web").replicas(2).network(front));
        bench.settle();
        let before: BTreeSet<TaskId> = bench.live(web).iter().map(|task| task.id).collect();
        bench.scale(web, 1);
        bench.pass();
        let draining = bench.tables().draining();
        let task = *draining.keys().next().unwrap();
        assert!(draining.len() == 1 && before.contains(&task));
        let tables = bench.tables();
        (bench, ids, task, tables)
    }

    #[test]
    fn a_task_is_held_until_all_nodes_of_its_networks_have_let_go() {
        let (_, ids, task, tables) = bench();
        let mut drains = Drains::default();
        drains.follow(&tables, |_| true, NOW);
        let its = tables.draining()[&task].node;
        assert_eq!(drains.carried_out(ids[0], tables.version() - 1), BTreeSet::new());
        for id in ids {
            assert_eq!(drains.held(its, NOW), BTreeSet::from([task]));
            let released = drains.carried_out(id, tables.version());
            assert_eq!(released, BTreeSet::from_iter((id == ids[2]).then_some(its)));
        }
        assert!(drains.held(its, NOW).is_empty());
        drains.follow(&tables, |_| true, NOW);
        assert!(drains.held(its, NOW).is_empty(), "it is not begun again");
    }

    #[test]
    fn nodes_without_a_session_are_not_waited_for_and_silent_ones_not_for_ever() {
        let (_, ids, task, tables) = bench();
        let its = tables.draining()[&task].node;
        let mut drains = Drains::default();
        drains.follow(&tables, |node| node != ids[0], NOW);
        drains.carried_out(ids[1], tables.version());
        assert_eq!(drains.deadline(its), Some(NOW + PATIENCE));
        assert_eq!((drains.held(its, NOW).len(), drains.held(its, NOW + PATIENCE).len()), (1, 0));
        assert_eq!(drains.silent(task).collect::<Vec<_>>(), [ids[2]]);
        assert_eq!(drains.session_ended(ids[2]), BTreeSet::from([its]));
        assert_eq!((drains.held(its, NOW).len(), drains.deadline(its)), (0, None));
    }

    #[test]
    fn the_last_task_of_a_service_is_stopped_at_once() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").network(front));
        bench.settle();
        bench.scale(web, 0);
        bench.pass();
        assert!(bench.tables().draining().is_empty(), "nobody else could take its connections");
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let (mut bench, _, _, tables) = bench();
        let mut drains = Drains::default();
        drains.follow(&tables, |_| true, NOW);
        bench.settle();
        drains.follow(&bench.tables(), |_| true, NOW);
        assert!(drains.waits.is_empty());
    }
}
