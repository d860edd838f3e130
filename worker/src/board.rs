//! What of the agent's tasks other parts of the daemon may see.

use proto::model::{TaskId, TaskState};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};
use worker_core::agent::Agent;
use worker_runtime::ContainerDir;

/// Shows how far each task of the node has come, and where its container is.
#[derive(Debug, Clone)]
pub struct Board {
    containers: Arc<PathBuf>,
    tasks: Arc<RwLock<BTreeMap<TaskId, TaskState>>>,
}

impl Board {
    /// Makes an empty board for containers whose folders are in this one.
    pub(crate) fn new(containers: PathBuf) -> Self {
        Self { containers: Arc::new(containers), tasks: Arc::default() }
    }

    /// How far a task has come; `None` if it is not on this node.
    pub fn state(&self, task: TaskId) -> Option<TaskState> {
        self.read(|tasks| tasks.get(&task).copied())
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.read(|tasks| tasks.values().filter(|state| **state == TaskState::Running).count())
    }

    /// The folder of a task's container, whether it is there or not.
    pub fn container(&self, task: TaskId) -> ContainerDir {
        ContainerDir::new(&self.containers, task)
    }

    pub(crate) fn show(&self, agent: &Agent) {
        let now = agent.tasks().map(|(id, _, status)| (id, status.state)).collect();
        *self.tasks.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<TaskId, TaskState>) -> T) -> T {
        look(&self.tasks.read().unwrap_or_else(PoisonError::into_inner))
    }
}
