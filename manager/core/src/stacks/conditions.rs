//! How far a service must have come before another one that depends on it is started.

use crate::state::State;
use proto::model::{
    DesiredState, Service, ServiceMode, SlotKey, StackCondition, StackDependency, TaskState, TaskStatus,
};
use std::collections::BTreeSet;

/// Whether a dependency has come far enough. One that is gone holds nobody up.
pub fn is_met(state: &State, dependency: &StackDependency) -> bool {
    let Some(service) = state.service_named(&dependency.service) else { return true };
    let wanted = wanted(state, service);
    let has_begun = |status: &TaskStatus| {
        // Only a container that was started can be asked how it is.
        let is_asked = status.state == TaskState::Starting && status.health.is_some();
        is_asked || status.state >= TaskState::Running
    };
    let is_healthy = |status: &TaskStatus| status.state == TaskState::Running && status.is_ready();
    if service.spec.mode.is_job() && dependency.condition == StackCondition::Completed {
        let end = service.job.as_ref().and_then(|run| run.end.as_ref());
        return end.is_some_and(|end| end.failure.is_none());
    }
    match dependency.condition {
        StackCondition::Started => slots(state, service, has_begun) >= wanted,
        StackCondition::Healthy => slots(state, service, is_healthy) >= wanted,
        StackCondition::Completed => {
            slots(state, service, |status| status.state == TaskState::Complete) >= wanted
        }
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
        // Not all of its tasks are there at the same time.
        ServiceMode::ReplicatedJob { total, max_concurrent } => total.min(max_concurrent) as usize,
        // As many as there are nodes that fit: at least one, so that it is not thought to be there before it is.
        ServiceMode::Global | ServiceMode::GlobalJob => {
            let live = state.tasks_of(service.id).filter(|task| task.desired <= DesiredState::Running);
            live.map(|task| task.slot).collect::<BTreeSet<SlotKey>>().len().max(1)
        }
    }
}

/// How many places have a task of the present version of which this is so. What failed was never there.
fn slots(state: &State, service: &Service, is_so: impl Fn(&TaskStatus) -> bool) -> usize {
    let failed = [TaskState::Rejected, TaskState::Orphaned, TaskState::Failed];
    let tasks = state.tasks_of(service.id).filter(|task| {
        let status = &task.status;
        task.task_version == service.task_version && is_so(status) && !failed.contains(&status.state)
    });
    tasks.map(|task| task.slot).collect::<BTreeSet<SlotKey>>().len()
}
