//! Agents that do at once what they are told, except for images that can't run.

use crate::state::{Change, State, Transaction};
use proto::model::{DesiredState, NodeId, Task, TaskState, TaskStatus, Timestamp};
use std::collections::BTreeSet;

/// The image of a container that fails as soon as it is started.
pub const BROKEN_IMAGE: &str = "broken";
/// The name of an image that there is not.
pub const MISSING_IMAGE: &str = "missing";
/// The name of an image that there is not on the first node.
pub const MISSING_ON_FIRST_IMAGE: &str = "missing-on-first";

/// The image of a container that fails as soon as it is started on the first node, and runs on others.
pub const BROKEN_ON_FIRST_IMAGE: &str = "broken-on-first";

/// What the agents report next; nothing if all has been done. Nodes that are offline say nothing.
pub(super) fn report(state: &State, offline: &BTreeSet<NodeId>, now: Timestamp) -> Transaction {
    let online = state.nodes().filter(|node| !offline.contains(&node.id));
    let tasks = online.flat_map(|node| state.tasks_on(node.id));
    let changes = tasks.filter_map(|task| {
        let next = next_state(task);
        let runs = task.status.state == TaskState::Running && next.is_none();
        let carried_out = if runs { task.connections_version() } else { 0 };
        if next.is_none() && carried_out <= task.status.connections_version {
            return None;
        }
        let state = next.unwrap_or(task.status.state);
        let status = TaskStatus { state, connections_version: carried_out, ..TaskStatus::new(now) };
        Some(Change::ReportStatus { task: task.id, status })
    });
    Transaction::of(changes.collect())
}

fn next_state(task: &Task) -> Option<TaskState> {
    let is_first = task.node == Some(NodeId::from_bits(1));
    let observed = task.status.state;
    if observed < TaskState::Assigned || observed.is_terminal() {
        return None;
    }
    let image = task.spec.task.container.image.as_str();
    let next = match task.desired {
        DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
        _ if image == MISSING_IMAGE => TaskState::Rejected,
        _ if image == MISSING_ON_FIRST_IMAGE && is_first => TaskState::Rejected,
        DesiredState::Ready => TaskState::Ready,
        DesiredState::Running if image == BROKEN_IMAGE => TaskState::Failed,
        DesiredState::Running if image == BROKEN_ON_FIRST_IMAGE && is_first => TaskState::Failed,
        DesiredState::Running => TaskState::Running,
    };
    (next > observed).then_some(next)
}
