//! A drained node has no tasks left, except of services whose tasks find no other place.

use super::{Broken, Kept, converged, holds_node, named};
use manager_core::state::State;
use proto::model::{Availability, NodeState};

/// Looks at every drained node that is there.
pub(super) fn check(state: &State) -> Kept {
    for node in state.nodes().filter(|node| is_drained(node)) {
        for task in state.tasks_on(node.id).filter(|task| holds_node(task)) {
            let held_up =
                state.service(task.service).is_some_and(|service| converged::is_held_up(state, service));
            if !held_up {
                let what = format!("{}, is on node {}, which is drained", named(task), node.id.short(6));
                return Err(Broken::new("drained_nodes_empty_out", what));
            }
        }
    }
    Ok(())
}

fn is_drained(node: &proto::model::Node) -> bool {
    node.spec.availability == Availability::Drain && node.status.state == NodeState::Ready
}
