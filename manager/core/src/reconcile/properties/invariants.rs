//! What must hold at every moment, and what must hold in the end.

use super::{numbers, payloads};
use crate::{
    orchestrator::{
        global,
        slots::{Slots, holds_node, is_given_up},
    },
    state::State,
};
use proptest::{prelude::*, test_runner::TestCaseError};
use proto::model::{
    DesiredState, NodeId, PortMode, RolloutOrder, Service, ServiceMode, SlotKey, Task, TaskId, TaskState,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What was seen of the tasks before.
#[derive(Default)]
pub(super) struct Watch(BTreeMap<TaskId, (TaskState, DesiredState, Option<NodeId>)>);

impl Watch {
    pub fn check(&mut self, state: &State) -> Result<(), TestCaseError> {
        for service in state.services() {
            check_slots(state, service)?;
        }
        for node in state.nodes() {
            check_leases(state, node.id)?;
        }
        numbers::check(state)?;
        payloads::check(state)?;
        self.check_history(state)
    }

    /// States and wishes only go forward, and a node once given stays.
    fn check_history(&mut self, state: &State) -> Result<(), TestCaseError> {
        for task in state.tasks() {
            let now = (task.status.state, task.desired, task.node);
            if let Some((observed, desired, node)) = self.0.insert(task.id, now) {
                prop_assert!(observed <= now.0, "task {} went from {observed} to {}", task.id, now.0);
                prop_assert!(desired <= now.1);
                prop_assert!(observed < TaskState::Assigned || node == now.2);
            }
        }
        Ok(())
    }
}

/// A slot has one task that is to run, or two where the new one starts first.
fn check_slots(state: &State, service: &Service) -> Result<(), TestCaseError> {
    let most = if service.spec.update.order == RolloutOrder::StartFirst { 2 } else { 1 };
    for slot in Slots::of(state, service.id).iter() {
        let is_to_run =
            |task: &&Task| task.desired == DesiredState::Running && !task.status.state.is_terminal();
        let count = slot.live().filter(is_to_run).count();
        prop_assert!(count <= most, "slot {} of {} has {count} tasks to run", slot.key, service.spec.name);
    }
    Ok(())
}

/// What tasks hold on a node is there, and is held once.
fn check_leases(state: &State, node: NodeId) -> Result<(), TestCaseError> {
    let description = state.node(node).and_then(|node| node.description.clone()).unwrap_or_default();
    let (mut ports, mut memory) = (BTreeSet::new(), 0);
    for task in state.tasks_on(node).filter(|task| holds_node(task)) {
        memory += task.spec.task.reservations.memory_bytes;
        for port in task.spec.ports.iter().filter(|port| port.mode == PortMode::Host) {
            prop_assert!(ports.insert((port.protocol, port.published)), "{port} is held twice on {node}");
        }
    }
    prop_assert!(memory <= description.memory_bytes, "{memory} bytes are reserved on {node}");
    Ok(())
}

/// Whether something that a service of a stack depends on does not run.
fn waits_for_others(state: &State, service: &Service) -> bool {
    let asked = state.stacks().flat_map(|stack| &stack.spec.services);
    let dependencies = asked.filter(|one| one.spec.name == service.spec.name).flat_map(|one| &one.depends_on);
    let runs = |task: &Arc<Task>| task.status.state == TaskState::Running;
    dependencies.filter_map(|one| state.service_named(&one.service)).any(|other| {
        let mut live = state.tasks_of(other.id).filter(|task| task.is_runnable()).peekable();
        live.peek().is_none() || !live.all(runs)
    })
}

/// Every service has what was asked for, as far as there is room.
pub(super) fn check_converged(state: &State) -> Result<(), TestCaseError> {
    for service in state.services() {
        let name = &service.spec.name;
        prop_assert!(!service.removing, "{name} was not removed");
        let mut running = BTreeSet::new();
        let mut waiting = BTreeSet::new();
        for task in state.tasks_of(service.id) {
            let ended = task.status.state.is_terminal();
            prop_assert!(ended || task.desired == DesiredState::Running, "{name}: {task:?} is left over");
            match task.status.state {
                _ if ended => prop_assert!(
                    task.desired == DesiredState::Shutdown,
                    "{name}: {task:?} was not dealt with"
                ),
                TaskState::Running => {
                    prop_assert!(running.insert(task.slot), "{name}: two tasks run in slot {}", task.slot)
                }
                TaskState::Pending => {
                    waiting.insert(task.slot);
                    let said = &task.status.message;
                    prop_assert!(
                        ["no suitable node", "no room", "has no free address"]
                            .iter()
                            .any(|it| said.contains(it))
                            || said.starts_with("waiting for service") && waits_for_others(state, service),
                        "{name}: {said}"
                    );
                }
                other => prop_assert!(false, "{name}: a task is left {other}"),
            }
        }
        let mut filled = &running | &waiting;
        filled.extend(service.restarts.keys().filter(|&&slot| is_given_up(service, slot)));
        match service.spec.mode {
            ServiceMode::Replicated { replicas } => prop_assert_eq!(filled.len(), replicas as usize),
            // What becomes of jobs is looked at by their own tests.
            ServiceMode::ReplicatedJob { .. } | ServiceMode::GlobalJob => {}
            ServiceMode::Global => {
                let fitting = state.nodes().filter(|node| global::accepts(node, service));
                prop_assert_eq!(filled, fitting.map(|node| SlotKey::Node(node.id)).collect::<BTreeSet<_>>());
            }
        }
        let rollout = service.rollout.as_ref();
        let is_over = rollout.is_none_or(|rollout| !rollout.state.in_progress());
        prop_assert!(is_over || !waiting.is_empty(), "{name}: {rollout:?}");
    }
    Ok(())
}
