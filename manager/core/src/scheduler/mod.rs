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
//! so placing costs a logarithm of the number of nodes, not the number. What a task reserves, the host
//! ports it publishes and its addresses (`addresses`) are leased from when it is assigned until the
//! agent confirms its end, or it is orphaned.
//!
//! Nodes that rejected a task of the version, or on which several have failed lately, are taken only if no other fits.
//!
//! A task that finds no node stays pending, with a message that says why (`explain`). A task of a
//! global service has its node from the start; it is only checked whether it fits there now.

mod addresses;
mod explain;
mod filter;
mod fits;
mod room;
mod spread;
#[cfg(test)]
mod tests;

use crate::{
    Decision,
    liveness::Liveness,
    networks::{lacks_vip, networks_of},
    stacks,
    state::{Change, State},
};
pub use fits::{NodeFit, fits};

use addresses::Addresses;
use filter::Need;
use proto::model::{DesiredState, Network, NodeId, ServiceId, Task, TaskState, Timestamp};
use room::Room;
use spread::Tree;
use std::collections::BTreeMap;

/// Assigns pending tasks to nodes, or says why they find none.
///
/// The nodes are not expected to be unchanged: a task that is placed on one that is being drained at
/// the same time is moved by the enforcer, like those that were there before.
pub fn decide(state: &State, now: Timestamp, liveness: &Liveness) -> Decision {
    let mut groups: BTreeMap<(ServiceId, u64), Vec<&Task>> = BTreeMap::new();
    for task in state.tasks_unplaced().filter(|task| waits(task)) {
        groups.entry((task.service, task.task_version)).or_default().push(task);
    }
    // The allocator says what these wait for.
    let has_vips = |id| state.service(id).is_none_or(|service| lacks_vip(state, service).is_none());
    let waiting = stacks::waiting(state);
    groups.retain(|(service, _), _| has_vips(*service) && !waiting.contains_key(service));
    if groups.is_empty() {
        return Decision::default();
    }
    if let Some(until) = liveness.gathers_until(state).filter(|&until| until > now) {
        let mut later = Decision::default();
        later.wake(until);
        return later;
    }
    let mut groups: Vec<Vec<&Task>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|task| (task.slot, task.id));
    }
    // Whoever has waited longest is served first.
    groups.sort_by_key(|group| (group.iter().map(|task| task.created_at).min(), group[0].service));
    let mut placing = Placing {
        state,
        rooms: state.nodes().map(|node| Room::of(state, node, liveness.is_connected(node.id))).collect(),
        addresses: Addresses::new(state),
        now,
        decision: Decision::default(),
    };
    for group in groups {
        placing.place(&group);
    }
    placing.decision
}

fn waits(task: &Task) -> bool {
    task.status.state == TaskState::Pending && task.desired <= DesiredState::Running
}

/// What is left after the tasks that were placed so far.
struct Placing<'a> {
    state: &'a State,
    /// In order of the nodes' ids.
    rooms: Vec<Room<'a>>,
    addresses: Addresses<'a>,
    now: Timestamp,
    decision: Decision,
}

impl<'a> Placing<'a> {
    /// Places tasks that are alike.
    fn place(&mut self, group: &[&'a Task]) {
        let networks = match networks_of(self.state, &group[0].spec) {
            Ok(networks) => networks,
            Err(missing) => return self.say_all(group, &missing.to_string()),
        };
        let (preset, free): (Vec<&Task>, Vec<&Task>) = group.iter().partition(|task| task.node.is_some());
        for task in preset {
            self.place_on_own_node(task, &networks);
        }
        let mut chosen_from: Option<(Need<'a>, Tree)> = None;
        for (nth, &task) in free.iter().enumerate() {
            let scarce = match self.addresses.scarce(&networks) {
                Ok(scarce) => scarce,
                Err(message) => return self.say_all(&free[nth..], &message),
            };
            // Which nodes can have a task changes with the last number but one of a network.
            let (mut need, mut tree) = match chosen_from.take().filter(|(need, _)| need.scarce == scarce) {
                Some(known) => known,
                None => {
                    let need = Need::of(task, scarce, &networks).avoiding_failures(
                        self.state,
                        task.task_version,
                        self.now,
                    );
                    let tree = Tree::grow(&self.rooms, &need);
                    (need, tree)
                }
            };
            let mut chosen = tree.take_best(&mut self.rooms, &need);
            if chosen.is_none() && !need.avoid.is_empty() {
                need.avoid.clear();
                tree = Tree::grow(&self.rooms, &need);
                chosen = tree.take_best(&mut self.rooms, &need);
            }
            let Some(chosen) = chosen else {
                // The others are like it, so none of them fits either.
                let message = explain::no_suitable_node(&self.rooms, &need);
                return self.say_all(&free[nth..], &message);
            };
            self.assign(task, self.rooms[chosen].node.id, &networks);
            chosen_from = Some((need, tree));
        }
    }

    fn place_on_own_node(&mut self, task: &'a Task, networks: &[&'a Network]) {
        let own = task.node.and_then(|id| self.rooms.binary_search_by_key(&id, |room| room.node.id).ok());
        let Some(own) = own else {
            return self.say(task, "its node was removed");
        };
        let scarce = match self.addresses.scarce(networks) {
            Ok(scarce) => scarce,
            Err(message) => return self.say(task, &message),
        };
        let (need, room) = (Need::of(task, scarce, networks), &mut self.rooms[own]);
        match filter::check(room, &need) {
            Ok(()) => {
                room.take(&need);
                let node = room.node.id;
                self.assign(task, node, networks);
            }
            Err(unfit) => {
                let message = explain::own_node_unfit(room, &need, &unfit);
                self.say(task, &message);
            }
        }
    }

    fn assign(&mut self, task: &Task, node: NodeId, networks: &[&'a Network]) {
        let (addresses, mut changes) = self.addresses.lease(node, networks);
        changes.push(Change::AssignTask { task: task.id, node, at: self.now, addresses });
        self.decision.propose(None, changes);
    }

    fn say_all(&mut self, tasks: &[&Task], message: &str) {
        for task in tasks {
            self.say(task, message);
        }
    }

    fn say(&mut self, task: &Task, message: &str) {
        if task.status.message != message {
            let (message, at) = (message.to_owned(), self.now);
            self.decision.propose(None, [Change::SetPending { task: task.id, message, at }]);
        }
    }
}
