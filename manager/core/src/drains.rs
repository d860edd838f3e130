//! When a task that gets connections may be stopped: once every node that balances has let go of it.
//!
//! ```text
//! desired: shutdown --> draining in the tables --> each node carries that out and says so --> told to stop
//!                                             '--> a node says nothing for PATIENCE --------'
//! ```
//!
//! Until then its own node is told that it is to run. A node lets go network by network: one that can't be
//! carried out there holds up the stops that concern it, and no others. That a session is over says nothing of
//! the node's kernel, which goes on balancing; only a node that counts as down is not waited for.
//! Nothing of this is stored: a new leader asks anew.

use crate::{networks::Tables, under_way::Reached};
use proto::model::{NetworkId, NodeId, TaskId, Timestamp};
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
    /// In which networks each node has let go of it.
    let_go: BTreeSet<(NodeId, NetworkId)>,
    /// Where nodes have not.
    pending: BTreeSet<(NodeId, NetworkId)>,
}

impl Drains {
    /// Takes in newer tables; nodes that are not up are not waited for. Gives the nodes of tasks that nobody is waited
    /// for with.
    pub fn follow(
        &mut self,
        tables: &Tables,
        is_up: impl Fn(NodeId) -> bool,
        now: Timestamp,
    ) -> BTreeSet<NodeId> {
        let draining = tables.draining();
        self.waits.retain(|task, _| draining.contains_key(task));
        let mut released = BTreeSet::new();
        for (task, drained) in draining {
            let wait = self.waits.entry(task).or_insert_with(|| Wait {
                node: drained.node,
                since: tables.version(),
                until: now + PATIENCE,
                let_go: BTreeSet::new(),
                pending: BTreeSet::new(),
            });
            let waited_for = drained.balancers.into_iter().filter(|(node, _)| is_up(*node));
            wait.pending = waited_for.filter(|place| !wait.let_go.contains(place)).collect();
            released.extend(wait.pending.is_empty().then_some(wait.node));
        }
        released
    }

    /// Notes what a node's kernel has; gives the nodes of tasks that may be stopped now.
    pub fn carried_out(&mut self, node: NodeId, reached: &Reached) -> BTreeSet<NodeId> {
        let mut released = BTreeSet::new();
        for wait in self.waits.values_mut().filter(|wait| wait.since <= reached.version) {
            let lets_go =
                |place: &(NodeId, NetworkId)| place.0 == node && !reached.lacking.contains(&place.1);
            let before = wait.let_go.len();
            wait.let_go.extend(wait.pending.extract_if(.., lets_go));
            let is_last = wait.let_go.len() > before && wait.pending.is_empty();
            released.extend(is_last.then_some(wait.node));
        }
        released
    }

    /// The tasks of a node that must not be stopped yet.
    pub fn held(&self, node: NodeId, now: Timestamp) -> BTreeSet<TaskId> {
        let held = self.waits.iter().filter(|(_, wait)| wait.node == node && wait.holds(now));
        held.map(|(&task, _)| task).collect()
    }

    /// The nodes that have not let go of a task.
    pub fn silent(&self, task: TaskId) -> BTreeSet<NodeId> {
        let wait = self.waits.get(&task);
        wait.into_iter().flat_map(|wait| &wait.pending).map(|(node, _)| *node).collect()
    }

    /// When the next task of a node may be stopped, whoever is silent; `None` if none is held.
    pub fn deadline(&self, node: NodeId, now: Timestamp) -> Option<Timestamp> {
        let waits = self.waits.values().filter(|wait| wait.node == node && wait.holds(now));
        waits.map(|wait| wait.until).min()
    }
}

impl Wait {
    fn holds(&self, now: Timestamp) -> bool {
        !self.pending.is_empty() && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};

    const NOW: Timestamp = Timestamp(1000);

    struct Scene {
        bench: Bench,
        nodes: [NodeId; 3],
        networks: [NetworkId; 2],
        /// The task that goes when the service is scaled down, and where it runs.
        task: TaskId,
        its: NodeId,
        /// The tables then.
        tables: Tables,
        drains: Drains,
    }

    impl Scene {
        /// A service of two tasks in two networks, on two of three nodes; all of them have a client in both networks.
        fn new() -> Self {
            let mut bench = Bench::new();
            let nodes = [1, 2, 3].map(|n| bench.add(node(n)));
            let networks = ["front", "back"].map(|name| bench.add_network(network_spec(name)));
            bench.create(service("client").global().network(networks[0]).network(networks[1]));
            let web = service("web").replicas(2).network(networks[0]).network(networks[1]);
            let web = bench.create(web);
            bench.settle();
            bench.scale(web, 1);
            bench.pass();
            let tables = bench.tables();
            let draining = tables.draining();
            assert_eq!(draining.len(), 1);
            let (&task, drained) = draining.first_key_value().unwrap();
            let mut drains = Drains::default();
            drains.follow(&tables, |_| true, NOW);
            Self { bench, nodes, networks, task, its: drained.node, tables, drains }
        }

        fn carried_out(&mut self, node: NodeId, lacking: &[NetworkId]) -> BTreeSet<NodeId> {
            let lacking = lacking.iter().copied().collect();
            self.drains.carried_out(node, &Reached { version: self.tables.version(), lacking })
        }

        fn is_held(&self, now: Timestamp) -> bool {
            let held = self.drains.held(self.its, now);
            assert!(held.is_empty() || held == BTreeSet::from([self.task]));
            assert_eq!(self.drains.deadline(self.its, now), (!held.is_empty()).then_some(NOW + PATIENCE));
            !held.is_empty()
        }
    }

    #[test]
    fn a_task_is_held_until_all_nodes_of_its_networks_have_let_go() {
        let mut scene = Scene::new();
        let before = Reached { version: scene.tables.version() - 1, ..Reached::default() };
        for id in scene.nodes {
            assert!(scene.is_held(NOW));
            assert_eq!(scene.drains.carried_out(id, &before), BTreeSet::new(), "it does not know of it");
            let released = scene.carried_out(id, &[]);
            assert_eq!(released, BTreeSet::from_iter((id == scene.nodes[2]).then_some(scene.its)));
        }
        assert!(!scene.is_held(NOW));
        scene.drains.follow(&scene.tables, |_| true, NOW);
        assert!(!scene.is_held(NOW), "it is not begun again");
    }

    #[test]
    fn a_network_that_a_node_cannot_carry_out_is_waited_for_and_no_other() {
        let mut scene = Scene::new();
        let (nodes, [front, back]) = (scene.nodes, scene.networks);
        nodes.iter().skip(1).for_each(|&node| drop(scene.carried_out(node, &[])));
        scene.carried_out(nodes[0], &[front]);
        assert!(scene.is_held(NOW));
        assert_eq!(scene.carried_out(nodes[0], &[back]), BTreeSet::from([scene.its]), "it had that before");
        assert!(!scene.is_held(NOW));
        let elsewhere = NetworkId::from_bits(99);
        let mut scene = Scene::new();
        scene.nodes.into_iter().for_each(|node| drop(scene.carried_out(node, &[elsewhere])));
        assert!(!scene.is_held(NOW));
    }

    #[test]
    fn a_node_that_is_down_is_not_waited_for_and_a_silent_one_not_for_ever() {
        let mut scene = Scene::new();
        scene.carried_out(scene.nodes[1], &[]);
        let down = scene.nodes[0];
        assert_eq!(scene.drains.follow(&scene.tables, |node| node != down, NOW), BTreeSet::new());
        assert_eq!(scene.drains.silent(scene.task), BTreeSet::from([scene.nodes[2]]));
        assert!(scene.is_held(NOW) && !scene.is_held(NOW + PATIENCE));
        let released = scene.drains.follow(&scene.tables, |node| node == scene.nodes[1], NOW);
        assert_eq!(released, BTreeSet::from([scene.its]));
        assert!(!scene.is_held(NOW));
    }

    #[test]
    fn a_node_that_comes_back_with_what_it_had_is_waited_for_after_all() {
        let mut scene = Scene::new();
        assert_eq!(scene.drains.follow(&scene.tables, |_| false, NOW), BTreeSet::from([scene.its]));
        assert!(!scene.is_held(NOW) && scene.drains.silent(scene.task).is_empty());
        assert_eq!(scene.drains.follow(&scene.tables, |_| true, NOW), BTreeSet::new());
        assert!(scene.is_held(NOW) && !scene.is_held(NOW + PATIENCE));
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
        let mut scene = Scene::new();
        scene.bench.settle();
        scene.drains.follow(&scene.bench.tables(), |_| true, NOW);
        assert!(scene.drains.waits.is_empty());
    }
}
