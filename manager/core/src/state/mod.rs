//! The replicated state: typed objects in persistent maps, changed only by [`State::apply`].
//!
//! Cloning a [`State`] is O(1) and shares everything, so a loop decides on a snapshot while changes
//! go on. `apply` is pure: every member computes the same state from the same entries, because ids
//! and times were put into the changes by the leader.

mod apply;
mod change;
mod holder;
mod image;
mod query;
#[cfg(test)]
mod tests;
mod touched;

pub use apply::{Applied, Refusal};
pub use change::{Change, Event, EventKind, Expect, NewTask, ObjectId, Transaction};
pub use holder::Holder;
pub use image::{Image, ImageError};

use proto::model::{
    Cluster, Name, Network, NetworkId, Node, NodeId, Payload, PayloadId, PayloadKind, PayloadName, Service,
    ServiceId, SlotKey, Stack, StackId, Task, TaskId,
};
use rpds::{RedBlackTreeMapSync as Map, RedBlackTreeSetSync as Set};
use std::sync::Arc;
use touched::Touched;

/// Everything the managers agree on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Counts the transactions applied; an object's version is the state's at its last change.
    version: u64,
    cluster: Option<Arc<Cluster>>,
    nodes: Map<NodeId, Arc<Node>>,
    services: Map<ServiceId, Arc<Service>>,
    networks: Map<NetworkId, Arc<Network>>,
    tasks: Map<TaskId, Arc<Task>>,
    payloads: Map<PayloadId, Arc<Payload>>,
    stacks: Map<StackId, Arc<Stack>>,
    /// Names are unique among services that are not being removed.
    service_names: Map<Name, ServiceId>,
    network_names: Map<Name, NetworkId>,
    payload_names: Map<(PayloadKind, PayloadName), PayloadId>,
    /// Who holds which number of which network.
    numbers: Map<(NetworkId, u32), Holder>,
    /// Which node holds which block of which network.
    blocks: Map<(NetworkId, u32), NodeId>,
    /// The tasks of each service, in order of their slots.
    tasks_by_service: Set<(ServiceId, SlotKey, TaskId)>,
    tasks_by_node: Set<(NodeId, TaskId)>,
    /// Tasks that wait for a node, so that the scheduler need not look at the others.
    tasks_unplaced: Set<TaskId>,
    touched: Touched,
}
