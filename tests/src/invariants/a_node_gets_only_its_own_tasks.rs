//! A node is told of the tasks that were assigned to it, and of no others.

use super::{Broken, Kept, named};
use manager_core::{assignments::Assignments, state::State};
use proto::model::{NodeId, TaskState};

/// Looks at what a node is about to be told.
pub fn check(node: NodeId, told: &Assignments, state: &State) -> Kept {
    let is_own = |task: &&std::sync::Arc<proto::model::Task>| {
        task.node == Some(node) && task.status.state >= TaskState::Assigned && state.task(task.id).is_some()
    };
    match told.put.iter().find(|task| !is_own(task)) {
        Some(task) => {
            let what = format!("node {} is told of {}", node.short(6), named(task));
            Err(Broken::new("a_node_gets_only_its_own_tasks", what))
        }
        None => Ok(()),
    }
}
