//! One slot of a rollout.
//!
//! ```text
//! outdated -> Replacing -> Watching -> Done
//!                 '-----------'-----> Done, failed
//! ```

use crate::{
    orchestrator::{
        replace,
        slots::{SlotTasks, age},
    },
    state::{Change, State},
};
use proto::model::{
    DesiredState, IdSource, NodeState, RestartCondition, RolloutConfig, RolloutOrder, Service, SlotKey,
    SlotProgress, Task, TaskState, Timestamp,
};
use std::time::Duration;

/// How long a new task is watched. The delay is part of it, so that a task which fails before the next
/// slot is begun always counts.
pub(super) fn watch_time(config: &RolloutConfig) -> Duration {
    config.monitor.max(config.delay)
}

/// Whether the slot does not have the service's present spec, or not that alone.
pub(super) fn is_outdated(slot: &SlotTasks<'_>, service: &Service) -> bool {
    let mut live = slot.live().peekable();
    if live.peek().is_some() {
        return live.any(|task| task.task_version != service.task_version);
    }
    let given_up = service.restarts.get(&slot.key).and_then(|history| history.given_up.as_ref());
    given_up.is_some_and(|given_up| given_up.task_version != service.task_version)
}

/// Replaces the tasks of an outdated slot: the changes, and how far the slot is after them.
pub(super) fn begin(
    state: &State,
    service: &Service,
    slot: &SlotTasks<'_>,
    order: RolloutOrder,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> (Vec<Change>, SlotProgress) {
    let (mut changes, task) = match newest_current(slot, service) {
        // A rollback may find the task it wants still there. With start-first it stops the others
        // when it runs, as every replacement does.
        Some(task) if order == RolloutOrder::StartFirst => (Vec::new(), task.id),
        Some(task) => {
            let others = slot.live().filter(|other| other.task_version != service.task_version);
            let stop = |other: &Task| Change::SetDesired { task: other.id, desired: DesiredState::Shutdown };
            (others.map(stop).collect(), task.id)
        }
        None => {
            let (mut changes, new) = replace(state, service, slot, order, now, ids);
            let id = new.id;
            changes.push(Change::CreateTask(new));
            (changes, id)
        }
    };
    if service.restarts.contains_key(&slot.key) {
        changes.push(Change::SetRestarts { service: service.id, slot: slot.key, history: None });
    }
    let progress = SlotProgress::Replacing { task, since: now };
    // First, as a slot that was not begun may keep the spec before.
    let begun = Change::SetRolloutSlot { service: service.id, slot: slot.key, progress: Some(progress) };
    changes.insert(0, begun);
    (changes, progress)
}

/// The live task of the service's present spec that has not ended; the newest, should there be two.
fn newest_current<'a>(slot: &SlotTasks<'a>, service: &Service) -> Option<&'a Task> {
    let is_current =
        |task: &&Task| task.task_version == service.task_version && !task.status.state.is_terminal();
    slot.live().filter(is_current).max_by_key(|task| age(task))
}

/// Sees how far slots have come.
pub(super) struct Observer<'a> {
    pub state: &'a State,
    pub service: &'a Service,
    pub config: &'a RolloutConfig,
    pub started_at: Timestamp,
    pub leader_since: Timestamp,
    pub now: Timestamp,
}

/// How long a new leader waits for what nodes have to tell before it finds a task late: after an outage
/// of the managers all would be.
const LEADER_LEARNS: Duration = Duration::from_secs(60);

/// When a slot whose task does not run is given up; `None` if never.
pub(super) fn late_at(
    config: &RolloutConfig,
    since: Timestamp,
    leader_since: Timestamp,
) -> Option<Timestamp> {
    let deadline = config.progress_deadline;
    let told = leader_since + deadline.min(LEADER_LEARNS);
    (!deadline.is_zero()).then(|| told.max(since + deadline))
}

impl Observer<'_> {
    /// How far the slot has come; `None` if it has not been begun, or can't come further for now.
    pub fn observe(&self, slot: &SlotTasks<'_>, before: Option<SlotProgress>) -> Option<SlotProgress> {
        self.progress(slot, before).filter(|progress| !self.waits_for_its_node(slot, progress))
    }

    /// Whether the slot's new task is on a node that is down. That of a replicated service is replaced
    /// elsewhere, but a global one's waits for the node, maybe for a day: the rollout goes on without
    /// it, and takes the slot in again when the node is back.
    fn waits_for_its_node(&self, slot: &SlotTasks<'_>, progress: &SlotProgress) -> bool {
        let is_starting = matches!(progress, SlotProgress::Replacing { .. });
        let is_away = |id| self.state.node(id).is_none_or(|node| node.status.state == NodeState::Down);
        is_starting && matches!(slot.key, SlotKey::Node(node) if is_away(node))
    }

    fn progress(&self, slot: &SlotTasks<'_>, before: Option<SlotProgress>) -> Option<SlotProgress> {
        // Since when a task is tried, and since when it runs.
        let (task, tried, runs) = match before {
            None => return self.adopt(slot),
            Some(done @ SlotProgress::Done { .. }) => return slot.is_filled(self.service).then_some(done),
            Some(SlotProgress::Replacing { task, since }) => (task, since, None),
            Some(SlotProgress::Watching { task, since }) => (task, self.now, Some(since)),
        };
        let Some(task) = slot.tasks.iter().find(|known| known.id == task) else {
            return self.follow(slot, tried);
        };
        match task.status.state {
            TaskState::Failed | TaskState::Rejected => {
                Some(SlotProgress::Done { at: self.now, failed: true })
            }
            TaskState::Complete => {
                Some(SlotProgress::Done { at: self.now, failed: self.is_meant_to_go_on() })
            }
            TaskState::Shutdown | TaskState::Orphaned => self.follow(slot, tried),
            // Replaced because of its node, not because of itself.
            _ if task.desired > DesiredState::Running => self.follow(slot, tried),
            TaskState::Running => Some(self.watch(task, runs.unwrap_or(self.now))),
            _ => Some(self.wait(task, tried)),
        }
    }

    /// Takes a slot into the rollout that got a new task without it.
    fn adopt(&self, slot: &SlotTasks<'_>) -> Option<SlotProgress> {
        if is_outdated(slot, self.service) {
            return None;
        }
        let is_new = |task: &&Task| task.created_at >= self.started_at;
        slot.live().find(is_new).and_then(|_| self.follow(slot, self.now))
    }

    /// Goes on with the task that has taken the place of the one the rollout knew.
    fn follow(&self, slot: &SlotTasks<'_>, tried: Timestamp) -> Option<SlotProgress> {
        let task = newest_current(slot, self.service)?;
        Some(match task.status.state {
            TaskState::Running => self.watch(task, self.now),
            _ => self.wait(task, tried),
        })
    }

    /// Waits for a task that does not run yet, as long as the deadline allows.
    fn wait(&self, task: &Task, since: Timestamp) -> SlotProgress {
        match late_at(self.config, since, self.leader_since).is_some_and(|at| at <= self.now) {
            true => SlotProgress::Done { at: self.now, failed: true },
            false => SlotProgress::Replacing { task: task.id, since },
        }
    }

    fn watch(&self, task: &Task, since: Timestamp) -> SlotProgress {
        match self.now.since(since) >= watch_time(self.config) {
            true => SlotProgress::Done { at: self.now, failed: false },
            false => SlotProgress::Watching { task: task.id, since },
        }
    }

    /// Whether a task that completes did less than was asked of it.
    fn is_meant_to_go_on(&self) -> bool {
        self.service.spec.task.restart.condition == RestartCondition::Any
    }
}
