//! Tasks: one container's life on one node.

use super::{NetworkAddress, NodeId, ServiceId, ServiceSpec, TaskConnection, TaskId, TaskState, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The place of a task in its service. Several tasks may have the same slot: the one that runs, and
/// those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SlotKey {
    /// Of a replicated service: 1 and up.
    Replica(Slot),
    /// Of a global service.
    Node(NodeId),
}

/// The number of a replica, from 1.
pub type Slot = u32;

/// One container's life on one node. It is never started twice; a replacement is a new task in the
/// same slot. Once it is assigned only its desired state, its connections and its status change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Version of the state at its last change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// The service it belongs to.
    pub service: ServiceId,
    /// Its place there.
    pub slot: SlotKey,
    /// The spec it was made for, shared with the other tasks of the same version.
    pub spec: Arc<ServiceSpec>,
    /// The service's task version at that time.
    pub task_version: u64,
    /// Its node, once it is assigned.
    pub node: Option<NodeId>,
    /// What the managers want of it.
    pub desired: DesiredState,
    /// Not to be started before then, because a task before it failed.
    pub start_after: Option<Timestamp>,
    /// What was observed of it.
    pub status: TaskStatus,
    /// Its addresses, once it is assigned: one in each of its networks.
    #[serde(default)]
    pub addresses: Vec<NetworkAddress>,
    /// The networks that it was connected to by hand; those come last among its addresses.
    #[serde(default)]
    pub connections: Vec<TaskConnection>,
}

impl Task {
    /// Whether it is meant to run and has not ended.
    pub fn is_runnable(&self) -> bool {
        self.desired <= DesiredState::Running && !self.status.state.is_terminal()
    }

    /// The container's name: `SERVICE.SLOT.TASK`.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.spec.name, self.slot, self.id)
    }
}

/// What the managers want of a task. It only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DesiredState {
    /// Be prepared, but do not start yet.
    Ready,
    /// Run.
    Running,
    /// Stop, and be kept for the record.
    Shutdown,
    /// Stop, and be forgotten: the service shrank or was removed.
    Remove,
}

impl fmt::Display for DesiredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DesiredState::Ready => "ready",
            DesiredState::Running => "running",
            DesiredState::Shutdown => "shutdown",
            DesiredState::Remove => "remove",
        })
    }
}

/// What was observed of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// How far it has come.
    pub state: TaskState,
    /// When it came there, by the clock of whoever saw it.
    pub at: Timestamp,
    /// What it is doing, or why it waits.
    pub message: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How its container ended, if it did.
    pub exit: Option<ExitStatus>,
    /// The main process on its node, if it was started.
    pub pid: Option<u32>,
    /// The version of its connections that its container has; it only grows.
    #[serde(default)]
    pub connections_version: u64,
    /// What its probes say; `None` if it has none, or they have not said anything.
    #[serde(default)]
    pub health: Option<HealthStatus>,
}

/// What the probes of a task say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// Grows with each change, so that the newest is known.
    pub serial: u64,
    /// Whether it may get connections.
    pub ready: bool,
    /// Why not, for people; empty if it may.
    pub message: String,
}

impl TaskStatus {
    /// Whether it may get connections while it runs.
    pub fn is_ready(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.ready)
    }

    /// The status of a task that was just created.
    pub fn new(at: Timestamp) -> Self {
        Self {
            state: TaskState::New,
            at,
            message: "created".into(),
            error: None,
            exit: None,
            pid: None,
            connections_version: 0,
            health: None,
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// The exit code; 128 plus the signal's number if a signal ended it.
    pub code: i32,
    /// Whether the kernel killed it because its memory was used up.
    pub oom_killed: bool,
}

/// How often the task of a slot was replaced because it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestartHistory {
    /// Restarts in a row, for the back-off; begins anew after a task that ran long enough.
    pub streak: u32,
    /// When the counted restarts were made, oldest first; only as many as the policy looks at.
    pub attempts: Vec<Timestamp>,
    /// Set when the restart policy allows no further task: the slot stays as it is until an update.
    pub given_up: Option<GivenUp>,
}

/// Why a slot gets no further task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// The task that ended and is not replaced.
    pub task: TaskId,
    /// Its task version: an update to another one replaces it after all.
    pub task_version: u64,
    /// What the policy says, for people.
    pub reason: String,
}

impl fmt::Display for SlotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlotKey::Replica(slot) => write!(f, "{slot}"),
            SlotKey::Node(node) => write!(f, "{node}"),
        }
    }
}

impl From<SlotKey> for String {
    fn from(slot: SlotKey) -> String {
        slot.to_string()
    }
}

/// Says that a text names no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a replica's number nor a node's id")]
pub struct SlotError(String);

impl TryFrom<String> for SlotKey {
    type Error = SlotError;

    fn try_from(text: String) -> Result<Self, SlotError> {
        // A node's id has 25 characters, a number at most 10.
        match (text.parse(), text.parse()) {
            (Ok(slot), _) => Ok(SlotKey::Replica(slot)),
            (_, Ok(node)) => Ok(SlotKey::Node(node)),
            _ => Err(SlotError(text)),
        }
    }
}
