//! How much of what happened in a history: one in which nothing does would find nothing.

use proto::model::{CarriedOut, TaskId};
use std::collections::{BTreeMap, BTreeSet};

/// Counts of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// The requests that were done, by their kind.
    pub requests: BTreeMap<&'static str, usize>,
    /// The tasks whose stop was held back.
    pub held: BTreeSet<TaskId>,
    /// The times that nodes said how far they are with networks.
    pub acknowledged: usize,
    /// Those of them that named networks which are lacking.
    pub partly: usize,
}

impl Tally {
    /// Counts a request that is done.
    pub(super) fn done(&mut self, kind: &'static str) {
        *self.requests.entry(kind).or_default() += 1;
    }

    /// Counts tasks that are held.
    pub(super) fn held(&mut self, tasks: &BTreeSet<TaskId>) {
        self.held.extend(tasks);
    }

    /// Counts a node's word.
    pub(super) fn acknowledged(&mut self, said: &CarriedOut) {
        self.acknowledged += 1;
        self.partly += usize::from(!said.lacking.is_empty());
    }

    /// Adds what happened in another history.
    pub fn add(&mut self, other: &Tally) {
        for (kind, count) in &other.requests {
            *self.requests.entry(kind).or_default() += count;
        }
        self.held.extend(&other.held);
        self.acknowledged += other.acknowledged;
        self.partly += other.partly;
    }
}
