//! Which members the consensus group is to lose, and whom it may take in.

use crate::raft::RaftId;
use manager_core::state::State;
use proto::model::{Node, NodeId, Role};
use std::collections::{BTreeMap, BTreeSet};

/// The members of the consensus group, voters and learners, and their nodes.
pub type Members = BTreeMap<RaftId, NodeId>;

/// Says why a manager is not taken into the group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewcomerError {
    /// It is to be a worker.
    #[error("this node was demoted meanwhile")]
    Demoted,
    /// Two members with one number would vote for each other.
    #[error("another manager, node {0}, has this number in the group already")]
    NumberTaken(NodeId),
}

/// Whether a node may enter the group under this number.
pub fn check_newcomer(
    state: &State,
    members: &Members,
    node: &Node,
    id: RaftId,
) -> Result<(), NewcomerError> {
    if node.spec.role != Role::Manager {
        return Err(NewcomerError::Demoted);
    }
    let of_state =
        state.nodes().find(|other| other.manager.as_ref().is_some_and(|manager| manager.raft_id == id));
    let owner = of_state.map(|owner| owner.id).or_else(|| members.get(&id).copied());
    match owner.filter(|&owner| owner != node.id) {
        Some(owner) => Err(NewcomerError::NumberTaken(owner)),
        None => Ok(()),
    }
}

/// The members that are to go: those whose nodes are removed or are to be workers, and numbers that a
/// node had before its present one. The member `me` comes last, so that there is someone to finish the
/// others.
///
/// A manager that is not in the state's list yet is one that is just being taken in, and stays.
pub fn leavers(state: &State, members: &Members, me: RaftId) -> Vec<(RaftId, NodeId)> {
    if state.cluster().is_none() {
        // It is just being made: the group is there before the state is.
        return Vec::new();
    }
    let goes = |id: RaftId, node: NodeId| match state.node(node) {
        None => true,
        Some(node) if node.spec.role == Role::Worker => true,
        Some(node) => node.manager.as_ref().is_some_and(|manager| manager.raft_id != id),
    };
    let of_state = state.nodes().filter_map(|node| Some((node.manager.as_ref()?.raft_id, node.id)));
    let of_group = members.iter().map(|(&id, &node)| (id, node));
    let leaving: BTreeSet<_> = of_state.chain(of_group).filter(|&(id, node)| goes(id, node)).collect();
    let (own, mut others): (Vec<_>, Vec<_>) = leaving.into_iter().partition(|&(id, _)| id == me);
    others.extend(own);
    others
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::{
        state::{Change, Transaction},
        testing::{cluster, node},
    };
    use proto::model::ManagerStatus;

    const ONE: NodeId = NodeId::from_bits(1);
    const TWO: NodeId = NodeId::from_bits(2);
    const THREE: NodeId = NodeId::from_bits(3);

    /// A state of nodes, each with its role and its number in the group.
    fn state(nodes: &[(u32, Role, Option<RaftId>)]) -> State {
        let put = |&(number, role, id): &(u32, Role, Option<RaftId>)| {
            let mut node = node(number).build();
            node.spec.role = role;
            node.manager = id.map(|raft_id| ManagerStatus { raft_id, addr: "10.0.0.1:2377".into() });
            Change::PutNode(Box::new(node))
        };
        let mut state = State::default();
        let cluster = Change::PutCluster(Box::new(cluster()));
        state.apply(&Transaction::of(nodes.iter().map(put).chain([cluster]).collect())).unwrap();
        state
    }

    #[test]
    fn managers_stay_and_the_one_being_taken_in_as_well() {
        let state = state(&[(1, Role::Manager, Some(11)), (2, Role::Manager, None)]);
        assert_eq!(leavers(&state, &[(11, ONE), (12, TWO)].into(), 11), []);
    }

    #[test]
    fn a_cluster_that_is_just_being_made_does_not_lose_its_first_manager() {
        assert_eq!(leavers(&State::default(), &[(11, ONE)].into(), 11), []);
    }

    #[test]
    fn a_demoted_leader_goes_last() {
        let state =
            state(&[(1, Role::Worker, Some(11)), (2, Role::Worker, Some(12)), (3, Role::Manager, Some(13))]);
        let members = [(11, ONE), (12, TWO), (13, THREE)].into();
        assert_eq!(leavers(&state, &members, 11), [(12, TWO), (11, ONE)]);
    }

    #[test]
    fn a_join_that_failed_half_way_leaves_no_member_behind() {
        // It left again, or people removed it, before the state listed it among the managers.
        let left = state(&[(1, Role::Manager, Some(11)), (2, Role::Worker, None)]);
        assert_eq!(leavers(&left, &[(11, ONE), (12, TWO)].into(), 11), [(12, TWO)]);
        let removed = state(&[(1, Role::Manager, Some(11))]);
        assert_eq!(leavers(&removed, &[(11, ONE), (12, TWO)].into(), 11), [(12, TWO)]);
    }

    #[test]
    fn a_node_that_was_promoted_anew_loses_the_vote_of_its_old_number() {
        let state = state(&[(1, Role::Manager, Some(11)), (2, Role::Manager, Some(22))]);
        assert_eq!(leavers(&state, &[(11, ONE), (12, TWO), (22, TWO)].into(), 11), [(12, TWO)]);
    }

    #[test]
    fn a_demoted_manager_that_the_group_has_lost_already_is_still_struck_off_the_state() {
        let state = state(&[(1, Role::Manager, Some(11)), (2, Role::Worker, Some(12))]);
        assert_eq!(leavers(&state, &[(11, ONE)].into(), 11), [(12, TWO)]);
    }

    #[test]
    fn nobody_enters_under_the_number_of_another_manager() {
        let state = state(&[(1, Role::Manager, Some(11)), (2, Role::Manager, None)]);
        let newcomer = state.node(TWO).unwrap();
        let check = |members: Members, id| check_newcomer(&state, &members, newcomer, id);
        assert_eq!(check([(11, ONE)].into(), 12), Ok(()));
        assert_eq!(check([(11, ONE), (12, TWO)].into(), 12), Ok(()), "asking again does no harm");
        assert_eq!(check([(11, ONE)].into(), 11), Err(NewcomerError::NumberTaken(ONE)));
        assert_eq!(check([(11, ONE), (13, THREE)].into(), 13), Err(NewcomerError::NumberTaken(THREE)));
    }

    #[test]
    fn a_worker_is_not_taken_in() {
        let state = state(&[(2, Role::Worker, None)]);
        let refused = check_newcomer(&state, &Members::new(), state.node(TWO).unwrap(), 12);
        assert_eq!(refused, Err(NewcomerError::Demoted));
    }
}
