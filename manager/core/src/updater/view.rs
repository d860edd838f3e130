//! A rollout as it is now: what was begun, what is left, and how much more may be begun.

use super::{
    canary,
    slot::{self, Observer},
};
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
    IdSource, Rollout, RolloutConfig, RolloutCounts, Service, SlotKey, SlotProgress, Task, TaskState,
    Timestamp,
};
use std::collections::BTreeMap;

/// A service's rollout as it is now.
pub(super) struct View<'a> {
    service: &'a Service,
    config: &'a RolloutConfig,
    leader_since: Timestamp,
    now: Timestamp,
    /// How many slots may be begun before a person promotes the update; `None` if all may.
    canaries: Option<usize>,
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
        leader_since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let mut view = View {
            service,
            config,
            leader_since,
            now,
            canaries: canary::limit(service),
            begun: BTreeMap::new(),
            outdated: Vec::new(),
            culprit: None,
            unplaced: None,
        };
        let observer = Observer { state, service, config, started_at: rollout.started_at, leader_since, now };
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
            Some(SlotProgress::Replacing { task, .. } | SlotProgress::Watching { task, .. }) => {
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

    /// The slots of which a share may fail: as long as there are only canaries, those.
    pub fn judged(&self) -> usize {
        self.canaries.map_or(self.total(), |canaries| canaries.clamp(1, self.total().max(1)))
    }

    pub fn counts(&self) -> RolloutCounts {
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        RolloutCounts { total: count(self.total()), done: count(self.done()), failed: count(self.failures()) }
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

    /// Whether the canaries are done, and the other slots wait for a person.
    pub fn awaits_promotion(&self) -> bool {
        let all_begun = self.canaries.is_some_and(|canaries| self.begun.len() >= canaries);
        all_begun && !self.outdated.is_empty() && self.done() == self.begun.len()
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
        let canaries = self.canaries.map(|canaries| canaries.saturating_sub(self.begun.len()));
        let room = canaries.map_or(room, |canaries| canaries.min(room));
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
            match *progress {
                SlotProgress::Watching { since, .. } => {
                    decision.wake(since + slot::watch_time(self.config));
                }
                SlotProgress::Replacing { since, .. } => {
                    if let Some(at) = slot::late_at(self.config, since, self.leader_since) {
                        decision.wake(at);
                    }
                }
                SlotProgress::Done { .. } => {}
            }
            let free_at = self.free_at(progress).filter(|&at| at > self.now);
            if let Some(at) = free_at.filter(|_| !self.outdated.is_empty()) {
                decision.wake(at);
            }
        }
    }
}
