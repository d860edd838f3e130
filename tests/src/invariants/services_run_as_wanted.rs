//! Every service has the tasks that were asked for: in each slot one that runs, where it may.
//!
//! A slot may also have been given up, as the restart policy says, or hold a task for which there is no
//! room now.

use super::{Broken, Kept, converged, jobs_end, named};
use manager_core::{placement, state::State};
use proto::model::{Availability, Node, NodeState, Service, ServiceMode, SlotKey, Task, TaskState};
use std::collections::{BTreeMap, BTreeSet};

const PROMISE: &str = "services_run_as_wanted";

/// Looks at every service.
pub(super) fn check(state: &State) -> Kept {
    state.services().filter(|service| !service.removing).try_for_each(|service| check_service(state, service))
}

fn check_service(state: &State, service: &Service) -> Kept {
    let broken = |what: String| Err(Broken::new(PROMISE, format!("service {}: {what}", service.spec.name)));
    let mut slots: BTreeMap<SlotKey, Vec<&Task>> = BTreeMap::new();
    for task in state.tasks_of(service.id).filter(|task| task.desired <= proto::model::DesiredState::Running)
    {
        slots.entry(task.slot).or_default().push(task);
    }
    for tasks in slots.values() {
        let restless = tasks.iter().any(|task| converged::is_restless(task));
        let waits = tasks.iter().any(|task| task.status.state == TaskState::Pending);
        if let [first, second, ..] = tasks[..]
            && !restless
            && !waits
        {
            return broken(format!("{} and {} share a slot", named(first), named(second)));
        }
        let is_silent = |task: &Task| task.node.is_some_and(|node| !converged::is_ready(state, node));
        let is_settled = |task: &&Task| {
            matches!(task.status.state, TaskState::Running | TaskState::Pending)
                // A task of a global service waits for its node.
                || (service.spec.mode == ServiceMode::Global && is_silent(task))
        };
        if let Some(task) = tasks.iter().find(|task| !restless && !is_settled(task)) {
            return broken(format!("{}, is not settled: {}", named(task), task.status.message));
        }
        let is_unready = |task: &&&Task| task.status.state == TaskState::Running && !task.status.is_ready();
        if let Some(task) = tasks.iter().filter(|task| !is_silent(task)).find(is_unready) {
            return broken(format!("{}, runs and gets no connections", named(task)));
        }
        for task in tasks.iter().filter(|task| task.status.state == TaskState::Running) {
            check_place(state, service, task)?;
        }
    }
    let given_up =
        service.restarts.iter().filter(|(_, history)| history.given_up.is_some()).map(|(slot, _)| *slot);
    let filled: BTreeSet<SlotKey> = slots.keys().copied().chain(given_up).collect();
    match service.spec.mode {
        ServiceMode::Replicated { replicas } if filled.len() != replicas as usize => {
            broken(format!("{} slots are filled, and {replicas} are wanted", filled.len()))
        }
        ServiceMode::Replicated { .. } => Ok(()),
        ServiceMode::Global => check_nodes(state, service, &filled),
        ServiceMode::ReplicatedJob { .. } | ServiceMode::GlobalJob => jobs_end::check(state, service),
    }
}

/// Whether a task that runs may do so where it is. One that has to move waits for those before it.
fn check_place(state: &State, service: &Service, task: &Task) -> Kept {
    let node = task.node.and_then(|node| state.node(node));
    let is_global = service.spec.mode == ServiceMode::Global;
    let Some(node) = node.filter(|node| is_global || node.status.state == NodeState::Ready) else {
        return Err(Broken::new(PROMISE, format!("{}, is on a node that is not there", named(task))));
    };
    let unmet = node.spec.availability == Availability::Active
        && node.status.state == NodeState::Ready
        && placement::first_unmet(node, &task.spec.task.constraints).is_some();
    match unmet && !converged::is_held_up(state, service) {
        true => Err(Broken::new(
            PROMISE,
            format!("{}, is on node {}, which it must not", named(task), node.id.short(6)),
        )),
        false => Ok(()),
    }
}

/// A global service has every node that fits, and no others but those that are paused or down.
fn check_nodes(state: &State, service: &Service, filled: &BTreeSet<SlotKey>) -> Kept {
    for node in state.nodes() {
        let has = filled.contains(&SlotKey::Node(node.id));
        if has != fits(node, service) && !keeps_what_it_has(node) {
            let (name, node) = (&service.spec.name, node.id.short(6));
            let what = if has { "must not have" } else { "lacks" };
            return Err(Broken::new(PROMISE, format!("node {node} {what} a task of {name}")));
        }
    }
    match filled.iter().find(|slot| matches!(slot, SlotKey::Node(node) if state.node(*node).is_none())) {
        Some(slot) => {
            Err(Broken::new(PROMISE, format!("service {} has slot {slot} of no node", service.spec.name)))
        }
        None => Ok(()),
    }
}

fn fits(node: &Node, service: &Service) -> bool {
    node.spec.availability == Availability::Active
        && node.status.state == NodeState::Ready
        && placement::first_unmet(node, &service.spec.task.constraints).is_none()
}

fn keeps_what_it_has(node: &Node) -> bool {
    node.spec.availability == Availability::Pause || node.status.state != NodeState::Ready
}
