//! What a cluster begins with: itself, its first node, and the ingress network.

use crate::clock::new_id;
use manager_core::{
    ipam,
    state::{Change, State, Transaction},
};
use proto::model::{Cluster, Node};

/// The first transaction of a cluster.
pub(crate) fn founding(cluster: Cluster, node: Node) -> Transaction {
    let made_at = cluster.created_at;
    let mut founding =
        Transaction::of(vec![Change::PutCluster(Box::new(cluster)), Change::PutNode(Box::new(node))]);
    let mut state = State::default();
    // The network keeps clear of the node's address, so it is chosen with the node in place.
    if state.apply(&founding).is_ok() {
        let ingress = ipam::ingress_network(&state, new_id(), made_at);
        founding.changes.extend(ingress.map(|network| Change::PutNetwork(Box::new(network))));
    }
    founding
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::{networks, testing};

    #[test]
    fn a_cluster_has_an_ingress_network_that_keeps_clear_of_what_its_first_node_reaches() {
        let mut node = testing::node(1).data_path("10.0.5.9").build();
        let lan = "10.0.0.0/16".parse().unwrap();
        node.description.as_mut().unwrap().local_subnets = [lan].into();
        let mut state = State::default();
        state.apply(&founding(testing::cluster(), node)).unwrap();
        assert_eq!(networks::ingress(&state).unwrap().ipv4.subnet.to_string(), "10.1.0.0/24");
    }

    #[test]
    fn a_cluster_has_an_ingress_network_that_keeps_clear_of_its_first_node() {
        for (addr, subnet) in [("192.0.2.1", "10.0.0.0/24"), ("10.0.0.9", "10.0.1.0/24")] {
            let node = testing::node(1).data_path(addr).build();
            let mut state = State::default();
            state.apply(&founding(testing::cluster(), node)).unwrap();
            let ingress = networks::ingress(&state).unwrap();
            assert_eq!(ingress.ipv4.subnet.to_string(), subnet);
        }
    }
}
