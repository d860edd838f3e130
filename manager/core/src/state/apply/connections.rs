//! Applying changes of the networks that one task is connected to by hand.

use super::Refusal;
use crate::state::{Event, Holder, ObjectId, State};
use proto::model::{Name, NetworkAddress, NetworkId, Task, TaskConnection, TaskId, TaskStatus};
use std::collections::BTreeSet;

impl State {
    pub(super) fn connect_task(
        &mut self,
        id: TaskId,
        address: NetworkAddress,
        aliases: &BTreeSet<Name>,
    ) -> Result<Option<Event>, Refusal> {
        let NetworkAddress { network, number } = address;
        let task = self.task(id).ok_or(Refusal::NotFound(ObjectId::Task(id)))?;
        if task.addresses.iter().any(|held| held.network == network) {
            return Err(Refusal::InUse(ObjectId::Network(network)));
        }
        let node = task.node.ok_or(Refusal::NotFound(ObjectId::Task(id)))?;
        self.check_number(network, number, Holder::Task(id))?;
        self.check_takes_part(network, node)?;
        let version = self.version();
        Ok(self.change_task(id, |task| {
            task.addresses.push(address);
            task.connections.push(TaskConnection {
                network,
                aliases: aliases.clone(),
                version,
                leaving: false,
            });
            true
        }))
    }

    /// Takes a task out of a network. It keeps its number until its node has carried that out, unless
    /// `force` gives the number up at once.
    pub(super) fn disconnect_task(&mut self, id: TaskId, network: NetworkId, force: bool) -> Option<Event> {
        let version = self.version();
        let mut left = Vec::new();
        let event = self.change_task(id, |task| {
            let Some(connection) = task.connections.iter_mut().find(|it| it.network == network) else {
                return false;
            };
            if !connection.leaving {
                (connection.leaving, connection.version) = (true, version);
            } else if !force {
                return false;
            }
            if force {
                take_out(task, network, &mut left);
            }
            true
        });
        self.give_all_up(id, left);
        event
    }

    pub(super) fn report_status(&mut self, id: TaskId, status: &TaskStatus) -> Option<Event> {
        let mut left = Vec::new();
        let event = self.change_task(id, |task| {
            let is_news = super::tasks::advance(task, status);
            note_carried_out(task, status.connections_version, &mut left) || is_news
        });
        self.give_all_up(id, left);
        event
    }

    fn give_all_up(&mut self, task: TaskId, left: Vec<NetworkAddress>) {
        for address in left {
            self.give_up(address.network, address.number, Holder::Task(task));
            self.touch(address.network);
        }
    }
}

/// Notes how far the node is with a task's connections; forgets those that it was to undo and has. Says
/// whether anything changed.
fn note_carried_out(task: &mut Task, version: u64, left: &mut Vec<NetworkAddress>) -> bool {
    if version <= task.status.connections_version {
        return false;
    }
    task.status.connections_version = version;
    let is_done = |connection: &&TaskConnection| connection.leaving && connection.version <= version;
    let done: Vec<NetworkId> = task.connections.iter().filter(is_done).map(|it| it.network).collect();
    for network in done {
        take_out(task, network, left);
        task.connections.retain(|connection| connection.network != network);
    }
    true
}

/// Moves a task's address in a network to those that are left.
fn take_out(task: &mut Task, network: NetworkId, left: &mut Vec<NetworkAddress>) {
    left.extend(task.addresses.extract_if(.., |address| address.network == network));
}
