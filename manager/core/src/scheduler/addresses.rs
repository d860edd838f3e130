//! What networks have left while tasks are placed, and the addresses that they get.

use crate::{
    allocator::no_free_address,
    ipam::Numbers,
    orchestrator::slots::holds_node,
    state::{Change, State},
};
use proto::model::{Network, NetworkAddress, NetworkId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// The numbers of the networks in which tasks were placed so far.
pub(super) struct Addresses<'a> {
    state: &'a State,
    numbers: BTreeMap<NetworkId, Numbers<'a>>,
    /// On each node, the numbers of its tasks that have ended.
    resting: BTreeMap<(NodeId, NetworkId), BTreeSet<u32>>,
}

/// A network that has one number left: none for a node that would have to be taken in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scarce<'a> {
    pub name: &'a str,
    /// The nodes that take part.
    pub members: BTreeSet<NodeId>,
}

impl<'a> Addresses<'a> {
    pub fn new(state: &'a State) -> Self {
        Self { state, numbers: BTreeMap::new(), resting: BTreeMap::new() }
    }

    /// Of some networks those in which not every node can have a task. Fails with what there is to say
    /// if no node can.
    pub fn scarce(&mut self, networks: &[&'a Network]) -> Result<Vec<Scarce<'a>>, String> {
        let mut scarce = Vec::new();
        for network in networks {
            let numbers = self.numbers_of(network);
            match numbers.left() {
                0 => return Err(no_free_address(network)),
                1 if numbers.is_scarce() => {
                    scarce.push(Scarce { name: network.spec.name.as_str(), members: numbers.members() })
                }
                _ => {}
            }
        }
        Ok(scarce)
    }

    /// Leases a number for a task on a node in each of its networks, of which none is scarce there:
    /// the numbers, and what the node holds newly for that.
    pub fn lease(&mut self, node: NodeId, networks: &[&'a Network]) -> (Vec<NetworkAddress>, Vec<Change>) {
        let (mut addresses, mut changes) = (Vec::new(), Vec::new());
        for network in networks {
            let resting = self.resting_on(node, network.id);
            let placed = self.numbers_of(network).place(node, &resting);
            let placed = placed.expect("scarce networks were looked at before the node was chosen");
            addresses.push(NetworkAddress { network: network.id, number: placed.number });
            if let Some(lease) = placed.lease {
                changes.push(Change::SetNodeLease { network: network.id, node, lease: Some(lease) });
            }
        }
        (addresses, changes)
    }

    fn numbers_of(&mut self, network: &'a Network) -> &mut Numbers<'a> {
        self.numbers.entry(network.id).or_insert_with(|| Numbers::of(self.state, network))
    }

    fn resting_on(&mut self, node: NodeId, network: NetworkId) -> BTreeSet<u32> {
        let state = self.state;
        let ended = || {
            let tasks = state.tasks_on(node).filter(|task| !holds_node(task));
            let addresses = tasks.flat_map(|task| &task.addresses);
            addresses.filter(|address| address.network == network).map(|address| address.number).collect()
        };
        self.resting.entry((node, network)).or_insert_with(ended).clone()
    }
}
