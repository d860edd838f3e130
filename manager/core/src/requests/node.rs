//! Updating and removing nodes.

use crate::{
    membership::{self, MembershipError},
    state::{Change, Expect, ObjectId, State, Transaction},
};
use proto::model::{Node, NodeId, NodeSpec, Role, Timestamp};
use std::collections::BTreeSet;

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
    /// Its place in the cluster forbids it.
    #[error(transparent)]
    Membership(#[from] MembershipError),
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
    use crate::testing::{Bench, node};

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
}
