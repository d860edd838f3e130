//! What runs on the machines is what the managers want to run there, and all of it.

use super::{Broken, Kept, converged, named};
use crate::sim::{World, containers::Container};
use proto::model::{DesiredState, NodeState, TaskState};

const PROMISE: &str = "nothing_else_runs";

/// Looks at every container, and at every task that is said to run.
pub(super) fn check(world: &World) -> Kept {
    let state = world.state();
    for host in &world.hosts {
        for (id, _) in host.containers.iter().filter(|(_, container)| **container == Container::Running) {
            let task = state.task(*id);
            let is_wanted = task.is_some_and(|task| {
                task.desired <= DesiredState::Running
                    && task.node == Some(host.id)
                    && (task.status.state == TaskState::Running || converged::is_restless(task))
            });
            let is_restless = host.ledger.get(id).is_some_and(converged::is_restless);
            if !is_wanted && !is_restless {
                let what = task
                    .map_or_else(|| format!("task {}, which nobody knows", id.short(6)), |task| named(task));
                return Err(Broken::new(PROMISE, format!("{} runs the container of {what}", host.name)));
            }
        }
        let is_heard = state.node(host.id).is_some_and(|node| node.status.state == NodeState::Ready);
        let is_missing = |task: &proto::model::Task| {
            task.status.state == TaskState::Running
                && !converged::is_restless(task)
                && host.containers.get(&task.id) != Some(&Container::Running)
        };
        if let Some(task) = state.tasks_on(host.id).find(|task| is_heard && is_missing(task)) {
            return Err(Broken::new(PROMISE, format!("{} does not run {}", host.name, named(task))));
        }
    }
    Ok(())
}
