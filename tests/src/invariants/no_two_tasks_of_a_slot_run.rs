//! A slot's place is taken by one task at a time, unless the replacement is to start first.
//!
//! In the state no two tasks that are to run do. On the machines two containers of a slot run at once
//! only if the managers have given the node of the older one up, or have waited in vain for its end
//! for as long as they do.

use super::{Broken, Kept, Step, containers::Containers, named};
use crate::sim::group::EPOCH_MS;
use manager_core::{orchestrator::handover::OLD_TASK_WAIT, state::State};
use proto::model::{
    DesiredState, NodeId, RolloutOrder, ServiceSpec, SlotKey, Task, TaskState, container::STOP_GRACE_PERIOD,
};
use std::{collections::BTreeMap, time::Duration};

const PROMISE: &str = "no_two_tasks_of_a_slot_run";

/// How far the clocks of managers are apart at most.
const CLOCKS_APART: Duration = Duration::from_secs(2);

/// Looks at the slots that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    for id in step.services() {
        let mut seen: BTreeMap<SlotKey, &Task> = BTreeMap::new();
        let is_to_run =
            |task: &&Task| task.desired == DesiredState::Running && task.status.state == TaskState::Running;
        for task in step.after.tasks_of(id).map(AsRef::as_ref).filter(is_to_run) {
            let Some(other) = seen.insert(task.slot, task) else { continue };
            if !may_overlap(step.after, task, other) {
                let what = format!("{}, beside {}", named(task), named(other));
                return Err(Broken::new(PROMISE, what));
            }
        }
    }
    Ok(())
}

fn may_overlap(state: &State, task: &Task, other: &Task) -> bool {
    let starts_first = |spec: &ServiceSpec| {
        spec.update.order == RolloutOrder::StartFirst || spec.rollback.order == RolloutOrder::StartFirst
    };
    let present = state.service(task.service).is_some_and(|service| starts_first(&service.spec));
    present || starts_first(&task.spec) || starts_first(&other.spec)
}

/// Looks at a container that is about to run on a node.
pub(super) fn check_containers(
    containers: &Containers,
    task: &Task,
    node: NodeId,
    now: Duration,
    state: &State,
) -> Kept {
    let same_slot = |other: &Task| (other.service, other.slot) == (task.service, task.slot);
    for running in containers.running().filter(|running| same_slot(&running.task)) {
        let other = &running.task;
        let ((older, on), newer) = match (other.created_at, other.id) < (task.created_at, task.id) {
            true => ((other, running.node), task),
            false => ((task, node), other),
        };
        let given_up = containers.absent_at(on).is_some_and(|at| at + CLOCKS_APART >= since_epoch(older));
        let grace = older.spec.task.container.stop_grace_period.unwrap_or(STOP_GRACE_PERIOD);
        let waited = now + CLOCKS_APART >= since_epoch(newer) + grace + OLD_TASK_WAIT;
        if !given_up && !waited && !may_overlap(state, task, other) {
            let what = format!("the container of {}, starts beside that of {}", named(task), named(other));
            return Err(Broken::new(PROMISE, what));
        }
    }
    Ok(())
}

/// When a task was made, in virtual time.
fn since_epoch(task: &Task) -> Duration {
    Duration::from_millis(u64::try_from(task.created_at.0 - EPOCH_MS).unwrap_or(0))
}
