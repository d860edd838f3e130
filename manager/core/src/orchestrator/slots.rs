//! The tasks of a service by slot.

use crate::state::State;
use proto::model::{DesiredState, Service, ServiceId, SlotKey, Task, TaskState};

/// The tasks of a service, those of one slot side by side.
pub(crate) struct Slots<'a>(Vec<&'a Task>);

/// The tasks of one slot, in no particular order; there is at least one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotTasks<'a> {
    pub key: SlotKey,
    pub tasks: &'a [&'a Task],
}

impl<'a> Slots<'a> {
    pub fn of(state: &'a State, service: ServiceId) -> Self {
        Self(state.tasks_of(service).map(AsRef::as_ref).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = SlotTasks<'_>> {
        self.0.chunk_by(|a, b| a.slot == b.slot).map(|tasks| SlotTasks { key: tasks[0].slot, tasks })
    }
}

impl<'a> SlotTasks<'a> {
    /// The tasks that are meant to be ready or to run.
    pub fn live(&self) -> impl Iterator<Item = &'a Task> + use<'a> {
        self.tasks.iter().copied().filter(|task| is_live(task))
    }

    /// Whether nothing has to be made for the slot.
    pub fn is_filled(&self, service: &Service) -> bool {
        self.live().next().is_some() || is_given_up(service, self.key)
    }

    /// The newest of the tasks that are not meant to run any more.
    pub fn newest_stopped(&self) -> Option<&'a Task> {
        self.tasks.iter().copied().filter(|task| !is_live(task)).max_by_key(|task| age(task))
    }
}

/// Whether the task is meant to be ready or to run, even if it has ended.
pub(crate) fn is_live(task: &Task) -> bool {
    task.desired <= DesiredState::Running
}

/// Whether the task may occupy its node: it was assigned, and its end is not confirmed.
pub(crate) fn holds_node(task: &Task) -> bool {
    task.status.state >= TaskState::Assigned && !task.status.state.is_terminal()
}

/// Whether the restart policy allows the slot no further task.
pub(crate) fn is_given_up(service: &Service, slot: SlotKey) -> bool {
    service.restarts.get(&slot).is_some_and(|history| history.given_up.is_some())
}

/// Orders the tasks of a slot from old to new; no two of them count as made at the same time.
pub(crate) fn age(task: &Task) -> impl Ord + use<> {
    task.created_at
}
