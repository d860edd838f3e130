//! The states of a task, in the order it goes through them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How far a task has come. The numbers are Swarm's. An observed state only ever grows, so it works
/// as a Lamport clock: late, repeated and reordered reports do no harm.
///
/// ```text
/// New -> Pending -> Assigned -> Accepted -> Preparing -> Ready -> Starting -> Running
///                                                |                    |         |
///                                                v                    v         v
///                                            Rejected        Complete | Shutdown | Failed
/// ```
///
/// `Orphaned` is given by the managers to a task whose node was down for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i32)]
pub enum TaskState {
    /// Created by an orchestrator.
    New = 0,
    /// Has what the cluster hands out; waits for a node.
    Pending = 64,
    /// Has a node, for good.
    Assigned = 192,
    /// The node took it.
    Accepted = 256,
    /// Image, volumes and network are being made ready.
    Preparing = 320,
    /// Can be started.
    Ready = 384,
    /// Is being started.
    Starting = 448,
    /// Runs.
    Running = 512,
    /// Ended by itself with exit code 0.
    Complete = 576,
    /// Was stopped because the managers asked for it.
    Shutdown = 640,
    /// Ended with another exit code, or by a fault after it was started.
    Failed = 704,
    /// Could not be started.
    Rejected = 768,
    /// Its node was down for so long that what it held is given to others.
    Orphaned = 832,
}

impl TaskState {
    /// All states in order.
    pub const ALL: [TaskState; 13] = [
        TaskState::New,
        TaskState::Pending,
        TaskState::Assigned,
        TaskState::Accepted,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Complete,
        TaskState::Shutdown,
        TaskState::Failed,
        TaskState::Rejected,
        TaskState::Orphaned,
    ];

    /// Whether the task is over: nothing of it runs or will run.
    pub fn is_terminal(self) -> bool {
        self > TaskState::Running
    }

    /// The name as docker's API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::New => "new",
            TaskState::Pending => "pending",
            TaskState::Assigned => "assigned",
            TaskState::Accepted => "accepted",
            TaskState::Preparing => "preparing",
            TaskState::Ready => "ready",
            TaskState::Starting => "starting",
            TaskState::Running => "running",
            TaskState::Complete => "complete",
            TaskState::Shutdown => "shutdown",
            TaskState::Failed => "failed",
            TaskState::Rejected => "rejected",
            TaskState::Orphaned => "orphaned",
        }
    }
}

/// Says that a text or number is no task state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a task state")]
pub struct TaskStateError(String);

impl FromStr for TaskState {
    type Err = TaskStateError;

    fn from_str(text: &str) -> Result<Self, TaskStateError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| TaskStateError(text.to_owned()))
    }
}

impl TryFrom<i32> for TaskState {
    type Error = TaskStateError;

    fn try_from(number: i32) -> Result<Self, TaskStateError> {
        Self::ALL
            .into_iter()
            .find(|&state| state as i32 == number)
            .ok_or_else(|| TaskStateError(number.to_string()))
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
