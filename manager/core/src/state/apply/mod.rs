//! Applying transactions: the only way the state changes.

mod connections;
mod networks;
mod payloads;
mod services;
mod stacks;
mod tasks;

use super::{Change, Event, EventKind, Holder, ObjectId, State, Transaction};
use crate::ports::PortNumber;
use proto::model::{Cluster, NetworkId, Node, NodeId, NodeStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The state's version after it; the objects it changed have this version.
    pub version: u64,
    /// The objects it changed.
    pub events: Vec<Event>,
}

/// Why a transaction was refused. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// An object changed after the transaction was decided.
    #[error("{object:?} has changed meanwhile: version {found} instead of {expected}")]
    Stale {
        /// The object.
        object: ObjectId,
        /// The version the transaction was decided from.
        expected: u64,
        /// Its version now; zero if it does not exist.
        found: u64,
    },
    /// Another service, or another secret or config, has the name.
    #[error("name `{0}` is already in use")]
    NameTaken(String),
    /// Another service publishes a port that one of the two would have on every node.
    #[error("port {port} is taken by service `{holder}`")]
    PortTaken {
        /// The port.
        port: PortNumber,
        /// The service's name.
        holder: String,
    },
    /// Something that is still needed can't be deleted.
    #[error("{0:?} is still in use")]
    InUse(ObjectId),
    /// Something that is named does not exist.
    #[error("{0:?} does not exist")]
    NotFound(ObjectId),
    /// An id that was just drawn is taken already.
    #[error("{0:?} exists already")]
    Exists(ObjectId),
    /// A network that was made at the same time has the same name, number or addresses.
    #[error("network {0} has the same name, number or addresses")]
    NetworkClash(NetworkId),
    /// Somebody else holds a number of a network.
    #[error("number {number} of network {network} is held by {holder}")]
    NumberTaken {
        /// The network.
        network: NetworkId,
        /// The number.
        number: u32,
        /// Who holds it.
        holder: Holder,
    },
    /// A number that no one can hold.
    #[error("network {network} has no number {number} to give out")]
    NoSuchNumber {
        /// The network.
        network: NetworkId,
        /// The number.
        number: u32,
    },
    /// A block of a network is another node's, or lies outside of it.
    #[error("block {block} of network {network} can't be leased")]
    BlockTaken {
        /// The network.
        network: NetworkId,
        /// The block.
        block: u32,
    },
    /// A task's node takes no part in one of its networks.
    #[error("node {node} has no lease in network {network}")]
    NoLease {
        /// The network.
        network: NetworkId,
        /// The node.
        node: NodeId,
    },
}

impl State {
    /// Applies a transaction, whole or not at all.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<Applied, Refusal> {
        for expect in &transaction.expect {
            let found = self.version_of(expect.object);
            if found != expect.version {
                return Err(Refusal::Stale { object: expect.object, expected: expect.version, found });
            }
        }
        // A clone shares everything, so keeping the old state until all has gone well costs nothing.
        let mut next = self.clone();
        next.version += 1;
        let mut events = Vec::with_capacity(transaction.changes.len());
        for change in &transaction.changes {
            events.extend(next.apply_change(change)?);
        }
        *self = next;
        Ok(Applied { version: self.version, events })
    }

    fn apply_change(&mut self, change: &Change) -> Result<Option<Event>, Refusal> {
        match change {
            Change::PutCluster(cluster) => Ok(Some(self.put_cluster(cluster))),
            Change::PutNode(node) => Ok(Some(self.put_node(node))),
            Change::SetNodeStatus { node, status } => Ok(self.set_node_status(*node, status)),
            Change::DeleteNode(id) => self.delete_node(*id).map(Some),
            Change::PutService(service) => self.put_service(service).map(Some),
            Change::PutRollout { service, rollout } => Ok(self.put_rollout(*service, rollout)),
            Change::SetRolloutStatus { service, state, message, ended_at, counts } => {
                Ok(self.set_rollout_status(*service, *state, message, *ended_at, *counts))
            }
            Change::SetRolloutSlot { service, slot, progress } => {
                Ok(self.set_rollout_slot(*service, *slot, *progress))
            }
            Change::SetRestarts { service, slot, history } => {
                Ok(self.set_restarts(*service, *slot, history.as_ref()))
            }
            Change::DeleteService(id) => self.delete_service(*id).map(Some),
            Change::CreateTask(new) => self.create_task(new).map(Some),
            Change::SetPending { task, message, at } => Ok(self.set_pending(*task, message, *at)),
            Change::AssignTask { task, node, at, addresses } => {
                self.assign_task(*task, *node, *at, addresses)
            }
            Change::SetDesired { task, desired } => Ok(self.set_desired(*task, *desired)),
            Change::ReportStatus { task, status } => Ok(self.report_status(*task, status)),
            Change::DeleteTask(id) => Ok(self.delete_task(*id)),
            Change::PutNetwork(network) => self.put_network(network).map(Some),
            Change::DeleteNetwork(id) => self.delete_network(*id).map(Some),
            Change::SetNodeLease { network, node, lease } => {
                self.set_node_lease(*network, *node, lease.as_ref())
            }
            Change::SetVips { service, vips } => self.set_vips(*service, vips),
            Change::ConnectTask { task, address, aliases } => self.connect_task(*task, *address, aliases),
            Change::DisconnectTask { task, network, force } => {
                Ok(self.disconnect_task(*task, *network, *force))
            }
            Change::PutPayload(payload) => self.put_payload(payload).map(Some),
            Change::AddEdition { payload, edition, content, roll, at } => {
                self.add_edition(*payload, *edition, content, *roll, *at).map(Some)
            }
            Change::SetPayloadLabels { payload, labels, at } => {
                self.set_payload_labels(*payload, labels, *at).map(Some)
            }
            Change::DropEditions { payload, editions } => Ok(self.drop_editions(*payload, editions)),
            Change::DeletePayload(id) => self.delete_payload(*id).map(Some),
            Change::SetJobRun { service, run } => Ok(self.set_job_run(*service, run)),
            Change::PutStack(stack) => self.put_stack(stack).map(Some),
            Change::DeleteStack(id) => Ok(self.delete_stack(*id)),
        }
    }

    fn put_cluster(&mut self, cluster: &Cluster) -> Event {
        // Who changes settings may have read them before the last network was made.
        let last_vni = self.cluster.as_ref().map_or(cluster.last_vni, |known| known.last_vni);
        self.cluster = Some(Arc::new(Cluster { version: self.version, last_vni, ..cluster.clone() }));
        put(ObjectId::Cluster)
    }

    fn put_node(&mut self, node: &Node) -> Event {
        self.nodes.insert_mut(node.id, Arc::new(Node { version: self.version, ..node.clone() }));
        self.touch_networks_of_node(node.id);
        put(ObjectId::Node(node.id))
    }

    /// Touches nothing that a person or the node itself may be writing at the same time.
    fn set_node_status(&mut self, id: NodeId, status: &NodeStatus) -> Option<Event> {
        if self.nodes.get(&id)?.status == *status {
            return None;
        }
        let node = Arc::make_mut(self.nodes.get_mut(&id)?);
        node.status = status.clone();
        node.version = self.version;
        self.touch_networks_of_node(id);
        Some(put(ObjectId::Node(id)))
    }

    fn delete_node(&mut self, id: NodeId) -> Result<Event, Refusal> {
        if self.tasks_on(id).any(|task| !task.status.state.is_terminal()) {
            return Err(Refusal::InUse(ObjectId::Node(id)));
        }
        self.give_up_leases_of(id);
        self.nodes.remove_mut(&id);
        Ok(deleted(ObjectId::Node(id)))
    }
}

fn put(object: ObjectId) -> Event {
    Event { object, kind: EventKind::Put, node: None }
}

fn deleted(object: ObjectId) -> Event {
    Event { object, kind: EventKind::Deleted, node: None }
}
