//! Reading the state.

use super::{ObjectId, State};
use crate::networks;
use proto::model::{
    Cluster, Id, Name, Network, NetworkId, Node, NodeId, Payload, PayloadId, PayloadKind, PayloadName,
    Service, ServiceId, ServiceSpec, SlotKey, Stack, StackId, Task, TaskId,
};
use std::sync::Arc;

impl State {
    /// The number of transactions applied so far.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The version of an object; zero if it does not exist.
    pub fn version_of(&self, object: ObjectId) -> u64 {
        let version = match object {
            ObjectId::Cluster => self.cluster.as_ref().map(|cluster| cluster.version),
            ObjectId::Node(id) => self.node(id).map(|node| node.version),
            ObjectId::Service(id) => self.service(id).map(|service| service.version),
            ObjectId::ServiceSpec(id) => self.service(id).map(|service| service.spec_version),
            ObjectId::Task(id) => self.task(id).map(|task| task.version),
            ObjectId::Network(id) => self.network(id).map(|network| network.version),
            ObjectId::Payload(id) => self.payload(id).map(|payload| payload.version),
            ObjectId::Stack(id) => self.stack(id).map(|stack| stack.version),
        };
        version.unwrap_or(0)
    }

    /// The cluster object; there is none before init.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// A service.
    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    /// All services, by id.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The service of that name that is not being removed.
    pub fn service_named(&self, name: &Name) -> Option<&Arc<Service>> {
        self.service_names.get(name).and_then(|id| self.services.get(id))
    }

    /// A network.
    pub fn network(&self, id: NetworkId) -> Option<&Arc<Network>> {
        self.networks.get(&id)
    }

    /// All networks, by id.
    pub fn networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.values()
    }

    /// The services that are in a network by their spec, or by the one before, to which they may go back.
    pub fn services_in(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Service>> {
        let network = self.network(network);
        let is_in = move |spec: &ServiceSpec| network.is_some_and(|network| networks::uses(network, spec));
        self.services().filter(move |service| {
            is_in(&service.spec) || service.previous.as_ref().is_some_and(|it| is_in(&it.spec))
        })
    }

    /// The network of that name.
    pub fn network_named(&self, name: &Name) -> Option<&Arc<Network>> {
        self.network_names.get(name).and_then(|id| self.networks.get(id))
    }

    /// A secret or config.
    pub fn payload(&self, id: PayloadId) -> Option<&Arc<Payload>> {
        self.payloads.get(&id)
    }

    /// All secrets and configs, by id.
    pub fn payloads(&self) -> impl Iterator<Item = &Arc<Payload>> {
        self.payloads.values()
    }

    /// The secret or config of that name.
    pub fn payload_named(&self, kind: PayloadKind, name: &PayloadName) -> Option<&Arc<Payload>> {
        self.payload_names.get(&(kind, name.clone())).and_then(|id| self.payloads.get(id))
    }

    /// A stack.
    pub fn stack(&self, id: StackId) -> Option<&Arc<Stack>> {
        self.stacks.get(&id)
    }

    /// All stacks, by id.
    pub fn stacks(&self) -> impl Iterator<Item = &Arc<Stack>> {
        self.stacks.values()
    }

    /// The stack of that name. There are few, so they are not indexed by name.
    pub fn stack_named(&self, name: &Name) -> Option<&Arc<Stack>> {
        self.stacks().find(|stack| stack.spec.name == *name)
    }

    /// A task.
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    /// All tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    /// The tasks of a service, those of one slot side by side.
    pub fn tasks_of(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        let first = (service, SlotKey::Replica(0), Id::from_bits(0));
        let last = (service, SlotKey::Node(Id::from_bits(u128::MAX)), Id::from_bits(u128::MAX));
        self.tasks_by_service.range(first..=last).filter_map(|(_, _, id)| self.task(*id))
    }

    /// The tasks on a node, ended ones included.
    pub fn tasks_on(&self, node: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        let (first, last) = ((node, Id::from_bits(0)), (node, Id::from_bits(u128::MAX)));
        self.tasks_by_node.range(first..=last).filter_map(|(_, id)| self.task(*id))
    }

    /// The tasks that wait for a node.
    pub fn tasks_unplaced(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks_unplaced.iter().filter_map(|id: &TaskId| self.task(*id))
    }
}
