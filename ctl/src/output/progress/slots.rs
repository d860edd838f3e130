//! What stands in each place of a service.

use crate::output::tasks;
use proto::wire::{
    DesiredState, Service, ServiceView, Task, TaskState, restart_policy::Condition, service_spec::Mode,
};
use std::collections::BTreeMap;

/// One place: a replica's number, or a node.
#[derive(Debug)]
pub struct SlotView<'a> {
    /// The number or the node's id.
    pub key: String,
    /// The state of its newest task of the present version, unless that one was stopped on request.
    pub state: Option<TaskState>,
    /// Why that task does not run, if known.
    pub reason: String,
    /// Why the one before it ended, if known.
    pub before: String,
    /// Whether that task runs, or has done its work.
    pub arrived: bool,
    /// Whether any task here, of whatever version, still is to run.
    pub alive: bool,
    /// Its tasks of the present version that ended badly.
    pub ended: Vec<&'a Task>,
}

/// The places of a service in order. Those that are being given up are left out.
pub fn of<'a>(view: &'a ServiceView, service: &Service) -> Vec<SlotView<'a>> {
    let mut by_slot: BTreeMap<(u64, &str), Vec<&Task>> = BTreeMap::new();
    for task in view.tasks.iter().filter(|task| task.desired() != DesiredState::Remove) {
        by_slot.entry(tasks::slot_order(&task.slot)).or_default().push(task);
    }
    let mut slots: Vec<SlotView> =
        by_slot.into_iter().map(|((_, key), tasks)| slot(key, tasks, service)).collect();
    let number = match mode(service) {
        Some(Mode::Replicated(mode)) => Some(mode.replicas as usize),
        Some(Mode::ReplicatedJob(job)) => Some(job.total as usize),
        Some(Mode::Global(_) | Mode::GlobalJob(_)) | None => None,
    };
    if let Some(wanted) = number {
        // A slot left behind by a smaller number keeps its history for a while.
        while slots.len() > wanted
            && let Some(given_up) = slots.iter().rposition(|slot| !slot.alive && !slot.arrived)
        {
            slots.remove(given_up);
        }
    }
    slots
}

fn slot<'a>(key: &str, mut tasks: Vec<&'a Task>, service: &Service) -> SlotView<'a> {
    tasks.sort_by_key(|task| task.created_at);
    let alive = tasks.iter().any(|task| is_alive(task));
    tasks.retain(|task| task.task_version == service.task_version);
    let newest = tasks.iter().rev().find(|task| is_alive(task)).or(tasks.last());
    let state = newest.map(|task| tasks::status(task).state()).filter(|state| *state != TaskState::Shutdown);
    let running = state == Some(TaskState::Running);
    let bad = |task: &&Task| matches!(tasks::status(task).state(), TaskState::Failed | TaskState::Rejected);
    SlotView {
        key: key.to_owned(),
        state,
        reason: newest.filter(|_| !running).map(|task| tasks::reason(task)).unwrap_or_default(),
        before: newest.filter(|_| !running).map(|task| before(task, &tasks)).unwrap_or_default(),
        arrived: match service.job {
            Some(_) => tasks.iter().any(|task| tasks::status(task).state() == TaskState::Complete),
            None => newest.is_some_and(|task| is_running(task) || has_done_its_work(task, service)),
        },
        alive,
        ended: tasks.into_iter().filter(bad).collect(),
    }
}

fn before(newest: &Task, tasks: &[&Task]) -> String {
    let before = tasks.iter().rev().find(|task| task.created_at < newest.created_at);
    before.map(|task| tasks::reason(task)).unwrap_or_default()
}

fn is_alive(task: &Task) -> bool {
    task.desired() <= DesiredState::Running && tasks::status(task).state() <= TaskState::Running
}

fn is_running(task: &Task) -> bool {
    task.desired() == DesiredState::Running && tasks::status(task).state() == TaskState::Running
}

/// A task that ended well and is not to be started again: nothing more will happen in its place.
fn has_done_its_work(task: &Task, service: &Service) -> bool {
    let restarts = condition(service) == Condition::Any;
    !restarts && tasks::status(task).state() == TaskState::Complete
}

/// When an ended task is replaced; always, if the spec does not say.
pub fn condition(service: &Service) -> Condition {
    let policy = service.spec.as_ref().and_then(|spec| spec.task.as_ref()).and_then(|task| task.restart);
    match policy.map(|policy| policy.condition()) {
        None | Some(Condition::Unspecified) => Condition::Any,
        Some(condition) => condition,
    }
}

/// How many tasks are wanted; `None` for a global service whose tasks are not made yet.
pub fn wanted(service: &Service, slots: &[SlotView]) -> Option<usize> {
    match mode(service) {
        Some(Mode::Replicated(mode)) => Some(mode.replicas as usize),
        Some(Mode::ReplicatedJob(job)) => Some(job.total as usize),
        Some(Mode::Global(_) | Mode::GlobalJob(_)) => {
            let alive = slots.iter().filter(|slot| slot.alive || slot.arrived).count();
            Some(alive.max(service.desired_tasks as usize)).filter(|wanted| *wanted > 0)
        }
        None => Some(1),
    }
}

fn mode(service: &Service) -> Option<Mode> {
    service.spec.as_ref().and_then(|spec| spec.mode)
}
