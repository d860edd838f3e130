//! Scheduler: chooses the node of each pending task, once and for good.
//!
//! ```text
//! pending tasks -> groups of alike tasks -> filter nodes -> spread -> score -> assign
//!                                               '------------------------> explain
//! ```
//!
//! Tasks of the same service and task version are alike. For each such group every node is filtered
//! once (`filter`); the fitting ones go into a tree by the group's spread preferences whose leaves
//! are ordered by score (`spread`). A task takes the best node, and only that node is looked at again,
//! so placing costs a logarithm of the number of nodes, not the number. What a task reserves, and the
//! host ports it publishes, are leased from when it is assigned until the agent confirms its end, or
//! it is orphaned.
//!
//! A task that finds no node stays pending, with a message that says why (`explain`). A task of a
//! global service has its node from the start; it is only checked whether it fits there now.

mod explain;
mod filter;
mod room;
mod spread;
#[cfg(test)]
mod tests;

use crate::{
    Decision,
    state::{Change, State},
};
use filter::Need;
use proto::model::{DesiredState, ServiceId, Task, TaskState, Timestamp};
use room::Room;
use spread::Tree;
use std::collections::BTreeMap;

/// Assigns pending tasks to nodes, or says why they find none.
///
/// The nodes are not expected to be unchanged: a task that is placed on one that is being drained at
/// the same time is moved by the enforcer, like those that were there before.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let mut groups: BTreeMap<(ServiceId, u64), Vec<&Task>> = BTreeMap::new();
    for task in state.tasks_unplaced().filter(|task| waits(task)) {
        groups.entry((task.service, task.task_version)).or_default().push(task);
    }
    if groups.is_empty() {
        return decision;
    }
    let mut groups: Vec<Vec<&Task>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|task| (task.slot, task.id));
    }
    // Whoever has waited longest is served first.
    groups.sort_by_key(|group| (group.iter().map(|task| task.created_at).min(), group[0].service));
    let mut rooms: Vec<Room<'_>> = state.nodes().map(|node| Room::of(state, node)).collect();
    for group in groups {
        place(&group, &mut rooms, now, &mut decision);
    }
    decision
}

fn waits(task: &Task) -> bool {
    task.status.state == TaskState::Pending && task.desired <= DesiredState::Running
}

fn place(group: &[&Task], rooms: &mut [Room<'_>], now: Timestamp, decision: &mut Decision) {
    let need = Need::of(group[0]);
    let (preset, free): (Vec<&Task>, Vec<&Task>) = group.iter().partition(|task| task.node.is_some());
    for task in preset {
        place_on_own_node(task, &need, rooms, now, decision);
    }
    if free.is_empty() {
        return;
    }
    let mut tree = Tree::grow(rooms, &need);
    let mut left = free.into_iter();
    for task in left.by_ref() {
        let Some(chosen) = tree.take_best(rooms, &need) else {
            // The others are like it, so none of them fits either.
            let message = explain::no_suitable_node(rooms, &need);
            for task in std::iter::once(task).chain(left) {
                say(task, &message, now, decision);
            }
            return;
        };
        assign(task, &rooms[chosen], now, decision);
    }
}

fn place_on_own_node(
    task: &Task,
    need: &Need<'_>,
    rooms: &mut [Room<'_>],
    now: Timestamp,
    decision: &mut Decision,
) {
    // The rooms are in order of the nodes' ids.
    let own = task.node.and_then(|id| rooms.binary_search_by_key(&id, |room| room.node.id).ok());
    let Some(room) = own.map(|place| &mut rooms[place]) else {
        return say(task, "its node was removed", now, decision);
    };
    match filter::check(room, need) {
        Ok(()) => {
            room.take(need);
            assign(task, room, now, decision);
        }
        Err(unfit) => say(task, &explain::own_node_unfit(room, need, &unfit), now, decision),
    }
}

fn assign(task: &Task, room: &Room<'_>, now: Timestamp, decision: &mut Decision) {
    decision.propose(None, [Change::AssignTask { task: task.id, node: room.node.id, at: now }]);
}

fn say(task: &Task, message: &str, now: Timestamp, decision: &mut Decision) {
    if task.status.message != message {
        decision.propose(None, [Change::SetPending { task: task.id, message: message.to_owned(), at: now }]);
    }
}
