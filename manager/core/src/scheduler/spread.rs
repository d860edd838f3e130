//! Spreading: nodes in a tree by the values of the spread preferences, leaves in order of score.
//!
//! At each level the next task goes to the branch with the fewest tasks of its service; nodes without
//! the label form a branch of their own. Within the last branch the best node is the one with the
//! fewest tasks of the service, then the fewest tasks, then the largest share free, then the lowest id.
//! All of this is read off ordered sets, which change in one place with each task.

use super::{
    filter::{self, Need},
    room::Room,
};
use crate::placement;
use proto::model::Preference;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// The nodes that fit a group of alike tasks.
pub(super) struct Tree(Branch);

enum Branch {
    /// One for each value of a preference's property.
    Fork {
        branches: BTreeMap<String, Branch>,
        /// The branches that have nodes left, by their tasks of the service.
        order: BTreeSet<(u32, String)>,
    },
    /// The nodes themselves, the best one first.
    Leaf(BTreeSet<Score>),
}

/// How good a node is, and its place among the rooms, which are in order of the nodes' ids.
type Score = (u32, u32, Reverse<u64>, usize);

impl Tree {
    /// A tree of the nodes that fit.
    pub fn grow(rooms: &[Room<'_>], need: &Need<'_>) -> Self {
        let all: Vec<usize> = (0..rooms.len()).collect();
        Tree(Branch::grow(rooms, need, &need.spec.task.preferences, all))
    }

    /// Leases what a task needs on the best node; `None` if no node fits any more.
    pub fn take_best(&mut self, rooms: &mut [Room<'_>], need: &Need<'_>) -> Option<usize> {
        self.0.take_best(rooms, need)
    }
}

impl Branch {
    fn grow(rooms: &[Room<'_>], need: &Need<'_>, preferences: &[Preference], members: Vec<usize>) -> Self {
        let Some((preference, rest)) = preferences.split_first() else {
            let fits = |place: &usize| {
                let room = &rooms[*place];
                !need.avoid.contains(&room.node.id) && filter::check(room, need).is_ok()
            };
            return Branch::Leaf(
                members.into_iter().filter(fits).map(|place| score(rooms, need, place)).collect(),
            );
        };
        let mut by_value: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for place in members {
            let value = placement::value_of(rooms[place].node, &preference.spread).into_owned();
            by_value.entry(value).or_default().push(place);
        }
        let (mut branches, mut order) = (BTreeMap::new(), BTreeSet::new());
        for (value, members) in by_value {
            // Tasks on nodes that take no new ones count as well.
            let tasks = members.iter().map(|&place| rooms[place].tasks_of(need.service)).sum();
            order.insert((tasks, value.clone()));
            branches.insert(value, Branch::grow(rooms, need, rest, members));
        }
        Branch::Fork { branches, order }
    }

    fn take_best(&mut self, rooms: &mut [Room<'_>], need: &Need<'_>) -> Option<usize> {
        match self {
            Branch::Leaf(order) => {
                let (.., place) = order.pop_first()?;
                rooms[place].take(need);
                if filter::check_room(&rooms[place], need).is_ok() {
                    order.insert(score(rooms, need, place));
                }
                Some(place)
            }
            Branch::Fork { branches, order } => loop {
                // A branch without a node left is not put back.
                let (tasks, value) = order.pop_first()?;
                let branch = branches.get_mut(&value).expect("each value in the order has its branch");
                if let Some(place) = branch.take_best(rooms, need) {
                    order.insert((tasks + 1, value));
                    return Some(place);
                }
            },
        }
    }
}

fn score(rooms: &[Room<'_>], need: &Need<'_>, place: usize) -> Score {
    let room = &rooms[place];
    (room.tasks_of(need.service), room.tasks, Reverse(free_permille(room)), place)
}

/// The share of its processors and memory that a node has left, in thousandths of both together.
fn free_permille(room: &Room<'_>) -> u64 {
    let Some(total) = &room.node.description else { return 0 };
    let share = |free: u64, total: u64| {
        let permille = u128::from(free) * 1000 / u128::from(total.max(1));
        u64::try_from(permille).unwrap_or(u64::MAX)
    };
    share(room.free.nano_cpus, total.nano_cpus)
        .saturating_add(share(room.free.memory_bytes, total.memory_bytes))
}
