//! Applying changes of tasks.

use super::{Refusal, deleted, put};
use crate::{
    state::{Event, Holder, NewTask, ObjectId, State},
    updater::canary,
};
use proto::model::{
    DesiredState, HealthStatus, Id, NetworkAddress, NetworkId, NodeId, Task, TaskId, TaskState, TaskStatus,
    Timestamp,
};
use std::{sync::Arc, time::Duration};

impl State {
    pub(super) fn create_task(&mut self, new: &NewTask) -> Result<Event, Refusal> {
        if self.tasks.contains_key(&new.id) {
            return Err(Refusal::Exists(ObjectId::Task(new.id)));
        }
        let service =
            self.services.get(&new.service).ok_or(Refusal::NotFound(ObjectId::Service(new.service)))?;
        let (spec, task_version) = canary::wanted(service, new.slot);
        let task = Task {
            id: new.id,
            version: self.version,
            created_at: self.creation_time(new),
            service: new.service,
            slot: new.slot,
            spec: spec.clone(),
            task_version,
            node: new.node,
            desired: new.desired,
            start_after: new.start_after,
            status: TaskStatus::new(new.at),
            addresses: Vec::new(),
            connections: Vec::new(),
        };
        self.index_task(&task);
        self.tasks_by_service.insert_mut((task.service, task.slot, task.id));
        let event = Event { node: task.node, ..put(ObjectId::Task(task.id)) };
        self.tasks.insert_mut(task.id, Arc::new(task));
        Ok(event)
    }

    /// When the task counts as made. Which of a slot's tasks came first must not depend on how well the
    /// clocks of two leaders agree, nor on their resolution: it is later than those made before it.
    fn creation_time(&self, new: &NewTask) -> Timestamp {
        let (first, last) = (Id::from_bits(0), Id::from_bits(u128::MAX));
        let slot = (new.service, new.slot, first)..=(new.service, new.slot, last);
        let before = self.tasks_by_service.range(slot).filter_map(|(_, _, id)| self.task(*id));
        let newest = before.map(|task| task.created_at).max();
        newest.map_or(new.at, |newest| new.at.max(newest + Duration::from_millis(1)))
    }

    pub(super) fn set_pending(&mut self, id: TaskId, message: &str, at: Timestamp) -> Option<Event> {
        self.change_task(id, |task| {
            let status = TaskStatus { message: message.to_owned(), ..TaskStatus::new(at) };
            advance(task, &TaskStatus { state: TaskState::Pending, ..status })
        })
    }

    pub(super) fn assign_task(
        &mut self,
        id: TaskId,
        node: NodeId,
        at: Timestamp,
        addresses: &[NetworkAddress],
    ) -> Result<Option<Event>, Refusal> {
        if self.node(node).is_none() {
            return Err(Refusal::NotFound(ObjectId::Node(node)));
        }
        for &NetworkAddress { network, number } in addresses {
            self.check_number(network, number, Holder::Task(id))?;
            self.check_takes_part(network, node)?;
        }
        Ok(self.change_task(id, |task| {
            // A task is immutable once it has a node.
            if task.status.state >= TaskState::Assigned {
                return false;
            }
            task.node = Some(node);
            task.addresses = addresses.to_vec();
            let status =
                TaskStatus { message: "scheduler assigned task to node".into(), ..TaskStatus::new(at) };
            advance(task, &TaskStatus { state: TaskState::Assigned, ..status })
        }))
    }

    /// Refuses a network in which a node has no router, though nodes have them there.
    pub(super) fn check_takes_part(&self, network: NetworkId, node: NodeId) -> Result<(), Refusal> {
        let known = self.network(network);
        match known.is_some_and(|it| !it.spec.kind.has_routers() || it.nodes.contains_key(&node)) {
            true => Ok(()),
            false => Err(Refusal::NoLease { network, node }),
        }
    }

    pub(super) fn set_desired(&mut self, id: TaskId, desired: DesiredState) -> Option<Event> {
        self.change_task(id, |task| raise(task, desired))
    }

    pub(super) fn delete_task(&mut self, id: TaskId) -> Option<Event> {
        let task = self.tasks.get(&id)?.clone();
        self.tasks.remove_mut(&id);
        self.tasks_by_service.remove_mut(&(task.service, task.slot, id));
        self.tasks_unplaced.remove_mut(&id);
        self.touch_networks_of_task(&task);
        for address in &task.addresses {
            self.give_up(address.network, address.number, Holder::Task(id));
        }
        if let Some(node) = task.node {
            self.tasks_by_node.remove_mut(&(node, id));
        }
        Some(Event { node: task.node, ..deleted(ObjectId::Task(id)) })
    }

    /// Changes a task in place. A task that is gone, or that the change leaves as it was, gives no
    /// event: reports about it may come late, which does no harm.
    pub(super) fn change_task(
        &mut self,
        id: TaskId,
        change: impl FnOnce(&mut Task) -> bool,
    ) -> Option<Event> {
        let mut task = Task::clone(self.tasks.get(&id)?);
        if !change(&mut task) {
            return None;
        }
        task.version = self.version;
        self.index_task(&task);
        let event = Event { node: task.node, ..put(ObjectId::Task(id)) };
        self.tasks.insert_mut(id, Arc::new(task));
        Some(event)
    }

    /// Brings the indexes that depend on a task's node and state up to date.
    pub(in crate::state) fn index_task(&mut self, task: &Task) {
        self.index_numbers_of(task);
        self.touch_networks_of_task(task);
        if let Some(node) = task.node {
            self.tasks_by_node.insert_mut((node, task.id));
        }
        if task.status.state < TaskState::Assigned {
            self.tasks_unplaced.insert_mut(task.id);
        } else {
            self.tasks_unplaced.remove_mut(&task.id);
        }
    }
}

/// Moves a task's observed state forward; says whether anything changed.
pub(super) fn advance(task: &mut Task, status: &TaskStatus) -> bool {
    let behind = status.state < task.status.state || task.status.state.is_terminal();
    // Within a state only a new message counts, so that a repeated report writes nothing.
    let serial = |health: &Option<HealthStatus>| health.as_ref().map(|health| health.serial);
    let is_newer = serial(&status.health) > serial(&task.status.health);
    let same = status.state == task.status.state
        && status.message == task.status.message
        && status.error == task.status.error
        && !is_newer;
    // The managers give a task up for good even if its last known state was a terminal one.
    let orphaned = status.state == TaskState::Orphaned && task.status.state != TaskState::Orphaned;
    if (behind && !orphaned) || same {
        return false;
    }
    let pid = status.pid.or(task.status.pid);
    let connections_version = task.status.connections_version;
    let health = if is_newer { status.health.clone() } else { task.status.health.take() };
    task.status = TaskStatus { pid, connections_version, health, ..status.clone() };
    true
}

/// Raises a task's desired state; says whether anything changed.
fn raise(task: &mut Task, desired: DesiredState) -> bool {
    if desired <= task.desired {
        return false;
    }
    task.desired = desired;
    true
}
