//! What nodes hold of networks: the ingress network takes every node in, and what is not needed any
//! more is given back.

use crate::{
    Decision,
    ipam::Numbers,
    liveness::ORPHANED_AFTER,
    networks,
    state::{Change, Holder, State},
};
use proto::model::{BLOCK_SIZE, Network, Node, NodeId, NodeLease, NodeState, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Takes every node into the ingress network while a port is published there. Nodes for which no
/// address is left stay outside.
pub(super) fn join_ingress(state: &State, now: Timestamp, decision: &mut Decision) {
    let Some(network) = networks::ingress(state).filter(|_| networks::is_ingress_used(state)) else { return };
    let is_new = |node: &&std::sync::Arc<Node>| {
        !network.nodes.contains_key(&node.id) && networks::hidden_by(network, node).is_none()
    };
    let mut numbers = None;
    for node in state.nodes().filter(is_new).filter(|node| !is_forgotten(node, now)) {
        let numbers = numbers.get_or_insert_with(|| Numbers::of(state, network));
        if let Some(lease) = numbers.join(node.id) {
            let lease = Some(lease);
            decision.propose(None, [Change::SetNodeLease { network: network.id, node: node.id, lease }]);
        }
    }
}

/// Takes back what nodes hold of networks in which they have no task, and blocks of which no number is
/// used. It comes after the scheduler, so that a task that replaces another finds all in place.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    for network in state.networks().filter(|network| !network.nodes.is_empty()) {
        let used = blocks_used(state, network);
        let is_for_all = network.spec.ingress && networks::is_ingress_used(state);
        for (&id, lease) in &network.nodes {
            let stays = is_for_all && state.node(id).is_some_and(|node| stays_for(node, now, &mut decision));
            let needed = match used.get(&id) {
                Some(blocks) => Some(NodeLease { blocks: &lease.blocks & blocks, ..lease.clone() }),
                None if stays => Some(only_router(lease)),
                None => None,
            };
            if needed.as_ref() != Some(lease) {
                let change = Change::SetNodeLease { network: network.id, node: id, lease: needed };
                decision.propose(None, [change]);
            }
        }
    }
    decision
}

/// The blocks in which tasks of a node, or its router, have a number, for each node with tasks.
fn blocks_used(state: &State, network: &Network) -> BTreeMap<NodeId, BTreeSet<u32>> {
    let mut used: BTreeMap<NodeId, BTreeSet<u32>> = BTreeMap::new();
    for (number, holder) in state.held_in(network.id) {
        if let Holder::Task(id) = holder
            && let Some(node) = state.task(id).and_then(|task| task.node)
        {
            used.entry(node).or_default().insert(number / BLOCK_SIZE);
        }
    }
    for (node, blocks) in &mut used {
        blocks.extend(network.nodes.get(node).map(|lease| lease.number / BLOCK_SIZE));
    }
    used
}

fn only_router(lease: &NodeLease) -> NodeLease {
    let mut lease = lease.clone();
    lease.blocks.retain(|&block| block == lease.number / BLOCK_SIZE);
    lease
}

/// Whether a node is to take part in the ingress network; wakes when that may change.
fn stays_for(node: &Node, now: Timestamp, decision: &mut Decision) -> bool {
    if node.status.state == NodeState::Down && !is_forgotten(node, now) {
        decision.wake(node.status.since + ORPHANED_AFTER);
    }
    !is_forgotten(node, now)
}

/// Whether a node was down for so long that its tasks count as lost.
fn is_forgotten(node: &Node, now: Timestamp) -> bool {
    node.status.state == NodeState::Down && node.status.since + ORPHANED_AFTER <= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};
    use std::time::Duration;

    #[test]
    fn a_node_takes_part_in_a_network_as_long_as_a_task_of_its_own_does() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(node(n)));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").replicas(2).network(front));
        bench.settle();
        let members =
            |bench: &Bench| bench.state.network(front).unwrap().nodes.keys().copied().collect::<Vec<_>>();
        assert_eq!(members(&bench), ids);
        bench.drain(ids[0]);
        bench.settle();
        assert_eq!(members(&bench), ids[1..]);
        bench.remove(web);
        bench.settle();
        assert_eq!((members(&bench), bench.state.held_in(front).count()), (vec![], 0));
    }

    #[test]
    fn a_block_of_which_no_number_is_used_is_given_back() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").replicas(20).network(front));
        bench.settle();
        let blocks = |bench: &Bench| bench.state.network(front).unwrap().nodes[&id].blocks.clone();
        assert_eq!(blocks(&bench), [0, 1].into());
        bench.scale(web, 1);
        bench.settle();
        assert_eq!(blocks(&bench), [0].into());
    }

    #[test]
    fn every_node_takes_part_in_the_ingress_network_while_a_port_is_published_there() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(node(n)));
        let web = bench.create(service("web").ingress_port(80));
        bench.settle();
        let members = |bench: &Bench| {
            networks::ingress(&bench.state).unwrap().nodes.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(members(&bench), ids);
        bench.offline.insert(ids[1]);
        bench.run_for(Duration::from_secs(3600));
        assert_eq!(members(&bench), ids, "it may come back");
        bench.run_for(ORPHANED_AFTER);
        bench.pass();
        assert_eq!(members(&bench), ids[..1]);
        bench.offline.clear();
        bench.settle();
        assert_eq!(members(&bench), ids);
        bench.remove(web);
        bench.settle();
        assert_eq!(members(&bench), vec![]);
    }
}
