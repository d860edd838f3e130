//! Applying changes of networks, and of what nodes hold of them.

use super::{Refusal, deleted, put};
use crate::{
    ipam,
    state::{Event, Holder, ObjectId, State},
};
use proto::model::{Network, NetworkId, NodeId, NodeLease};
use std::sync::Arc;

impl State {
    pub(super) fn put_network(&mut self, network: &Network) -> Result<Event, Refusal> {
        let clashes = |other: &&Arc<Network>| other.id != network.id && ipam::clash(other, network);
        if let Some(other) = self.networks().find(clashes) {
            return Err(Refusal::NetworkClash(other.id));
        }
        if let Some(before) = self.network(network.id) {
            let name = before.spec.name.clone();
            self.network_names.remove_mut(&name);
        }
        let nodes = self.network(network.id).map_or_else(Default::default, |known| known.nodes.clone());
        let network = Arc::new(Network { version: self.version, nodes, ..network.clone() });
        let is_new = self.network(network.id).is_none();
        if let Some(cluster) = self.cluster.as_mut().filter(|_| is_new) {
            Arc::make_mut(cluster).last_vni = network.vni;
        }
        let event = put(ObjectId::Network(network.id));
        self.index_network(&network);
        self.networks.insert_mut(network.id, network);
        Ok(event)
    }

    pub(super) fn delete_network(&mut self, id: NetworkId) -> Result<Event, Refusal> {
        let is_held = self.held_in(id).any(|(_, holder)| !matches!(holder, Holder::Node(_)));
        if is_held || self.services_in(id).next().is_some() {
            return Err(Refusal::InUse(ObjectId::Network(id)));
        }
        if let Some(network) = self.network(id).cloned() {
            for (&node, lease) in &network.nodes {
                self.forget_lease(id, node, lease);
            }
            self.network_names.remove_mut(&network.spec.name);
            self.networks.remove_mut(&id);
        }
        Ok(deleted(ObjectId::Network(id)))
    }

    pub(super) fn set_node_lease(
        &mut self,
        id: NetworkId,
        node: NodeId,
        lease: Option<&NodeLease>,
    ) -> Result<Option<Event>, Refusal> {
        let Some(network) = self.network(id) else { return Ok(None) };
        let before = network.nodes.get(&node).cloned();
        if before.as_ref() == lease {
            return Ok(None);
        }
        match lease {
            Some(lease) => self.check_lease(network, node, lease)?,
            None => self.check_unused(id, node)?,
        }
        if let Some(before) = before {
            self.forget_lease(id, node, &before);
        }
        if let Some(lease) = lease {
            self.index_lease(id, node, lease);
        }
        self.change_network(id, |network| {
            match lease {
                Some(lease) => network.nodes.insert(node, lease.clone()),
                None => network.nodes.remove(&node),
            };
        });
        Ok(Some(put(ObjectId::Network(id))))
    }

    fn check_lease(&self, network: &Network, node: NodeId, lease: &NodeLease) -> Result<(), Refusal> {
        if self.node(node).is_none() {
            return Err(Refusal::NotFound(ObjectId::Node(node)));
        }
        self.check_number(network.id, lease.number, Holder::Node(node))?;
        let blocks = ipam::whole_blocks(&network.ipv4.numbers());
        let is_good = |block: u32| {
            blocks.contains(&block)
                && self.blocks.get(&(network.id, block)).is_none_or(|&holder| holder == node)
        };
        match lease.blocks.iter().find(|&&block| !is_good(block)) {
            Some(&block) => Err(Refusal::BlockTaken { network: network.id, block }),
            None => Ok(()),
        }
    }

    /// Refuses to take a node out of a network that one of its tasks is in.
    fn check_unused(&self, network: NetworkId, node: NodeId) -> Result<(), Refusal> {
        let holds = |task: &proto::model::Task| {
            let mut held = task.addresses.iter().filter(|address| address.network == network);
            held.any(|address| self.holder(network, address.number) == Some(Holder::Task(task.id)))
        };
        match self.tasks_on(node).any(|task| holds(task)) {
            true => Err(Refusal::InUse(ObjectId::Network(network))),
            false => Ok(()),
        }
    }

    /// Takes a node that is removed out of every network.
    pub(super) fn give_up_leases_of(&mut self, node: NodeId) {
        let joined =
            self.networks().filter_map(|network| Some((network.id, network.nodes.get(&node)?.clone())));
        for (id, lease) in joined.collect::<Vec<_>>() {
            self.forget_lease(id, node, &lease);
            self.change_network(id, |network| drop(network.nodes.remove(&node)));
        }
    }

    /// Enters a network's name, and what nodes hold of it.
    pub(in crate::state) fn index_network(&mut self, network: &Network) {
        self.network_names.insert_mut(network.spec.name.clone(), network.id);
        for (&node, lease) in &network.nodes {
            self.index_lease(network.id, node, lease);
        }
    }

    /// The network is copied at most once in a transaction, however many of its nodes are changed.
    fn change_network(&mut self, id: NetworkId, change: impl FnOnce(&mut Network)) {
        let version = self.version;
        if let Some(network) = self.networks.get_mut(&id) {
            let network = Arc::make_mut(network);
            change(network);
            network.version = version;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        state::{Change, Transaction},
        testing::{Bench, network_spec, node, service},
    };
    use proto::model::{NetworkAddress, Service, Task};
    use std::collections::BTreeMap;

    /// A cluster with a task in a network, and one that waits.
    fn bench() -> (Bench, NetworkId, Arc<Task>, Arc<Task>) {
        let mut bench = Bench::new();
        bench.add(node(1));
        bench.add(node(2));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").constraint("node.hostname==node-1").network(front));
        let db = bench.create(service("db").constraint("node.hostname==nowhere"));
        bench.settle();
        let (held, waiting) = (bench.live(web)[0].clone(), bench.live(db)[0].clone());
        (bench, front, held, waiting)
    }

    fn refusal(bench: &mut Bench, change: Change) -> Refusal {
        bench.state.apply(&Transaction::of(vec![change])).unwrap_err()
    }

    fn assign(task: &Task, node: u128, network: NetworkId, number: u32) -> Change {
        let addresses = vec![NetworkAddress { network, number }];
        Change::AssignTask { task: task.id, node: NodeId::from_bits(node), at: Default::default(), addresses }
    }

    #[test]
    fn a_number_that_someone_holds_is_given_to_nobody_else() {
        let (mut bench, network, held, waiting) = bench();
        let number = held.addresses[0].number;
        let holder = Holder::Task(held.id);
        let taken = Refusal::NumberTaken { network, number, holder };
        assert_eq!(refusal(&mut bench, assign(&waiting, 1, network, number)), taken);
        let vips = BTreeMap::from([(network, number)]);
        assert_eq!(refusal(&mut bench, Change::SetVips { service: waiting.service, vips }), taken);
        let lease = Some(NodeLease { number, blocks: Default::default() });
        let change = Change::SetNodeLease { network, node: NodeId::from_bits(2), lease };
        assert_eq!(refusal(&mut bench, change), taken);
    }

    #[test]
    fn numbers_that_are_none_and_nodes_outside_of_the_network_are_refused() {
        let (mut bench, network, _, waiting) = bench();
        assert_eq!(
            refusal(&mut bench, assign(&waiting, 1, network, 1)),
            Refusal::NoSuchNumber { network, number: 1 }
        );
        let node = NodeId::from_bits(2);
        assert_eq!(refusal(&mut bench, assign(&waiting, 2, network, 20)), Refusal::NoLease { network, node });
    }

    #[test]
    fn a_block_is_one_nodes_and_lies_in_the_range() {
        let (mut bench, network, ..) = bench();
        for block in [0, 16] {
            let lease = Some(NodeLease { number: 40, blocks: [block].into() });
            let change = Change::SetNodeLease { network, node: NodeId::from_bits(2), lease };
            assert_eq!(refusal(&mut bench, change), Refusal::BlockTaken { network, block });
        }
    }

    #[test]
    fn a_node_stays_in_a_network_as_long_as_a_task_of_its_own_is_there() {
        let (mut bench, network, held, _) = bench();
        let leave = Change::SetNodeLease { network, node: held.node.unwrap(), lease: None };
        assert_eq!(refusal(&mut bench, leave.clone()), Refusal::InUse(ObjectId::Network(network)));
        bench.report(&held, proto::model::TaskState::Failed);
        bench.change(leave);
        assert!(bench.state.network(network).unwrap().nodes.is_empty());
    }

    #[test]
    fn a_service_is_not_written_with_a_network_that_is_gone_and_keeps_the_addresses_it_has() {
        let (mut bench, network, held, _) = bench();
        let known = bench.service(held.service);
        assert!(!known.vips.is_empty());
        let unaware = Service { vips: BTreeMap::new(), ..Service::clone(&known) };
        bench.change(Change::PutService(Box::new(unaware)));
        assert_eq!(bench.service(held.service).vips, known.vips);
        assert_eq!(
            refusal(&mut bench, Change::DeleteNetwork(network)),
            Refusal::InUse(ObjectId::Network(network))
        );
        let spec = service("web").network(NetworkId::from_bits(77)).build();
        let gone = Service { spec: Arc::new(spec), ..Service::clone(&known) };
        assert_eq!(
            refusal(&mut bench, Change::PutService(Box::new(gone))),
            Refusal::NotFound(ObjectId::Network(NetworkId::from_bits(77)))
        );
    }

    #[test]
    fn a_node_that_is_removed_gives_its_leases_back() {
        let (mut bench, network, held, _) = bench();
        bench.remove_node(held.node.unwrap());
        assert!(bench.state.network(network).unwrap().nodes.is_empty());
        let left: Vec<_> = bench.state.held_in(network).map(|(_, holder)| holder).collect();
        assert_eq!(left, [Holder::Service(held.service)]);
        assert_eq!(bench.state.blocks_in(network).count(), 0);
    }
}
