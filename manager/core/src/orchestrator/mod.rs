//! Orchestrators: which tasks a service has.
//!
//! The words used throughout: a task is *live* while it is meant to be ready or to run, even if it
//! has ended; it is *lost* if its node is gone or down. A slot is *filled* while it has a live task,
//! or while the restart policy has given it up. Every slot is in exactly one hand at a time:
//!
//! ```text
//! of a job    -> job                   makes tasks, and replaces those that ended without completing
//! empty       -> replicated, global    make a task
//! surplus     -> replicated, global    have the tasks stopped
//! ended, lost -> restart               replaces the task, or gives the slot up
//! out of date -> updater               replaces the task
//! misplaced   -> enforcer              replaces the task elsewhere
//! being handed over -> handover        starts the new task, then or before stops the old one
//! ```
//!
//! Whoever replaces a task stops the old and makes the new one in the same transaction, so that a
//! slot is never seen empty in between.

pub mod global;
pub mod handover;
pub mod job;
pub mod replicated;
pub mod restart;
pub(crate) mod slots;

use crate::{
    placement,
    state::{Change, NewTask, State},
};
use proto::model::{
    Availability, DesiredState, Id, IdSource, Node, NodeState, RolloutOrder, Service, SlotKey, Task,
    TaskState, Timestamp,
};
use slots::SlotTasks;

/// Whether the task was given a node that is gone or down now.
pub(crate) fn is_lost(state: &State, task: &Task) -> bool {
    let node = task.node.and_then(|node| state.node(node));
    task.status.state >= TaskState::Assigned && node.is_none_or(|node| node.status.state == NodeState::Down)
}

/// Whether the task's node is there, and the task may not stay on it.
pub(crate) fn must_leave(state: &State, task: &Task) -> bool {
    if task.status.state < TaskState::Assigned {
        return false;
    }
    let Some(node) = task.node.and_then(|node| state.node(node)) else { return false };
    match node.spec.availability {
        _ if node.status.state == NodeState::Down => false,
        Availability::Drain => true,
        Availability::Active => placement::first_unmet(node, &task.spec.task.constraints).is_some(),
        Availability::Pause => false,
    }
}

/// Whether new tasks may go to the node at all.
pub(crate) fn takes_tasks(node: &Node) -> bool {
    node.status.state == NodeState::Ready && node.spec.availability == Availability::Active
}

/// A new task for a slot, of the spec that is wanted of it now.
pub(crate) fn new_task(
    service: &Service,
    slot: SlotKey,
    desired: DesiredState,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> NewTask {
    let node = match slot {
        SlotKey::Replica(_) => None,
        SlotKey::Node(node) => Some(node),
    };
    NewTask {
        id: Id::from_bits(ids.next_bits()),
        service: service.id,
        slot,
        node,
        desired,
        start_after: None,
        at: now,
    }
}

/// Whether the task was seen to run on a node that is still there.
pub(crate) fn runs(state: &State, task: &Task) -> bool {
    task.status.state == TaskState::Running && !is_lost(state, task)
}

/// Replaces what is live in a slot by a task of the spec that is wanted of it: the changes that stop it,
/// and the new task.
///
/// The old task is stopped first, and the new one started when it has ended; with start-first, one
/// that runs is left for [`handover`] to stop when the new one runs.
pub(crate) fn replace(
    state: &State,
    service: &Service,
    slot: &SlotTasks<'_>,
    order: RolloutOrder,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> (Vec<Change>, NewTask) {
    let kept = match order {
        RolloutOrder::StartFirst => slot.live().find(|task| runs(state, task)).map(|task| task.id),
        RolloutOrder::StopFirst => None,
    };
    let stopped = slot.live().filter(|task| Some(task.id) != kept);
    let changes =
        stopped.map(|task| Change::SetDesired { task: task.id, desired: DesiredState::Shutdown }).collect();
    let waits = slot.tasks.iter().any(|task| Some(task.id) != kept && slots::holds_node(task));
    let desired = if waits { DesiredState::Ready } else { DesiredState::Running };
    (changes, new_task(service, slot.key, desired, now, ids))
}
