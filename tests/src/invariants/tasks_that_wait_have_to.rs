//! A task that finds no node says why, and there is indeed none.

use super::{Broken, Kept, holds_node, named};
use manager_core::{ipam, networks::networks_of, placement, state::State};
use proto::model::{Availability, DesiredState, Network, Node, NodeState, Task, TaskState};

const PROMISE: &str = "tasks_that_wait_have_to";

/// Looks at every task that waits for a node.
pub(super) fn check(state: &State) -> Kept {
    let waits = |task: &&std::sync::Arc<Task>| {
        task.desired <= DesiredState::Running && task.status.state == TaskState::Pending
    };
    for task in state.tasks_unplaced().filter(waits) {
        let nodes = state.nodes().filter(|node| task.node.is_none_or(|own| own == node.id));
        if let Some(node) = nodes.map(AsRef::as_ref).find(|node| fits(state, node, task)) {
            let what = format!(
                "{}, waits though node {} has room: {}",
                named(task),
                node.id.short(6),
                task.status.message
            );
            return Err(Broken::new(PROMISE, what));
        }
        if task.status.message.is_empty() {
            return Err(Broken::new(PROMISE, format!("{}, does not say why it waits", named(task))));
        }
    }
    Ok(())
}

/// Whether a node has room for a task, worked out without the scheduler.
fn fits(state: &State, node: &Node, task: &Task) -> bool {
    let Some(has) = &node.description else { return false };
    let wants = &task.spec.task;
    let holders = || state.tasks_on(node.id).filter(|other| holds_node(other));
    let cpus: u64 = holders().map(|other| other.spec.task.reservations.nano_cpus).sum();
    let memory: u64 = holders().map(|other| other.spec.task.reservations.memory_bytes).sum();
    let mut taken = holders().flat_map(|other| other.spec.host_ports());
    let same =
        holders().filter(|other| other.service == task.service && other.desired <= DesiredState::Running);
    node.status.state == NodeState::Ready
        && node.spec.availability == Availability::Active
        && placement::first_unmet(node, &wants.constraints).is_none()
        && cpus + wants.reservations.nano_cpus <= has.nano_cpus
        && memory + wants.reservations.memory_bytes <= has.memory_bytes
        && !taken.any(|port| task.spec.host_ports().any(|wanted| wanted.published == port.published))
        && networks_of(state, &task.spec)
            .is_ok_and(|networks| networks.into_iter().all(|network| has_address(state, network, node)))
        && wants.max_replicas_per_node.is_none_or(|most| same.count() < most as usize)
}

/// Whether a network has an address for another task on a node, and one for the node if it is new there.
fn has_address(state: &State, network: &Network, node: &Node) -> bool {
    let free = ipam::total(network) as usize - state.held_in(network.id).count();
    free > usize::from(!network.nodes.contains_key(&node.id))
}
