//! Changes to the state: what is written to the log and applied by every member.

use proto::model::{
    Cluster, DesiredState, Node, NodeId, NodeStatus, RestartHistory, Rollout, RolloutState, Service,
    ServiceId, SlotKey, SlotProgress, TaskId, TaskStatus, Timestamp,
};
use serde::{Deserialize, Serialize};

/// Changes that are made together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// What it was decided from: refused if any of these has changed since.
    pub expect: Vec<Expect>,
    /// What to do.
    pub changes: Vec<Change>,
}

/// The version an object must have for a transaction to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The object.
    pub object: ObjectId,
    /// Its version; zero if it must not exist.
    pub version: u64,
}

/// Names an object of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectId {
    /// The cluster object.
    Cluster,
    /// A node.
    Node(NodeId),
    /// A service.
    Service(ServiceId),
    /// What people asked of a service: it has the service's `spec_version`. Only to be expected;
    /// events name the service.
    ServiceSpec(ServiceId),
    /// A task.
    Task(TaskId),
}

/// One change. Old logs must still apply: variants and fields are added, never altered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Makes or replaces the cluster object.
    PutCluster(Box<Cluster>),
    /// Adds or replaces a node.
    PutNode(Box<Node>),
    /// Records what was observed of a node; ignored if it is gone.
    SetNodeStatus {
        /// The node.
        node: NodeId,
        /// What was observed.
        status: NodeStatus,
    },
    /// Removes a node. Its tasks must be gone or ended.
    DeleteNode(NodeId),
    /// Adds or replaces a service: what a person asked for, or a rollback to it. Refused if another
    /// service has its name; one that is being removed gives its name up.
    PutService(Box<Service>),
    /// Begins a rollout, or replaces what is known of one; ignored if the service is gone.
    PutRollout {
        /// The service.
        service: ServiceId,
        /// The rollout.
        rollout: Box<Rollout>,
    },
    /// Records the stage of the service's rollout; ignored if it has none.
    SetRolloutStatus {
        /// The service.
        service: ServiceId,
        /// The stage.
        state: RolloutState,
        /// Why it is in it, for people.
        message: String,
        /// When it ended or was paused.
        ended_at: Option<Timestamp>,
    },
    /// Records how far one slot of the service's rollout is; ignored if it has none.
    SetRolloutSlot {
        /// The service.
        service: ServiceId,
        /// The slot.
        slot: SlotKey,
        /// How far; `None` if the slot is no part of the rollout any more.
        progress: Option<SlotProgress>,
    },
    /// Records how often the task of a slot was replaced; ignored if the service is gone.
    SetRestarts {
        /// The service.
        service: ServiceId,
        /// The slot.
        slot: SlotKey,
        /// How often; `None` forgets it.
        history: Option<RestartHistory>,
    },
    /// Removes a service. It must have no tasks left.
    DeleteService(ServiceId),
    /// Adds a task with its service's present spec.
    CreateTask(NewTask),
    /// Records that the task has what the cluster hands out, or why it still waits for a node.
    SetPending {
        /// The task.
        task: TaskId,
        /// Why it waits, for people.
        message: String,
        /// When this was decided.
        at: Timestamp,
    },
    /// Gives a task its node, for good.
    AssignTask {
        /// The task.
        task: TaskId,
        /// The node.
        node: NodeId,
        /// When this was decided.
        at: Timestamp,
    },
    /// Raises what is wanted of a task; a lower wish is ignored.
    SetDesired {
        /// The task.
        task: TaskId,
        /// The wish.
        desired: DesiredState,
    },
    /// Records what a node reports of a task; ignored if it is behind what is known.
    ReportStatus {
        /// The task.
        task: TaskId,
        /// The report.
        status: TaskStatus,
    },
    /// Forgets a task.
    DeleteTask(TaskId),
}

/// A task to create; the rest comes from its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewTask {
    /// Its id, drawn by the leader.
    pub id: TaskId,
    /// Its service.
    pub service: ServiceId,
    /// Its place there.
    pub slot: SlotKey,
    /// For global services, the node it is for.
    pub node: Option<NodeId>,
    /// What is wanted of it at first.
    pub desired: DesiredState,
    /// Not to be started before then.
    pub start_after: Option<Timestamp>,
    /// When this was decided.
    pub at: Timestamp,
}

/// What an applied transaction did to one object, for watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The object.
    pub object: ObjectId,
    /// What happened to it.
    pub kind: EventKind,
    /// The node concerned: for tasks, the one they are on.
    pub node: Option<NodeId>,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It is there, new or changed.
    Put,
    /// It is gone.
    Deleted,
}

impl Transaction {
    /// A transaction that expects nothing.
    pub fn of(changes: Vec<Change>) -> Self {
        Self { expect: Vec::new(), changes }
    }
}
