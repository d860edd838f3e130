//! Updater: brings a new spec, or the previous one, to the tasks of a service, a few at a time.
//!
//! A *rollout* is an object in the service. It begins with the request that changes the spec
//! ([`begin_update`], [`begin_rollback`]) and holds how far each slot has come, so a new leader carries
//! on in the middle. A slot is *outdated* if it has a live task of another task version than the
//! service's, or was given up with such a task. For a service in a rollout, in this order:
//!
//! 1. **observe** ([`slot`]): each begun slot moves on by what is seen of its new task. New tasks that
//!    others made meanwhile (a restart, a node that was lost, more replicas) are taken into the rollout,
//!    as they too show whether the new spec works.
//! 2. **judge** ([`judge`]): if more than the tolerated share of slots has failed, the failure action is
//!    taken. The share is of all slots that the rollout is about. A rollback is never rolled back.
//! 3. **begin**: while fewer than `parallelism` slots are busy, the next outdated one is replaced; those
//!    that do not run first, as they have nothing to lose. A slot is busy until its new task runs and
//!    the delay has passed; it is watched beyond that while the next one goes on, as docker does.
//! 4. **finish**: when no slot is outdated and none is watched any more.
//!
//! The updater never restarts a task. One that fails during a rollout, or while it is paused, is
//! restarted by its policy with the present spec, and counts as a failure of its slot once.
//!
//! An automatic rollback writes the service's spec. That does not break the rule that only people
//! write specs: what is written is what a person had asked for before, because of the failure action
//! that the person chose; and it is a change of its own, never part of another.

mod begin;
mod judge;
mod message;
mod slot;
#[cfg(test)]
mod tests;

pub use begin::{RollbackError, begin_rollback, begin_update, new_service};

use crate::{
    Decision,
    decision::unchanged,
    orchestrator::{
        global,
        slots::{SlotTasks, Slots},
    },
    state::{Change, State},
};
use proto::model::{
    IdSource, Rollout, RolloutConfig, RolloutState, Service, SlotKey, SlotProgress, Task, TaskState, Timestamp,
};
use slot::Observer;
use std::collections::BTreeMap;

/// Moves every rollout on.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    for service in state.services().filter(|service| !service.removing) {
        if let Some(rollout) = service.rollout.as_ref().filter(|rollout| rollout.state.in_progress()) {
            carry_on(state, service, rollout, now, ids, &mut decision);
        }
    }
    decision
}

fn carry_on(
    state: &State,
    service: &Service,
    rollout: &Rollout,
    now: Timestamp,
    ids: &mut dyn IdSource,
    decision: &mut Decision,
) {
    let config = match rollout.state {
        RolloutState::RollingBack => &service.spec.rollback,
        _ => &service.spec.update,
    };
    let slots = Slots::of(state, service.id);
    let mut view = View::observe(service, rollout, config, &slots, now);
    if let Some(change) = judge::judge(service, rollout, config, &view, now) {
        decision.propose(unchanged(service), [change]);
        return;
    }
    for (&slot, &progress) in &view.begun {
        if rollout.slots.get(&slot) != Some(&progress) {
            let progress = Some(progress);
            decision.propose(unchanged(service), [Change::SetRolloutSlot { service: service.id, slot, progress }]);
        }
    }
    for &slot in rollout.slots.keys().filter(|slot| !view.begun.contains_key(slot)) {
        let change = Change::SetRolloutSlot { service: service.id, slot, progress: None };
        decision.propose(unchanged(service), [change]);
    }
    view.begin_slots(state, ids, decision);
    if view.is_finished() {
        let rollout = Box::new(message::finished(rollout, &view, now));
        decision.propose(unchanged(service), [Change::PutRollout { service: service.id, rollout }]);
        return;
    }
    view.ask_to_be_woken(decision);
    let message = message::in_progress(rollout, &view);
    if message != rollout.message {
        let change = Change::SetRolloutStatus { service: service.id, state: rollout.state, message, ended_at: None };
        decision.propose(unchanged(service), [change]);
    }
}

/// A service's rollout as it is now.
struct View<'a> {
    service: &'a Service,
    config: &'a RolloutConfig,
    now: Timestamp,
    /// The slots begun, as far as they have come.
    begun: BTreeMap<SlotKey, SlotProgress>,
    /// The outdated slots that are still to be begun, the first to go first.
    outdated: Vec<SlotTasks<'a>>,
    /// A task that made a slot fail just now.
    culprit: Option<&'a Task>,
    /// A new task that finds no node.
    unplaced: Option<&'a Task>,
}

impl<'a> View<'a> {
    fn observe(
        service: &'a Service,
        rollout: &Rollout,
        config: &'a RolloutConfig,
        slots: &'a Slots<'a>,
        now: Timestamp,
    ) -> Self {
        let (begun, outdated) = (BTreeMap::new(), Vec::new());
        let mut view = View { service, config, now, begun, outdated, culprit: None, unplaced: None };
        let observer = Observer { service, config, started_at: rollout.started_at, now };
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

    fn total(&self) -> usize {
        self.begun.len() + self.outdated.len()
    }

    fn failures(&self) -> usize {
        self.begun.values().filter(|progress| matches!(progress, SlotProgress::Done { failed: true, .. })).count()
    }

    fn done(&self) -> usize {
        self.begun.values().filter(|progress| matches!(progress, SlotProgress::Done { .. })).count()
    }

    fn is_finished(&self) -> bool {
        self.outdated.is_empty() && self.done() == self.begun.len()
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
    fn begin_slots(&mut self, state: &State, ids: &mut dyn IdSource, decision: &mut Decision) {
        let is_busy = |progress: &&SlotProgress| self.free_at(progress).is_none_or(|at| at > self.now);
        let busy = self.begun.values().filter(is_busy).count();
        let room = match self.config.parallelism {
            0 => usize::MAX,
            parallelism => (parallelism as usize).saturating_sub(busy),
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
            let (changes, progress) = slot::begin(service, slot, config.order, now, ids);
            decision.propose(unchanged(service), changes);
            newly_begun.push((slot.key, progress));
            false
        });
        self.begun.extend(newly_begun);
    }

    /// Asks to be woken when a slot has been watched for long enough, or a delay is over.
    fn ask_to_be_woken(&self, decision: &mut Decision) {
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
