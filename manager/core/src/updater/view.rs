//! A rollout as it is now: what was begun, what is left, and how much more may be begun.

use super::slot::{self, Observer};
use crate::{
    Decision,
    decision::unchanged,
    orchestrator::{
        global,
        slots::{SlotTasks, Slots},
    },
    state::State,
};
use proto::model::{
    IdSource, Rollout, RolloutConfig, Service, SlotKey, SlotProgress, Task, TaskState, Timestamp,
};
use std::collections::BTreeMap;

/// A service's rollout as it is now.
pub(super) struct View<'a> {
    service: &'a Service,
    config: &'a RolloutConfig,
    now: Timestamp,
    /// The slots begun, as far as they have come.
    pub begun: BTreeMap<SlotKey, SlotProgress>,
    /// The outdated slots that are still to be begun, the first to go first.
    pub outdated: Vec<SlotTasks<'a>>,
    /// A task that made a slot fail just now.
    pub culprit: Option<&'a Task>,
    /// A new task that finds no node.
    pub unplaced: Option<&'a Task>,
}

impl<'a> View<'a> {
    pub fn observe(
        state: &'a State,
        service: &'a Service,
        rollout: &Rollout,
        config: &'a RolloutConfig,
        slots: &'a Slots<'a>,
        now: Timestamp,
    ) -> Self {
        let (begun, outdated) = (BTreeMap::new(), Vec::new());
        let mut view = View { service, config, now, begun, outdated, culprit: None, unplaced: None };
        let observer = Observer { state, service, config, started_at: rollout.started_at, now };
        for slot in slots.iter() {
            let before = rollout.slots.get(&slot.key).copied();
            match observer.observe(&slot, before) {
                Some(progress) => view.note(&slot, before, progress),
                None if slot::is_outdated(&slot, service) => view.outdated.push(slot),
                None => {}
            }
        }
        let runs = |slot: &SlotTasks<'_>| slot.live().any(|task| task.status.state == TaskState::Running);
        view.outdated.sort_by_key(|slot| (runs(slot), slot.key));
        view
    }

    fn note(&mut self, slot: &SlotTasks<'a>, before: Option<SlotProgress>, progress: SlotProgress) {
        self.begun.insert(slot.key, progress);
        let task_of = |progress| match progress {
            Some(SlotProgress::Replacing { task } | SlotProgress::Watching { task, .. }) => {
                slot.tasks.iter().copied().find(|known| known.id == task)
            }
            Some(SlotProgress::Done { .. }) | None => None,
        };
        if matches!(progress, SlotProgress::Done { failed: true, .. }) {
            self.culprit = self.culprit.or(task_of(before));
        }
        let is_unplaced = |task: &&Task| task.status.state == TaskState::Pending;
        self.unplaced = self.unplaced.or(task_of(Some(progress)).filter(is_unplaced));
    }

    pub fn total(&self) -> usize {
        self.begun.len() + self.outdated.len()
    }

    pub fn failures(&self) -> usize {
        self.begun
            .values()
            .filter(|progress| matches!(progress, SlotProgress::Done { failed: true, .. }))
            .count()
    }

    pub fn done(&self) -> usize {
        self.begun.values().filter(|progress| matches!(progress, SlotProgress::Done { .. })).count()
    }

    pub fn is_finished(&self) -> bool {
        self.outdated.is_empty() && self.done() == self.begun.len()
    }

    /// How many slots keep others from being begun.
    pub fn busy(&self) -> usize {
        let is_busy = |progress: &&SlotProgress| self.free_at(progress).is_none_or(|at| at > self.now);
        self.begun.values().filter(is_busy).count()
    }

    /// From when on a slot lets another one be begun in its place; `None` if that can't be told yet.
    fn free_at(&self, progress: &SlotProgress) -> Option<Timestamp> {
        match *progress {
            SlotProgress::Replacing { .. } => None,
            SlotProgress::Watching { since, .. } => Some(since + self.config.delay),
            SlotProgress::Done { at, failed: true } => Some(at + self.config.delay),
            SlotProgress::Done { at, failed: false } => Some(at),
        }
    }

    /// Begins outdated slots as far as the parallelism allows.
    pub fn begin_slots(&mut self, state: &State, ids: &mut dyn IdSource, decision: &mut Decision) {
        let room = match self.config.parallelism {
            0 => usize::MAX,
            parallelism => (parallelism as usize).saturating_sub(self.busy()),
        };
        let service = self.service;
        // A global task is not stopped while its node would not take the new one.
        let can_begin = |slot: &SlotTasks<'_>| match slot.key {
            SlotKey::Replica(_) => true,
            SlotKey::Node(node) => state.node(node).is_some_and(|node| global::accepts(node, service)),
        };
        let mut begun = 0;
        let (config, now) = (self.config, self.now);
        let mut newly_begun = Vec::new();
        self.outdated.retain(|slot| {
            if begun >= room || !can_begin(slot) {
                return true;
            }
            begun += 1;
            let (changes, progress) = slot::begin(state, service, slot, config.order, now, ids);
            decision.propose(unchanged(service), changes);
            newly_begun.push((slot.key, progress));
            false
        });
        self.begun.extend(newly_begun);
    }

    /// Asks to be woken when a slot has been watched for long enough, or a delay is over.
    pub fn ask_to_be_woken(&self, decision: &mut Decision) {
        for progress in self.begun.values() {
            if let SlotProgress::Watching { since, .. } = *progress {
                decision.wake(since + slot::watch_time(self.config));
            }
            let free_at = self.free_at(progress).filter(|&at| at > self.now);
            if let Some(at) = free_at.filter(|_| !self.outdated.is_empty()) {
                decision.wake(at);
            }
        }
    }
}
