//! When to give up: tasks that end again and again, and restart policies that allow no further try.

use super::slots::{self, SlotView};
use crate::output::tasks;
use proto::wire::{Service, Task, TaskState, restart_policy::Condition};
use std::collections::BTreeMap;

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

/// The tasks that ended badly. The managers keep only the last few of each place, so they are counted
/// here.
#[derive(Debug, Default)]
pub struct Trouble {
    /// By place, for as long as the place has not recovered, and by their ids.
    places: BTreeMap<String, BTreeMap<String, Ended>>,
    /// The newest of them made for the change: when it was made, and its id. Kept after a rollback,
    /// when it is no task of the present version any more.
    last: Option<(i64, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    rejected: bool,
    /// Whether it was made for the change that is waited for; one from before says nothing about it.
    counts: bool,
}

impl Trouble {
    /// Counts what ended since the view before.
    pub fn note(&mut self, service: &Service, slots: &[SlotView]) {
        let made_for_it = |task: &&&Task| task.created_at >= service.updated_at;
        let newest =
            slots.iter().flat_map(|slot| &slot.ended).filter(made_for_it).max_by_key(|task| task.created_at);
        self.last = newest.map(|task| (task.created_at, task.id.clone())).max(self.last.take());
        for slot in slots {
            if slot.arrived {
                self.places.remove(&slot.key);
                continue;
            }
            let ended = self.places.entry(slot.key.clone()).or_default();
            ended.extend(slot.ended.iter().map(|task| {
                let rejected = tasks::status(task).state() == TaskState::Rejected;
                (task.id.clone(), Ended { rejected, counts: task.created_at >= service.updated_at })
            }));
        }
    }

    /// Whether to give up, and why.
    pub fn verdict(&self, service: &Service, slots: &[SlotView]) -> Option<Failure> {
        slots.iter().find_map(|slot| {
            let ended = self.places.get(&slot.key)?;
            let last = newest(&slot.ended).map(tasks::reason).filter(|reason| !reason.is_empty());
            let last = last.map(|reason| format!(": {reason}")).unwrap_or_default();
            let name = format!("{}.{}", service.spec.as_ref().map_or("", |spec| &spec.name), slot.key);
            let tries =
                |rejected| ended.values().filter(|end| end.counts && end.rejected == rejected).count();
            let reason = if tries(true) >= TRIES_REJECTED {
                format!("{name} was rejected {} times{last}", tries(true))
            } else if !slot.alive && is_exhausted(service, ended.len()) {
                format!("{name} ended, and its restart policy allows no further try{last}")
            } else if tries(false) >= TRIES_FAILED {
                format!("{name} failed {} times{last}", tries(false))
            } else {
                return None;
            };
            Some(Failure { reason, task: newest(&slot.ended).map(|task| task.id.clone()) })
        })
    }

    /// The task that ended badly last.
    pub fn last_ended(&self) -> Option<String> {
        self.last.as_ref().map(|(_, id)| id.clone())
    }
}

fn newest<'a>(ended: &[&'a Task]) -> Option<&'a Task> {
    ended.iter().copied().max_by_key(|task| task.created_at)
}

/// Whether the policy makes no replacement any more for a place where so many tasks ended badly.
fn is_exhausted(service: &Service, ended: usize) -> bool {
    let policy = service.spec.as_ref().and_then(|spec| spec.task.as_ref()).and_then(|task| task.restart);
    let attempts = policy.map_or(0, |policy| policy.max_attempts as usize);
    let never = slots::condition(service) == Condition::None;
    ended > 0 && (never || attempts > 0 && ended > attempts)
}
