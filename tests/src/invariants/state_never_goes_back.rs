//! Versions grow, a task's state and what is wanted of it only go forward, and what a task was made
//! for stays.

use super::{Broken, Kept, Step, named};
use proto::model::{Task, TaskState};
use std::sync::Arc;

const PROMISE: &str = "state_never_goes_back";

/// Looks at what a transaction changed.
pub(super) fn check(step: &Step<'_>) -> Kept {
    if step.after.version() != step.before.version() + 1 {
        let what = format!("version {} follows {}", step.after.version(), step.before.version());
        return Err(Broken::new(PROMISE, what));
    }
    for task in step.tasks() {
        if let Some(before) = step.before.task(task.id) {
            forward(before, task)?;
        }
    }
    for service in step.after.services() {
        let before = step.before.service(service.id);
        if before.is_some_and(|before| {
            service.version < before.version || service.spec_version < before.spec_version
        }) {
            return Err(Broken::new(
                PROMISE,
                format!("an older version of service {} is back", service.spec.name),
            ));
        }
        if before.is_some_and(|before| before.removing && !service.removing) {
            return Err(Broken::new(
                PROMISE,
                format!("service {} is not being removed any more", service.spec.name),
            ));
        }
    }
    Ok(())
}

fn forward(before: &Task, after: &Task) -> Kept {
    let broken =
        |how: &str| Err(Broken::new(PROMISE, format!("{}, {how}: before {}", named(after), named(before))));
    let (from, to) = (before.status.state, after.status.state);
    if to < from {
        return broken("went back");
    }
    if from.is_terminal() && to != from && to != TaskState::Orphaned {
        return broken("ended twice");
    }
    if after.desired < before.desired {
        return broken("is wanted again");
    }
    if from >= TaskState::Assigned && after.node != before.node {
        return broken("has another node");
    }
    if !Arc::ptr_eq(&before.spec, &after.spec)
        || before.task_version != after.task_version
        || before.slot != after.slot
    {
        return broken("is not what it was made for");
    }
    Ok(())
}

/// Looks at what a node records of a task.
pub fn on_a_node(before: &Task, after: &Task) -> Kept {
    let (from, to) = (before.status.state, after.status.state);
    let ends_twice = from.is_terminal() && to != from;
    match to < from || after.desired < before.desired || ends_twice {
        true => Err(Broken::new(PROMISE, format!("on its node {}; before {}", named(after), named(before)))),
        false => Ok(()),
    }
}
