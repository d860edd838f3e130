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
        let avoid = BTreeSet::new();
        Self { service: task.service, spec: &task.spec, scarce, networks: networks.to_vec(), avoid }
    }

    /// Avoids the nodes that rejected a task like it: they may lack what nobody told of, such as an image or a link.
    /// And for a while those on which several failed, as may be the node's doing.
    pub fn avoiding_failures(self, state: &State, task: &Task, now: Timestamp) -> Self {
        let (mut avoid, mut failures) = (BTreeSet::new(), BTreeMap::<NodeId, usize>::new());
        for other in state.tasks_of(task.service).filter(|other| other.task_version == task.task_version) {
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

/// Checks what placing other tasks does not change.
fn check_node<'a>(room: &Room<'_>, need: &Need<'a>) -> Result<(), Unfit<'a>> {
    match (room.node.status.state, room.node.spec.availability) {
        (NodeState::Down, _) => return Err(Unfit::Down),
        (NodeState::Unknown, _) => return Err(Unfit::Unregistered),
        (NodeState::Ready, Availability::Drain) => return Err(Unfit::Drained),
        (NodeState::Ready, Availability::Pause) => return Err(Unfit::Paused),
        (NodeState::Ready, Availability::Active) if !room.is_connected => return Err(Unfit::Disconnected),
        (NodeState::Ready, Availability::Active) => {}
    }
    if let Some(constraint) = placement::first_unmet(room.node, &need.spec.task.constraints) {
        return Err(Unfit::Constraint(constraint));
    }
    match need.networks.iter().find(|network| hidden_by(network, room.node).is_some()) {
        Some(network) => Err(Unfit::Hidden(network.spec.name.as_str())),
        None => Ok(()),
    }
}

/// Checks what each task placed takes away.
pub(super) fn check_room<'a>(room: &Room<'_>, need: &Need<'a>) -> Result<(), Unfit<'a>> {
    let wanted = need.spec.task.reservations;
    if wanted.nano_cpus > room.free.nano_cpus {
        return Err(Unfit::Cpus);
    }
    if wanted.memory_bytes > room.free.memory_bytes {
        return Err(Unfit::Memory);
    }
    if let Some(port) = host_ports(need.spec).find(|port| room.ports.contains(port)) {
        return Err(Unfit::Port(port));
    }
    match need.spec.task.max_replicas_per_node {
        Some(max) if room.tasks_of(need.service) >= max => return Err(Unfit::MaxReplicas(max)),
        _ => {}
    }
    match need.scarce.iter().find(|network| !network.members.contains(&room.node.id)) {
        Some(network) => Err(Unfit::Addresses(network.name)),
        None => Ok(()),
    }
}
