//! Nothing is held by a task that is not wanted any more, unless its node can't be heard.

use super::{Broken, Kept, converged, holds_node, named};
use manager_core::{networks, state::State};
use proto::model::{DesiredState, Network, NodeState, Task, TaskState};

/// Looks at every task that holds something, and at what nodes hold of networks.
pub(super) fn check(state: &State) -> Kept {
    // While a port is published there, the ingress network is for every node.
    let is_for_all = |network: &Network| network.spec.ingress && networks::is_ingress_used(state);
    for network in state.networks().filter(|network| !is_for_all(network)) {
        for &node in network.nodes.keys() {
            let is_here = |task: &Task| task.addresses.iter().any(|address| address.network == network.id);
            if !state.tasks_on(node).any(|task| holds_node(task) && is_here(task)) {
                let what =
                    format!("node {} takes part in network {} for nothing", node.short(6), network.spec.name);
                return Err(Broken::new("no_leases_are_left", what));
            }
        }
    }
    for task in state.tasks().filter(|task| holds_node(task)) {
        let node = task.node.and_then(|node| state.node(node));
        let is_silent = node.is_some_and(|node| node.status.state != NodeState::Ready);
        let is_wanted = task.desired <= DesiredState::Running && node.is_some();
        if !is_wanted && !is_silent && !converged::is_restless(task) {
            let what = format!("{}, still holds its place on its node", named(task));
            return Err(Broken::new("no_leases_are_left", what));
        }
        let is_behind = task.connections_version() > task.status.connections_version;
        if is_wanted && !is_silent && task.status.state == TaskState::Running && is_behind {
            let what = format!("{}, is not connected as it is wanted", named(task));
            return Err(Broken::new("no_leases_are_left", what));
        }
    }
    Ok(())
}
