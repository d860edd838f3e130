//! Agents hold the tasks that the managers have for them and no others, and both know the same of each.

use super::{Broken, Kept, converged, named};
use crate::sim::{World, hosts::Host};
use proto::model::{Task, TaskId, TaskState};
use std::{collections::BTreeMap, sync::Arc};

const PROMISE: &str = "agents_know_what_managers_know";

/// Looks at every machine that has power.
pub(super) fn check(world: &World) -> Kept {
    world.hosts.iter().filter(|host| host.power && !host.left).try_for_each(|host| check_host(world, host))
}

fn check_host(world: &World, host: &Host) -> Kept {
    let broken = |what: String| Err(Broken::new(PROMISE, format!("{}: {what}", host.name)));
    let Some(agent) = host.agent() else { return broken("its daemon does not run".into()) };
    let is_told = |task: &&Arc<Task>| task.status.state >= TaskState::Assigned;
    let told: BTreeMap<TaskId, &Arc<Task>> =
        world.state().tasks_on(host.id).filter(is_told).map(|task| (task.id, task)).collect();
    for (id, _, status) in agent.tasks() {
        let held = agent.task(id).filter(|held| !converged::is_restless(held));
        match (told.get(&id), held) {
            (_, None) => {}
            (None, Some(held)) => {
                return broken(format!("it holds {}, which is not its any more", named(held)));
            }
            (Some(task), Some(held)) => {
                if task.status.state != status.state && task.status.state != TaskState::Orphaned {
                    return broken(format!("the managers have {}, it has {}", named(task), named(held)));
                }
                if host.ledger.get(&id).map(|kept| kept.status.state) != Some(status.state) {
                    return broken(format!("its ledger does not have {}", named(held)));
                }
            }
        }
    }
    let is_missing = |task: &&&Arc<Task>| agent.task(task.id).is_none() && !converged::is_restless(task);
    match told.values().find(is_missing) {
        Some(task) => broken(format!("it does not know {}", named(task))),
        None => Ok(()),
    }
}
