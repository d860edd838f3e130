//! Whether a node fits a task, and the first reason why not.

use super::{
    addresses::Scarce,
    room::{HostPort, Room, host_ports},
};
use crate::{networks::hidden_by, placement, state::State};
use proto::model::{
    Availability, Constraint, Network, NodeId, NodeState, ServiceId, ServiceSpec, Task, TaskState, Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// So many failed tasks make a node be avoided. Docker's number is 5, of which a slot's history would hold no more.
const FAILURES_MAX: usize = 3;
/// How long after it was made a task that failed counts; docker's time.
const FAILURES_COUNT: Duration = Duration::from_secs(300);

/// What the tasks of a group need.
pub(super) struct Need<'a> {
    pub service: ServiceId,
    pub spec: &'a ServiceSpec,
    /// The networks in which not every node can have another task.
    pub scarce: Vec<Scarce<'a>>,
    pub networks: Vec<&'a Network>,
    /// Nodes that are to be taken only if no other fits.
    pub avoid: BTreeSet<NodeId>,
}

/// Why a node does not fit. In the order of the checks: what a node is comes before what it has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unfit<'a> {
    Down,
    Unregistered,
    Drained,
    Paused,
    Disconnected,
    Constraint(&'a Constraint),
    Cpus,
    Memory,
    Port(HostPort),
    MaxReplicas(u32),
    Addresses(&'a str),
    Hidden(&'a str),
}

impl<'a> Need<'a> {
    pub fn of(task: &'a Task, scarce: Vec<Scarce<'a>>, networks: &[&'a Network]) -> Self {
        Self::of_spec(task.service, &task.spec, scarce, networks)
    }

    /// What a task of a service's spec needs.
    pub fn of_spec(
        service: ServiceId,
        spec: &'a ServiceSpec,
        scarce: Vec<Scarce<'a>>,
        networks: &[&'a Network],
    ) -> Self {
        Self { service, spec, scarce, networks: networks.to_vec(), avoid: BTreeSet::new() }
    }

    /// Avoids the nodes that rejected a task like it: they may lack what nobody told of, such as an image or a link.
    /// And for a while those on which several failed, as may be the node's doing.
    pub fn avoiding_failures(self, state: &State, task_version: u64, now: Timestamp) -> Self {
        let (mut avoid, mut failures) = (BTreeSet::new(), BTreeMap::<NodeId, usize>::new());
        for other in state.tasks_of(self.service).filter(|other| other.task_version == task_version) {
            let Some(node) = other.node else { continue };
            match other.status.state {
                TaskState::Rejected => {
                    avoid.insert(node);
                }
                // By the leader's clock, since those of nodes differ.
                TaskState::Failed if now.since(other.created_at) < FAILURES_COUNT => {
                    *failures.entry(node).or_default() += 1;
                }
                _ => {}
            }
        }
        avoid.extend(failures.iter().filter(|(_, count)| **count >= FAILURES_MAX).map(|(node, _)| *node));
        Self { avoid, ..self }
    }
}

/// Whether a node fits.
pub(super) fn check<'a>(room: &Room<'_>, need: &Need<'a>) -> Result<(), Unfit<'a>> {
    check_node(room, need)?;
    check_room(room, need)
}

/// Every reason why a node does not fit, in the order of the checks.
pub(super) fn reasons<'a>(room: &Room<'_>, need: &Need<'a>) -> Vec<Unfit<'a>> {
    let unmet = |constraint: &&Constraint| {
        placement::first_unmet(room.node, std::slice::from_ref(constraint)).is_some()
    };
    let constraints = need.spec.task.constraints.iter().filter(unmet).map(Unfit::Constraint);
    let of_node = state(room).into_iter().chain(constraints).chain(hidden(room, need));
    let of_room = [cpus(room, need), memory(room, need), port(room, need), replicas(room, need)];
    of_node.chain(of_room.into_iter().flatten()).chain(addresses(room, need)).collect()
}

/// Checks what placing other tasks does not change.
fn check_node<'a>(room: &Room<'_>, need: &Need<'a>) -> Result<(), Unfit<'a>> {
    let unmet = || placement::first_unmet(room.node, &need.spec.task.constraints).map(Unfit::Constraint);
    state(room).or_else(unmet).or_else(|| hidden(room, need)).map_or(Ok(()), Err)
}

/// Checks what each task placed takes away.
pub(super) fn check_room<'a>(room: &Room<'_>, need: &Need<'a>) -> Result<(), Unfit<'a>> {
    cpus(room, need)
        .or_else(|| memory(room, need))
        .or_else(|| port(room, need))
        .or_else(|| replicas(room, need))
        .or_else(|| addresses(room, need))
        .map_or(Ok(()), Err)
}

fn state<'a>(room: &Room<'_>) -> Option<Unfit<'a>> {
    match (room.node.status.state, room.node.spec.availability) {
        (NodeState::Down, _) => Some(Unfit::Down),
        (NodeState::Unknown, _) => Some(Unfit::Unregistered),
        (NodeState::Ready, Availability::Drain) => Some(Unfit::Drained),
        (NodeState::Ready, Availability::Pause) => Some(Unfit::Paused),
        (NodeState::Ready, Availability::Active) => (!room.is_connected).then_some(Unfit::Disconnected),
    }
}

fn hidden<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    let network = need.networks.iter().find(|network| hidden_by(network, room.node).is_some())?;
    Some(Unfit::Hidden(network.spec.name.as_str()))
}

fn cpus<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    (need.spec.task.reservations.nano_cpus > room.free.nano_cpus).then_some(Unfit::Cpus)
}

fn memory<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    (need.spec.task.reservations.memory_bytes > room.free.memory_bytes).then_some(Unfit::Memory)
}

fn port<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    host_ports(need.spec).find(|port| room.ports.contains(port)).map(Unfit::Port)
}

fn replicas<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    let most = need.spec.task.max_replicas_per_node?;
    (room.tasks_of(need.service) >= most).then_some(Unfit::MaxReplicas(most))
}

fn addresses<'a>(room: &Room<'_>, need: &Need<'a>) -> Option<Unfit<'a>> {
    let network = need.scarce.iter().find(|network| !network.members.contains(&room.node.id))?;
    Some(Unfit::Addresses(network.name))
}
