//! Membership: which nodes may be promoted, demoted or removed, and which managers vote.
//!
//! A node's role is what people want; the consensus group follows. A change of roles is refused if it
//! would leave the group without a majority that can be reached, because nothing could be changed any
//! more after that, this mistake included.

use crate::{
    decision::CHANGES_MAX,
    liveness,
    state::{Change, Expect, ObjectId, State, Transaction},
};
use proto::model::{Node, NodeId, NodeState, Role, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Says why a node's membership can't be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Nobody would be left to hold the state.
    #[error("node {0} is the last manager: promote another node first (`shoal node promote`)")]
    LastManager(String),
    /// Fewer managers than a majority would be reachable.
    #[error(
        "without node {node} there would be {left} managers of which only {reachable} can be reached, and {needed} are needed: bring the others back first, or demote one that can't be reached"
    )]
    QuorumLost {
        /// The node, as people know it.
        node: String,
        /// The managers left.
        left: usize,
        /// How many of these can be reached.
        reachable: usize,
        /// A majority of them.
        needed: usize,
    },
    /// It holds the state.
    #[error("node {0} is a manager: demote it first (`shoal node demote {0}`)")]
    IsManager(String),
    /// It was demoted, and is still leaving the consensus group.
    #[error("node {0} is still leaving the managers: try again in a moment")]
    IsLeaving(String),
    /// It may still run tasks.
    #[error(
        "node {0} is not down: run `shoal swarm leave` on it first, or remove it anyway with `shoal node rm --force {0}`"
    )]
    NotDown(String),
    /// Its program is too old to hold the state.
    #[error("node {node} runs a version of shoal that is too old to be a manager here: upgrade it first")]
    TooOld {
        /// The node, as people know it.
        node: String,
    },
    /// Nothing is known of its program.
    #[error("node {0} has not registered yet: start shoal on it first")]
    NeverRegistered(String),
}

/// What people call a node: its host name, or its id before that is known.
fn name_of(node: &Node) -> String {
    let hostname = node.description.as_ref().map(|said| said.hostname.clone());
    hostname.filter(|hostname| !hostname.is_empty()).unwrap_or_else(|| node.id.to_string())
}

/// Whether a worker may become a manager.
pub fn check_promotion(state: &State, node: &Node) -> Result<(), MembershipError> {
    let description =
        node.description.as_ref().ok_or_else(|| MembershipError::NeverRegistered(name_of(node)))?;
    let needed = state.cluster().map_or(0, |cluster| cluster.feature_level);
    match description.feature_level < needed {
        true => Err(MembershipError::TooOld { node: name_of(node) }),
        false => Ok(()),
    }
}

/// Whether a manager may become a worker, given the managers that can be reached now.
pub fn check_demotion(
    state: &State,
    node: &Node,
    reachable: &BTreeSet<NodeId>,
) -> Result<(), MembershipError> {
    let others: Vec<NodeId> = managers(state).map(|manager| manager.id).filter(|&id| id != node.id).collect();
    if others.is_empty() {
        return Err(MembershipError::LastManager(name_of(node)));
    }
    let (left, needed) = (others.len(), others.len() / 2 + 1);
    let reachable = others.iter().filter(|id| reachable.contains(id)).count();
    match reachable < needed {
        true => Err(MembershipError::QuorumLost { node: name_of(node), left, reachable, needed }),
        false => Ok(()),
    }
}

/// Whether a node may be removed.
pub fn check_removal(node: &Node, force: bool) -> Result<(), MembershipError> {
    if node.spec.role == Role::Manager {
        return Err(MembershipError::IsManager(name_of(node)));
    }
    if node.manager.is_some() {
        return Err(MembershipError::IsLeaving(name_of(node)));
    }
    match node.status.state != NodeState::Down && !force {
        true => Err(MembershipError::NotDown(name_of(node))),
        false => Ok(()),
    }
}

/// Gives up the tasks of a node that left and stops them itself: to be proposed in order.
pub fn departure(state: &State, node: &Node, now: Timestamp) -> Vec<Transaction> {
    in_parts(orphans(state, node, "its node left the cluster", now))
}

/// Removes a node, whose tasks give up what they hold: to be proposed in order.
pub fn removal(state: &State, node: &Node, now: Timestamp) -> Vec<Transaction> {
    let mut changes = orphans(state, node, "its node was removed", now);
    changes.push(Change::DeleteNode(node.id));
    let mut transactions = in_parts(changes);
    // Somebody may promote it at the same time.
    if let Some(first) = transactions.first_mut() {
        first.expect.push(Expect { object: ObjectId::Node(node.id), version: node.version });
    }
    transactions
}

fn orphans(state: &State, node: &Node, message: &str, now: Timestamp) -> Vec<Change> {
    let unended = state.tasks_on(node.id).filter(|task| !task.status.state.is_terminal());
    unended.map(|task| liveness::orphan(task, message, now)).collect()
}

fn in_parts(changes: Vec<Change>) -> Vec<Transaction> {
    changes.chunks(CHANGES_MAX).map(|part| Transaction::of(part.to_vec())).collect()
}

/// The managers that the consensus group is to consist of: raft ids and addresses, by node. A manager
/// whose agent has not told its address yet is not among them.
pub fn desired_voters(state: &State) -> BTreeMap<NodeId, (u64, String)> {
    managers(state)
        .filter_map(|node| {
            let manager = node.manager.as_ref()?;
            Some((node.id, (manager.raft_id, manager.addr.clone())))
        })
        .collect()
}

fn managers(state: &State) -> impl Iterator<Item = &Node> {
    state.nodes().map(AsRef::as_ref).filter(|node| node.spec.role == Role::Manager)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service};
    use proto::model::TaskState;
    use proto::model::cluster::FEATURE_LEVEL;

    fn managers_bench(count: u32) -> (Bench, Vec<NodeId>) {
        let mut bench = Bench::new();
        let ids = (1..=count).map(|n| bench.add(node(n).manager())).collect();
        (bench, ids)
    }

    fn demote(bench: &Bench, node: NodeId, reachable: &[NodeId]) -> Result<(), MembershipError> {
        check_demotion(&bench.state, bench.state.node(node).unwrap(), &reachable.iter().copied().collect())
    }

    #[test]
    fn the_last_manager_stays() {
        let (bench, ids) = managers_bench(1);
        assert_eq!(demote(&bench, ids[0], &ids), Err(MembershipError::LastManager("node-1".into())));
    }

    #[test]
    fn a_demotion_that_loses_the_majority_is_refused() {
        let (bench, ids) = managers_bench(3);
        assert_eq!(demote(&bench, ids[0], &ids), Ok(()));
        let refused = demote(&bench, ids[0], &ids[..2]).unwrap_err();
        assert_eq!(
            refused,
            MembershipError::QuorumLost { node: "node-1".into(), left: 2, reachable: 1, needed: 2 }
        );
        // The one that can't be reached may go.
        assert_eq!(demote(&bench, ids[2], &ids[..2]), Ok(()));
    }

    #[test]
    fn a_node_with_too_old_a_program_is_not_promoted() {
        let mut bench = Bench::new();
        let old = bench.add(node(1));
        bench.edit_cluster(|cluster| cluster.feature_level = FEATURE_LEVEL + 1);
        let refused = check_promotion(&bench.state, bench.state.node(old).unwrap());
        assert_eq!(refused, Err(MembershipError::TooOld { node: "node-1".into() }));
    }

    #[test]
    fn only_a_worker_that_is_down_is_removed_without_force() {
        let (mut bench, managers) = managers_bench(1);
        let worker = bench.add(node(2));
        let check = |id, force| check_removal(bench.state.node(id).unwrap(), force);
        assert_eq!(check(managers[0], true), Err(MembershipError::IsManager("node-1".into())));
        assert_eq!(check(worker, false), Err(MembershipError::NotDown("node-2".into())));
        assert_eq!(check(worker, true), Ok(()));
    }

    #[test]
    fn a_removed_node_releases_what_its_tasks_held() {
        let mut bench = Bench::new();
        let first = bench.add(node(1));
        let web = bench.create(service("web").replicas(1).host_port(80));
        bench.settle();
        for transaction in removal(&bench.state, bench.state.node(first).unwrap(), bench.now) {
            bench.apply(&transaction);
        }
        assert!(bench.state.node(first).is_none());
        bench.add(node(2));
        bench.settle();
        let mut states = bench.states(web);
        states.sort();
        assert_eq!(states, [TaskState::Running, TaskState::Orphaned]);
    }

    #[test]
    fn a_node_that_left_runs_nothing_and_its_tasks_are_made_elsewhere() {
        let mut bench = Bench::new();
        let first = bench.add(node(1));
        let web = bench.create(service("web").replicas(1));
        bench.settle();
        bench.edit_node(first, |node| node.status.state = NodeState::Down);
        for transaction in departure(&bench.state, bench.state.node(first).unwrap(), bench.now) {
            bench.apply(&transaction);
        }
        assert_eq!(bench.states(web), [TaskState::Orphaned]);
        bench.add(node(2));
        bench.settle();
        assert!(bench.states(web).contains(&TaskState::Running));
    }

    #[test]
    fn managers_vote_once_their_address_is_known() {
        let (mut bench, ids) = managers_bench(2);
        bench.edit_node(ids[1], |node| node.manager = None);
        assert_eq!(desired_voters(&bench.state).into_keys().collect::<Vec<_>>(), [ids[0]]);
    }
}
