//! A node is told of the tasks that were assigned to it, of the networks it takes part in, and of the secrets and configs
//! that these tasks use, and of no others.

use super::{Broken, Kept, named};
use manager_core::{assignments::Assignments, state::State};
use proto::model::{NodeId, TaskState};

/// Looks at what a node is about to be told.
pub fn check(node: NodeId, told: &Assignments, state: &State) -> Kept {
    let is_own = |task: &&std::sync::Arc<proto::model::Task>| {
        task.node == Some(node) && task.status.state >= TaskState::Assigned && state.task(task.id).is_some()
    };
    let takes_part = |id| state.network(id).is_some_and(|network| network.nodes.contains_key(&node));
    if let Some(other) = told.networks.iter().find(|update| !takes_part(update.info.id)) {
        let what = format!("node {} is told of network {}", node.short(6), other.info.name);
        return Err(Broken::new("a_node_gets_only_its_own_tasks", what));
    }
    let is_used = |key: (proto::model::PayloadId, u64)| {
        let uses = |task: &&std::sync::Arc<proto::model::Task>| {
            task.spec.task.container.payloads().any(|(_, used)| (used.payload, used.edition) == key)
        };
        state.tasks_on(node).any(|task| !task.status.state.is_terminal() && uses(&task))
    };
    if let Some(other) = told.payloads.iter().find(|delivery| !is_used(delivery.key)) {
        let what = format!("node {} is told of payload {}", node.short(6), other.key.0);
        return Err(Broken::new("a_node_gets_only_its_own_tasks", what));
    }
    match told.put.iter().find(|task| !is_own(task)) {
        Some(task) => {
            let what = format!("node {} is told of {}", node.short(6), named(task));
            Err(Broken::new("a_node_gets_only_its_own_tasks", what))
        }
        None => Ok(()),
    }
}
