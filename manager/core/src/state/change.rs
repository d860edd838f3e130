//! Changes to the state: what is written to the log and applied by every member.

use proto::model::{
    Cluster, Content, DesiredState, JobRun, Name, Network, NetworkAddress, NetworkId, Node, NodeId,
    NodeLease, NodeStatus, Payload, PayloadId, RestartHistory, Roll, Rollout, RolloutCounts, RolloutState,
    Service, ServiceId, SlotKey, SlotProgress, Stack, StackId, TaskId, TaskStatus, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// A network.
    Network(NetworkId),
    /// A secret or config.
    Payload(PayloadId),
    /// A stack.
    Stack(StackId),
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
    /// Adds or replaces a service: what a person asked for, or a rollback to it. Its virtual addresses
    /// stay as they are. Refused if another service has its name or a port that it comes to publish, or
    /// one of its networks is gone; one that is being removed gives name and ports up.
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
        /// What became of its slots.
        #[serde(default)]
        counts: RolloutCounts,
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
        /// Its addresses, one in each of its networks. The node must take part in these, and nobody
        /// else may hold them.
        #[serde(default)]
        addresses: Vec<NetworkAddress>,
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
    /// Adds or replaces a network. What nodes hold of it stays as it is. Refused if another one has its
    /// name, its number or a part of its addresses.
    PutNetwork(Box<Network>),
    /// Removes a network. No service may attach to it, and no task hold an address in it.
    DeleteNetwork(NetworkId),
    /// Records what a node holds of a network; ignored if the network is gone. Refused if something of
    /// it is held by others.
    SetNodeLease {
        /// The network.
        network: NetworkId,
        /// The node.
        node: NodeId,
        /// What it holds; `None` if it takes no part any more, which none of its tasks may.
        lease: Option<NodeLease>,
    },
    /// Records the virtual addresses of a service; ignored if it is gone. Refused if others hold them.
    SetVips {
        /// The service.
        service: ServiceId,
        /// All of them: what is not named is free.
        vips: BTreeMap<NetworkId, u32>,
    },
    /// Connects a task that has a node to a network that its service is not in. The node must take part
    /// there, and nobody else may hold the address.
    ConnectTask {
        /// The task.
        task: TaskId,
        /// Its address there.
        address: NetworkAddress,
        /// Names that lead to it alone.
        aliases: BTreeSet<Name>,
    },
    /// Disconnects a task again, which then holds its address until its node has carried that out; ignored
    /// if it is not connected.
    DisconnectTask {
        /// The task.
        task: TaskId,
        /// The network.
        network: NetworkId,
        /// Whether it gives its address up at once.
        force: bool,
    },
    /// Adds a secret or config. Refused if another of its kind has the name.
    PutPayload(Box<Payload>),
    /// Gives a secret or config a new content.
    AddEdition {
        /// Which.
        payload: PayloadId,
        /// The content's number, larger than those before.
        edition: u64,
        /// The content.
        content: Content,
        /// How it gets to those that use it: in place of all before it, which are forgotten then, or beside them.
        roll: Roll,
        /// When this was asked for.
        at: Timestamp,
    },
    /// Replaces the labels of a secret or config.
    SetPayloadLabels {
        /// Which.
        payload: PayloadId,
        /// All of them.
        labels: BTreeMap<String, String>,
        /// When this was asked for.
        at: Timestamp,
    },
    /// Forgets contents of a secret or config that nobody needs any more; the newest stays.
    DropEditions {
        /// Of which.
        payload: PayloadId,
        /// Their numbers.
        editions: BTreeSet<u64>,
    },
    /// Removes a secret or config. No service may use it, or be rolled back to that.
    DeletePayload(PayloadId),
    /// Records how far a run of a job is; ignored if the service is gone or another run has begun.
    SetJobRun {
        /// The service.
        service: ServiceId,
        /// The run.
        run: JobRun,
    },
    /// Adds or replaces a stack. Refused if another one has its name.
    PutStack(Box<Stack>),
    /// Removes a stack. What belongs to it stays.
    DeleteStack(StackId),
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

impl Change {
    /// How much it counts for in a log entry: more if it carries a content.
    pub fn weight(&self) -> usize {
        let content = match self {
            Change::PutPayload(payload) => {
                payload.editions.values().map(|edition| edition.content.bytes().len()).sum()
            }
            Change::AddEdition { content, .. } => content.bytes().len(),
            _ => 0,
        };
        // A change without one has some hundred bytes.
        1 + content / 256
    }
}

impl Transaction {
    /// A transaction that expects nothing.
    pub fn of(changes: Vec<Change>) -> Self {
        Self { expect: Vec::new(), changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_from_before_there_were_networks_is_still_read() {
        #[derive(Serialize)]
        enum Before {
            AssignTask { task: TaskId, node: NodeId, at: Timestamp },
        }
        let (task, node, at) = (TaskId::from_bits(1), NodeId::from_bits(2), Timestamp(3));
        let read = |bytes: Vec<u8>| rmp_serde::from_slice::<Change>(&bytes).unwrap();
        let expected = Change::AssignTask { task, node, at, addresses: Vec::new() };
        let written = Before::AssignTask { task, node, at };
        assert_eq!(read(rmp_serde::to_vec_named(&written).unwrap()), expected);
        assert_eq!(read(rmp_serde::to_vec(&written).unwrap()), expected);
    }
}
