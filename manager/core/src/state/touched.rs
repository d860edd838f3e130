//! When what nodes are told of a network may last have changed, so that the other networks need not be
//! looked at again.

use super::State;
use proto::model::{Network, NetworkId, NodeId, ServiceId, Task};
use rpds::RedBlackTreeMapSync as Map;

/// The version of the state at the last change that concerns a network, for each. It is worked out along
/// with the state and is no part of it: states are equal whatever it says.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched(Map<NetworkId, u64>);

impl PartialEq for Touched {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl State {
    /// The version at which a network, or what its nodes, services and tasks have to do with it, last
    /// changed; it may be too high, but not too low.
    pub fn network_changed_at(&self, network: NetworkId) -> u64 {
        let touched = self.touched.0.get(&network).copied();
        // One that nothing has touched since the snapshot was taken in.
        touched.unwrap_or(0).max(self.network(network).map_or(0, |network| network.version))
    }

    pub(super) fn touch(&mut self, network: NetworkId) {
        self.touched.0.insert_mut(network, self.version);
    }

    pub(super) fn touch_all(&mut self) {
        let all: Vec<NetworkId> = self.networks().map(|network| network.id).collect();
        all.into_iter().for_each(|network| self.touch(network));
    }

    /// Notes that a task has changed.
    pub(super) fn touch_networks_of_task(&mut self, task: &Task) {
        task.addresses.iter().for_each(|address| self.touch(address.network));
    }

    /// Notes that a service has changed: the networks it is in, and those that its tasks are in.
    pub(super) fn touch_networks_of_service(&mut self, id: ServiceId) {
        let Some(service) = self.service(id) else { return };
        let uses = self.networks().filter(|network| crate::networks::uses(network, &service.spec));
        let of_tasks = self.tasks_of(id).flat_map(|task| &task.addresses).map(|address| address.network);
        let networks = uses.map(|network| network.id).chain(service.vips.keys().copied()).chain(of_tasks);
        networks.collect::<Vec<_>>().into_iter().for_each(|network| self.touch(network));
    }

    /// Notes that a node has changed.
    pub(super) fn touch_networks_of_node(&mut self, id: NodeId) {
        // Where nodes have no routers it is the tasks that tell which take part.
        let may_be_in =
            |network: &Network| !network.spec.kind.has_routers() || network.nodes.contains_key(&id);
        let joined = self.networks().filter(|network| may_be_in(network));
        joined.map(|network| network.id).collect::<Vec<_>>().into_iter().for_each(|it| self.touch(it));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, network_spec, node, service};
    use proto::model::{NetworkKind, NetworkSpec, TaskState};

    #[test]
    fn a_task_that_changes_concerns_its_own_networks_only() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let [front, back] = ["front", "back"].map(|name| bench.add_network(network_spec(name)));
        let web = bench.create(service("web").network(front));
        bench.create(service("db").network(back));
        bench.settle();
        let at = |bench: &Bench, network| bench.state.network_changed_at(network);
        let before = (at(&bench, front), at(&bench, back));
        bench.report(&bench.live(web)[0].clone(), TaskState::Failed);
        assert_eq!((at(&bench, front), at(&bench, back)), (bench.state.version(), before.1));
        assert!(before.0 < bench.state.version());
    }

    #[test]
    fn a_node_that_changes_concerns_networks_in_which_no_node_has_a_router() {
        let mut bench = Bench::new();
        let changed = bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let local = bench.add_network(NetworkSpec { kind: NetworkKind::Bridge, ..network_spec("local") });
        bench.settle();
        bench.edit_node(changed, |node| node.spec.labels = [("a".to_owned(), "b".to_owned())].into());
        assert_eq!(bench.state.network_changed_at(local), bench.state.version());
        assert!(bench.state.network_changed_at(front) < bench.state.version());
    }
}
