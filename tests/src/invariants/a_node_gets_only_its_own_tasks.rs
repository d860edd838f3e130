//! A node is told of the tasks that were assigned to it and of the networks it takes part in, and of no
//! others.

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
    match told.put.iter().find(|task| !is_own(task)) {
        Some(task) => {
            let what = format!("node {} is told of {}", node.short(6), named(task));
            Err(Broken::new("a_node_gets_only_its_own_tasks", what))
        }
        None => Ok(()),
    }
}
