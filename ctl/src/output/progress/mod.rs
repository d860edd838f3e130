//! How far a service is from what was asked for: views in, lines and an outcome out.
//!
//! A service has arrived when as many tasks of its present version run as are wanted and no rollout
//! is in progress. Tasks that came up while we looked on are then watched for a moment, unless a
//! rollout, which has its own monitoring, brought them up.

mod slots;
mod trouble;

pub use trouble::{Failure, TRIES_FAILED, TRIES_REJECTED};

use proto::wire::{RolloutState, RolloutStatus, Service, ServiceView};
use slots::SlotView;
use std::collections::{BTreeMap, BTreeSet};
use trouble::Trouble;

/// The longest time new tasks are watched after all of them run, in milliseconds. Docker takes the
/// whole monitoring period, 5 s; a container that can't start has ended well before.
const STABLE_MS_MAX: i64 = 1_000;
/// The monitoring period of a service that names none.
const MONITOR_MS: u64 = 5_000;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// A new service, a new spec or another number of replicas.
    Spec,
    /// The previous spec.
    Rollback,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything runs as asked for.
    Converged,
    /// The canaries do, and the others wait for a person; in words.
    Held(String),
    /// It does not, and will not without help.
    Failed(Failure),
}

/// How one place in the service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `web.1`.
    pub name: String,
    /// The state of the task that is to run there; `None` before there is one.
    pub state: Option<proto::wire::TaskState>,
    /// Why it does not run, if that is known.
    pub reason: String,
    /// Why the task before it ended, if that is known.
    pub before: String,
}

/// What is known after one more view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Tasks that run as wanted.
    pub arrived: usize,
    /// Tasks that are wanted.
    pub wanted: usize,
    /// A line for each place in the service.
    pub lines: Vec<Line>,
    /// Whether everything runs and is only being watched.
    pub watching: bool,
    /// When to look again even if nothing changes, in milliseconds since 1970.
    pub look_again_ms: Option<i64>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
}

/// Follows one service from view to view.
#[derive(Debug)]
pub struct Progress {
    goal: Goal,
    /// Views older than this were taken before the change.
    version: u64,
    /// A rollout that had ended before the change is not about it.
    old_rollout: Option<RolloutStatus>,
    /// Shown for nodes of global services, by id.
    hostnames: BTreeMap<String, String>,
    /// Places whose task ran before, or was over, when we first looked.
    seen_first: Option<BTreeSet<String>>,
    trouble: Trouble,
    stable_at_ms: Option<i64>,
    last: Option<Step>,
}

impl Progress {
    /// Begins after a change; `service` is what the managers answered to it.
    pub fn new(goal: Goal, service: &Service, hostnames: BTreeMap<String, String>) -> Self {
        let ended = |rollout: &RolloutStatus| !in_progress(rollout.state());
        Self {
            goal,
            version: service.version,
            old_rollout: service.rollout.clone().filter(ended),
            hostnames,
            seen_first: None,
            trouble: Trouble::default(),
            stable_at_ms: None,
            last: None,
        }
    }

    /// Takes a view in. `None` if it was taken before the change.
    pub fn view(&mut self, view: &ServiceView, now_ms: i64) -> Option<Step> {
        let service = view.service.as_ref().filter(|service| service.version >= self.version)?;
        let slots = slots::of(view, service);
        let seen_first = self.seen_first.get_or_insert_with(|| up_to_date(&slots));
        let came_up = slots.iter().any(|slot| slot.arrived && !seen_first.contains(&slot.key));
        self.trouble.note(service, &slots);

        let wanted = slots::wanted(service, &slots);
        let arrived = slots.iter().filter(|slot| slot.arrived).count();
        let rollout = service.rollout.as_ref().filter(|rollout| Some(*rollout) != self.old_rollout.as_ref());
        let stage = rollout.map_or(RolloutState::Unspecified, RolloutStatus::state);
        let complete = match &service.job {
            Some(run) => run.ended_at.is_some() && run.failure.is_empty(),
            None => wanted == Some(arrived) && !in_progress(stage),
        };

        let failure = self.rolled_wrong(rollout).or_else(|| self.job_failed(service)).or_else(|| {
            // While a rollout is in progress it decides itself how many failures are too many.
            let held = stage == RolloutState::AwaitingPromotion;
            let undecided = !in_progress(stage) && !complete && !held && service.job.is_none();
            undecided.then(|| self.trouble.verdict(service, &slots)).flatten()
        });
        let is_watched = came_up && stage == RolloutState::Unspecified && service.job.is_none();
        let watched_ms = if is_watched { stable_ms(service) } else { 0 };
        let held = rollout.filter(|rollout| rollout.state() == RolloutState::AwaitingPromotion);
        self.stable_at_ms = complete.then(|| self.stable_at_ms.unwrap_or(now_ms.saturating_add(watched_ms)));
        let lines = slots.iter().map(|slot| self.line(service, slot)).collect();
        self.last = Some(Step {
            arrived: wanted.map_or(arrived, |wanted| arrived.min(wanted)),
            wanted: wanted.unwrap_or(arrived),
            lines,
            watching: complete,
            look_again_ms: None,
            outcome: failure
                .map(Outcome::Failed)
                .or_else(|| held.map(|rollout| Outcome::Held(rollout.message.clone()))),
        });
        self.look(now_ms)
    }

    /// Looks at the clock. `None` before the first view.
    pub fn look(&mut self, now_ms: i64) -> Option<Step> {
        let stable_at_ms = self.stable_at_ms;
        let step = self.last.as_mut()?;
        step.look_again_ms = stable_at_ms.filter(|at| now_ms < *at);
        if step.outcome.is_none() && stable_at_ms.is_some_and(|at| now_ms >= at) {
            step.outcome = Some(Outcome::Converged);
        }
        Some(step.clone())
    }

    /// Whether the rollout ended otherwise than was asked for.
    fn rolled_wrong(&self, rollout: Option<&RolloutStatus>) -> Option<Failure> {
        let rollout = rollout?;
        let otherwise = match (rollout.state(), self.goal) {
            (RolloutState::Paused, _) => "the update is paused",
            (RolloutState::RollbackPaused, _) => "the rollback is paused",
            (RolloutState::RollbackCompleted, Goal::Spec) => "the update failed and was rolled back",
            _ => return None,
        };
        let reason = if rollout.message.is_empty() { otherwise } else { &rollout.message };
        Some(Failure { reason: reason.to_owned(), task: self.trouble.last_ended() })
    }

    /// Why the run of a job failed, if it has; the managers decide that.
    fn job_failed(&self, service: &Service) -> Option<Failure> {
        let failure = &service.job.as_ref()?.failure;
        let task = self.trouble.last_ended();
        (!failure.is_empty()).then(|| Failure { reason: failure.clone(), task })
    }

    fn line(&self, service: &Service, slot: &SlotView) -> Line {
        let service_name = service.spec.as_ref().map_or("", |spec| &spec.name);
        let place = self.hostnames.get(&slot.key).unwrap_or(&slot.key);
        Line {
            name: format!("{service_name}.{place}"),
            state: slot.state,
            reason: slot.reason.clone(),
            before: slot.before.clone(),
        }
    }
}

fn in_progress(state: RolloutState) -> bool {
    matches!(state, RolloutState::Updating | RolloutState::RollbackStarted)
}

fn up_to_date(slots: &[SlotView]) -> BTreeSet<String> {
    slots.iter().filter(|slot| slot.arrived).map(|slot| slot.key.clone()).collect()
}

fn stable_ms(service: &Service) -> i64 {
    let update = service.spec.as_ref().and_then(|spec| spec.update);
    let monitor_ms = update.map_or(MONITOR_MS, |config| config.monitor_ms);
    i64::try_from(monitor_ms).unwrap_or(i64::MAX).min(STABLE_MS_MAX)
}

#[cfg(test)]
mod tests;
