//! How far a service must have come before another one that depends on it is started.

use crate::state::State;
use proto::model::{DesiredState, Service, ServiceMode, SlotKey, StackCondition, StackDependency, TaskState};
use std::collections::BTreeSet;

/// Whether a dependency has come far enough. One that is gone holds nobody up.
pub fn is_met(state: &State, dependency: &StackDependency) -> bool {
    let Some(service) = state.service_named(&dependency.service) else { return true };
    let wanted = wanted(state, service);
    match dependency.condition {
        // A task runs once it is healthy, where that is checked.
        StackCondition::Started => slots(state, service, |task| task >= TaskState::Running) >= wanted,
        StackCondition::Healthy => slots(state, service, |task| task == TaskState::Running) >= wanted,
        StackCondition::Completed => slots(state, service, |task| task == TaskState::Complete) >= wanted,
    }
}

/// What is waited for, in words.
pub fn in_words(dependency: &StackDependency) -> String {
    let name = &dependency.service;
    match dependency.condition {
        StackCondition::Started => format!("service {name} to be started"),
        StackCondition::Healthy => format!("service {name} to be healthy"),
        StackCondition::Completed => format!("service {name} to have done its work"),
    }
}

/// How many places of a service there are to be.
fn wanted(state: &State, service: &Service) -> usize {
    match service.spec.mode {
        ServiceMode::Replicated { replicas } => replicas as usize,
        // As many as there are nodes that fit: at least one, so that it is not thought to be there before it is.
        ServiceMode::Global => {
            let live = state.tasks_of(service.id).filter(|task| task.desired <= DesiredState::Running);
            live.map(|task| task.slot).collect::<BTreeSet<SlotKey>>().len().max(1)
        }
    }
}

/// How many places have a task of the present version in such a state. What failed before it ran was never started.
fn slots(state: &State, service: &Service, is_so: impl Fn(TaskState) -> bool) -> usize {
    let never_ran =
        |task: TaskState| matches!(task, TaskState::Rejected | TaskState::Orphaned | TaskState::Failed);
    let tasks = state.tasks_of(service.id).filter(|task| {
        let observed = task.status.state;
        task.task_version == service.task_version && is_so(observed) && !never_ran(observed)
    });
    tasks.map(|task| task.slot).collect::<BTreeSet<SlotKey>>().len()
}
