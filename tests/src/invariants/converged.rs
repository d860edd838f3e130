//! In the end everything is as it was asked for, and nothing else is there.
//!
//! Each check says what is left to be done. Tasks whose image can't go on running are never at rest:
//! of these only is asked that nothing is left behind.

use super::{
    Broken, Kept, agents_know_what_managers_know, drained_nodes_empty_out, no_leases_are_left,
    nodes_know_their_networks, nothing_else_runs, rollouts_end, services_run_as_wanted,
    tasks_that_wait_have_to,
};
use crate::sim::{World, wishes::Behaviour};
use manager_core::state::State;
use proto::model::{NodeId, NodeState, Service, ServiceSpec, Task, TaskState};
use std::sync::Arc;

/// Says what is left to be done, if anything is.
pub fn check(world: &World) -> Kept {
    let state = world.state();
    if !world.is_led() || !world.requests.is_empty() {
        return Err(Broken::new(
            "converged",
            "there is no leader, or somebody waits for an answer".to_owned(),
        ));
    }
    services_are_gone(state)?;
    services_run_as_wanted::check(state)?;
    tasks_that_wait_have_to::check(state)?;
    rollouts_end::check(state)?;
    drained_nodes_empty_out::check(state)?;
    no_leases_are_left::check(state)?;
    nothing_else_runs::check(world)?;
    agents_know_what_managers_know::check(world)?;
    nodes_know_their_networks::check(world)
}

/// A service that was removed goes with the last of its tasks, which may be on a node that is not heard.
fn services_are_gone(state: &State) -> Kept {
    for service in state.services().filter(|service| service.removing) {
        let is_heard = |task: &&Arc<Task>| task.node.is_none_or(|node| is_ready(state, node));
        let mut tasks = state.tasks_of(service.id).peekable();
        if tasks.peek().is_none() || tasks.any(|task| is_heard(&task)) {
            return Err(Broken::new(
                "converged",
                format!("service {} is still being removed", service.spec.name),
            ));
        }
    }
    Ok(())
}

/// Whether the managers hear of a node.
pub(super) fn is_ready(state: &State, node: NodeId) -> bool {
    state.node(node).is_some_and(|node| node.status.state == NodeState::Ready)
}

/// Whether a container of that spec goes on running.
pub(super) fn lasts(spec: &ServiceSpec) -> bool {
    Behaviour::of(&spec.task.container.image).lasts()
}

/// Whether a task is never at rest.
pub(super) fn is_restless(task: &Task) -> bool {
    !lasts(&task.spec)
}

/// Whether something of the service can't come to rest: its moves and rollouts wait for that.
pub(super) fn is_held_up(state: &State, service: &Service) -> bool {
    let waits = |task: &Task| task.is_runnable() && task.status.state == TaskState::Pending;
    !lasts(&service.spec) || state.tasks_of(service.id).any(|task| waits(task) || is_restless(task))
}
