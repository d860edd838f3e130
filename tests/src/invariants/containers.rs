//! The containers that run, as somebody who sees all machines would know them.

use super::Step;
use manager_core::state::{EventKind, ObjectId};
use proto::model::{NodeId, NodeState, Task, TaskId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A container that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// Its task, as the node has it.
    pub task: Task,
    /// The node.
    pub node: NodeId,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Containers {
    running: BTreeMap<TaskId, Running>,
    /// Tasks whose container was ever started.
    started: BTreeSet<TaskId>,
    /// When the managers last took a node for down, or removed it.
    absent_at: BTreeMap<NodeId, Duration>,
}

impl Containers {
    pub fn start(&mut self, task: &Task, node: NodeId) {
        self.started.insert(task.id);
        self.running.insert(task.id, Running { task: task.clone(), node });
    }

    pub fn end(&mut self, task: TaskId) {
        self.running.remove(&task);
    }

    pub fn running(&self) -> impl Iterator<Item = &Running> {
        self.running.values()
    }

    pub fn started(&self) -> usize {
        self.started.len()
    }

    pub fn was_started(&self, task: TaskId) -> bool {
        self.started.contains(&task)
    }

    /// When the managers last gave a node up.
    pub fn absent_at(&self, node: NodeId) -> Option<Duration> {
        self.absent_at.get(&node).copied()
    }

    /// Notes the nodes that the managers give up.
    pub fn note_absences(&mut self, step: &Step<'_>, now: Duration) {
        for event in step.events {
            if let ObjectId::Node(id) = event.object {
                let is_down = step.after.node(id).is_some_and(|node| node.status.state == NodeState::Down);
                if is_down || event.kind == EventKind::Deleted {
                    self.absent_at.insert(id, now);
                }
            }
        }
    }
}
