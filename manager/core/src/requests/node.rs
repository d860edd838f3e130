//! Updating and removing nodes.

use crate::{
    membership::{self, MembershipError},
    networks,
    state::{Change, Expect, ObjectId, State, Transaction},
};
use proto::model::{Node, NodeId, NodeSpec, Role, Timestamp};
use std::{collections::BTreeSet, net::IpAddr};

/// Says why a node can't be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The version given is not the present one.
    #[error(
        "update out of sequence: node {node} has changed since version {given}; look at it again and repeat"
    )]
    OutOfSequence {
        /// The node.
        node: NodeId,
        /// The version given.
        given: u64,
    },
    /// Containers of a network could not reach it.
    #[error(
        "this node's address {addr} lies in subnet {subnet} of network `{network}`, whose containers could not reach it: join \
         with another one (--advertise-addr, --data-path-addr), or remove the network and create it with another --subnet"
    )]
    Hidden {
        /// Its address.
        addr: IpAddr,
        /// The network's subnet.
        subnet: String,
        /// The network.
        network: String,
    },
    /// Its place in the cluster forbids it.
    #[error(transparent)]
    Membership(#[from] MembershipError),
}

/// Refuses a newcomer that other nodes are to reach by an address of one of the networks.
pub fn check_addresses(state: &State, addrs: impl IntoIterator<Item = IpAddr>) -> Result<(), NodeError> {
    for addr in addrs {
        if let Some(network) = state.networks().find(|network| networks::hides(network, addr)) {
            let ipv6 = network.ipv6.filter(|_| addr.is_ipv6()).map(|pool| pool.subnet.to_string());
            let subnet = ipv6.unwrap_or_else(|| network.ipv4.subnet.to_string());
            return Err(NodeError::Hidden { addr, subnet, network: network.spec.name.to_string() });
        }
    }
    Ok(())
}

/// Updates what people decide about a node, given the managers that can be reached now.
pub fn update(
    state: &State,
    node: &Node,
    version: u64,
    spec: NodeSpec,
    reachable: &BTreeSet<NodeId>,
    now: Timestamp,
) -> Result<Transaction, NodeError> {
    if version != node.version {
        return Err(NodeError::OutOfSequence { node: node.id, given: version });
    }
    match (node.spec.role, spec.role) {
        (Role::Worker, Role::Manager) => membership::check_promotion(state, node)?,
        (Role::Manager, Role::Worker) => membership::check_demotion(state, node, reachable)?,
        (Role::Worker, Role::Worker) | (Role::Manager, Role::Manager) => {}
    }
    let expect = vec![Expect { object: ObjectId::Node(node.id), version }];
    let node = Node { spec, updated_at: now, ..node.clone() };
    Ok(Transaction { expect, changes: vec![Change::PutNode(Box::new(node))] })
}

/// Removes a node, whose tasks give up what they hold: to be proposed in order. Without `force` the
/// node has to be down.
pub fn remove(
    state: &State,
    node: &Node,
    force: bool,
    now: Timestamp,
) -> Result<Vec<Transaction>, NodeError> {
    membership::check_removal(node, force)?;
    Ok(membership::removal(state, node, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_in, node, service};

    #[test]
    fn an_update_with_an_old_version_is_refused() {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let seen = bench.state.node(id).unwrap().clone();
        bench.drain(id);
        let now = bench.state.node(id).unwrap();
        let refused = update(&bench.state, now, seen.version, seen.spec.clone(), &BTreeSet::new(), bench.now);
        assert_eq!(refused, Err(NodeError::OutOfSequence { node: id, given: seen.version }));
    }

    #[test]
    fn a_demotion_is_checked() {
        let mut bench = Bench::new();
        let id = bench.add(node(1).manager());
        let manager = bench.state.node(id).unwrap();
        let spec = NodeSpec { role: Role::Worker, ..manager.spec.clone() };
        let refused = update(&bench.state, manager, manager.version, spec, &BTreeSet::from([id]), bench.now);
        assert_eq!(refused, Err(NodeError::Membership(MembershipError::LastManager("node-1".into()))));
    }

    #[test]
    fn a_newcomer_with_an_address_of_a_network_is_told_what_to_do() {
        let mut bench = Bench::new();
        bench.add_network(network_in("front", "10.9.0.0/24"));
        let check = |addr: &str| check_addresses(&bench.state, [addr.parse().unwrap()]);
        assert_eq!(check("10.9.1.7"), Ok(()));
        let refused = check("10.9.0.7").unwrap_err().to_string();
        assert!(
            refused.starts_with("this node's address 10.9.0.7 lies in subnet 10.9.0.0/24 of network `front`"),
            "{refused}"
        );
    }

    #[test]
    fn a_node_whose_address_has_come_to_lie_in_a_network_gets_no_task_of_it() {
        let mut bench = Bench::new();
        let front = bench.add_network(network_in("front", "10.9.0.0/24"));
        bench.add(node(1).data_path("10.9.0.7"));
        let web = bench.create(service("web").network(front));
        bench.settle();
        let waiting = bench.live(web)[0].status.message.clone();
        assert!(
            waiting.contains("1 has an address in the subnet of network front: change its address"),
            "{waiting}"
        );
        bench.add(node(2));
        bench.settle();
        assert_eq!(bench.states(web), [proto::model::TaskState::Running]);
    }
}
