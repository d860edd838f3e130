//! Who holds the numbers of networks: an index, kept up to date with what the objects say.
//!
//! A task holds its numbers from when it is assigned until its end is confirmed, a service its virtual
//! addresses, a node the number of its router. Nothing that is held is ever given to anyone else.

use super::{ObjectId, Refusal, State};
use crate::orchestrator::slots::holds_node;
use proto::model::{NetworkId, NodeId, NodeLease, ServiceId, Task, TaskId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Holder {
    /// A task.
    Task(TaskId),
    /// A service, as its virtual address.
    Service(ServiceId),
    /// A node, for its router.
    Node(NodeId),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Task(id) => write!(f, "task {id}"),
            Holder::Service(id) => write!(f, "service {id}"),
            Holder::Node(id) => write!(f, "node {id}"),
        }
    }
}

impl State {
    /// Who holds a number of a network.
    pub fn holder(&self, network: NetworkId, number: u32) -> Option<Holder> {
        self.numbers.get(&(network, number)).copied()
    }

    /// The numbers of a network that are held, in order, and by whom.
    pub fn held_in(&self, network: NetworkId) -> impl Iterator<Item = (u32, Holder)> {
        let all = (network, 0)..=(network, u32::MAX);
        self.numbers.range(all).map(|(&(_, number), &holder)| (number, holder))
    }

    /// The blocks of a network that nodes hold, in order.
    pub fn blocks_in(&self, network: NetworkId) -> impl Iterator<Item = (u32, NodeId)> {
        let all = (network, 0)..=(network, u32::MAX);
        self.blocks.range(all).map(|(&(_, block), &node)| (block, node))
    }

    /// Refuses a number that does not exist, or that someone else holds.
    pub(super) fn check_number(
        &self,
        network: NetworkId,
        number: u32,
        wanted_by: Holder,
    ) -> Result<(), Refusal> {
        let known = self.network(network).ok_or(Refusal::NotFound(ObjectId::Network(network)))?;
        match self.holder(network, number) {
            _ if !crate::ipam::is_usable(known, number) => Err(Refusal::NoSuchNumber { network, number }),
            Some(holder) if holder != wanted_by => Err(Refusal::NumberTaken { network, number, holder }),
            _ => Ok(()),
        }
    }

    pub(super) fn hold(&mut self, network: NetworkId, number: u32, holder: Holder) {
        self.numbers.insert_mut((network, number), holder);
    }

    /// Gives a number up, if that one holds it.
    pub(super) fn give_up(&mut self, network: NetworkId, number: u32, holder: Holder) {
        if self.holder(network, number) == Some(holder) {
            self.numbers.remove_mut(&(network, number));
        }
    }

    /// Enters what a task holds, or takes it out once its end is confirmed.
    pub(super) fn index_numbers_of(&mut self, task: &Task) {
        for address in &task.addresses {
            match holds_node(task) {
                true => self.hold(address.network, address.number, Holder::Task(task.id)),
                false => self.give_up(address.network, address.number, Holder::Task(task.id)),
            }
        }
    }

    pub(super) fn index_lease(&mut self, network: NetworkId, node: NodeId, lease: &NodeLease) {
        self.hold(network, lease.number, Holder::Node(node));
        for &block in &lease.blocks {
            self.blocks.insert_mut((network, block), node);
        }
    }

    pub(super) fn forget_lease(&mut self, network: NetworkId, node: NodeId, lease: &NodeLease) {
        self.give_up(network, lease.number, Holder::Node(node));
        for &block in &lease.blocks {
            self.blocks.remove_mut(&(network, block));
        }
    }
}
