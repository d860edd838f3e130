//! What a node has left for tasks.

use super::filter::Need;
use crate::{
    orchestrator::slots::{holds_node, is_live},
    state::State,
};
use proto::model::{Node, PortProtocol, Reservations, ServiceId, ServiceSpec};
use std::collections::{BTreeMap, BTreeSet};

/// A port on a node.
pub(super) type HostPort = (PortProtocol, u16);

/// A node, and what it has left.
pub(super) struct Room<'a> {
    pub node: &'a Node,
    /// Whether it has a session with the leader.
    pub is_connected: bool,
    /// What no task has reserved.
    pub free: Reservations,
    pub ports: BTreeSet<HostPort>,
    /// The tasks on it that are meant to be ready or to run.
    pub tasks: u32,
    /// Of these, those of each service.
    pub by_service: BTreeMap<ServiceId, u32>,
}

impl<'a> Room<'a> {
    /// What a node has left beside the tasks on it whose end is not confirmed.
    pub fn of(state: &'a State, node: &'a Node, is_connected: bool) -> Self {
        let total = node.description.as_ref().map_or(Reservations::default(), |description| Reservations {
            nano_cpus: description.nano_cpus,
            memory_bytes: description.memory_bytes,
        });
        let (ports, by_service) = (BTreeSet::new(), BTreeMap::new());
        let mut room = Room { node, is_connected, free: total, ports, tasks: 0, by_service };
        for task in state.tasks_on(node.id).filter(|task| holds_node(task)) {
            room.lease(&task.spec);
            // A task that is on its way out holds what it has, but is none to spread against.
            if is_live(task) {
                room.count(task.service);
            }
        }
        room
    }

    /// Leases what a new task needs.
    pub fn take(&mut self, need: &Need<'_>) {
        self.lease(need.spec);
        self.count(need.service);
    }

    /// How many tasks of the service are meant to be here.
    pub fn tasks_of(&self, service: ServiceId) -> u32 {
        self.by_service.get(&service).copied().unwrap_or(0)
    }

    fn lease(&mut self, spec: &ServiceSpec) {
        let reserved = spec.task.reservations;
        self.free.nano_cpus = self.free.nano_cpus.saturating_sub(reserved.nano_cpus);
        self.free.memory_bytes = self.free.memory_bytes.saturating_sub(reserved.memory_bytes);
        self.ports.extend(host_ports(spec));
    }

    fn count(&mut self, service: ServiceId) {
        self.tasks += 1;
        *self.by_service.entry(service).or_default() += 1;
    }
}

/// The ports of the node itself that a task takes.
pub(super) fn host_ports(spec: &ServiceSpec) -> impl Iterator<Item = HostPort> {
    spec.host_ports().filter_map(|port| Some((port.protocol, port.published?.get())))
}
