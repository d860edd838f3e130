//! When to give up: tasks that end again and again, and restart policies that allow no further try.

use super::slots::{self, SlotView};
use crate::output::tasks;
use proto::wire::{Service, Task, TaskState, restart_policy::Condition};
use std::collections::{BTreeMap, BTreeSet};

/// Tasks rejected in one place before we give up: a node that can't start it three times never will.
pub const TRIES_REJECTED: usize = 3;
/// Tasks failed in one place before we give up. More than for rejected ones: with the growing wait
/// between them five take over a minute, enough for what the task itself waits for to come up.
pub const TRIES_FAILED: usize = 5;

/// Why a service does not become what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// The task that shows it best, whose log may tell more.
    pub task: Option<String>,
}

/// The tasks that ended badly, by place, for as long as the place has not recovered. The managers
/// keep only the last few of each, so they are counted here.
#[derive(Debug, Default)]
pub struct Trouble(BTreeMap<String, Ended>);

#[derive(Debug, Default)]
struct Ended {
    rejected: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Trouble {
    /// Counts what ended since the view before.
    pub fn note(&mut self, slots: &[SlotView]) {
        for slot in slots {
            if slot.arrived {
                self.0.remove(&slot.key);
                continue;
            }
            let ended = self.0.entry(slot.key.clone()).or_default();
            for task in &slot.ended {
                match tasks::status(task).state() {
                    TaskState::Rejected => ended.rejected.insert(task.id.clone()),
                    _ => ended.failed.insert(task.id.clone()),
                };
            }
        }
    }

    /// Whether to give up, and why.
    pub fn verdict(&self, service: &Service, slots: &[SlotView]) -> Option<Failure> {
        slots.iter().find_map(|slot| {
            let ended = self.0.get(&slot.key)?;
            let name = || slot_name(service, slot);
            let failure = |reason: String| Some(Failure { reason, task: newest(&slot.ended).map(|task| task.id.clone()) });
            let last = newest(&slot.ended).map(tasks::reason).filter(|reason| !reason.is_empty());
            let last = last.map(|reason| format!(": {reason}")).unwrap_or_default();
            if ended.rejected.len() >= TRIES_REJECTED {
                return failure(format!("{} was rejected {} times{last}", name(), ended.rejected.len()));
            }
            if !slot.alive && is_exhausted(service, ended) {
                return failure(format!("{} ended, and its restart policy allows no further try{last}", name()));
            }
            if ended.failed.len() >= TRIES_FAILED {
                return failure(format!("{} failed {} times{last}", name(), ended.failed.len()));
            }
            None
        })
    }

    /// The task that ended badly last.
    pub fn last_ended(&self, slots: &[SlotView]) -> Option<String> {
        let all: Vec<&Task> = slots.iter().flat_map(|slot| slot.ended.iter().copied()).collect();
        newest(&all).map(|task| task.id.clone())
    }
}

fn slot_name(service: &Service, slot: &SlotView) -> String {
    format!("{}.{}", service.spec.as_ref().map_or("", |spec| &spec.name), slot.key)
}

fn newest<'a>(ended: &[&'a Task]) -> Option<&'a Task> {
    ended.iter().copied().max_by_key(|task| task.created_at)
}

/// Whether the policy makes no replacement any more for a place whose tasks ended badly.
fn is_exhausted(service: &Service, ended: &Ended) -> bool {
    let tries = ended.rejected.len() + ended.failed.len();
    if tries == 0 {
        return false;
    }
    if slots::condition(service) == Condition::None {
        return true;
    }
    let policy = service.spec.as_ref().and_then(|spec| spec.task.as_ref()).and_then(|task| task.restart);
    let attempts = policy.map_or(0, |policy| policy.max_attempts as usize);
    attempts > 0 && tries > attempts
}
