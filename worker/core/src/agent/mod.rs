//! The agent of a node: what it holds for the managers, as a machine without I/O.
//!
//! It is told [`Event`]s and answers with [`Action`]s; the daemon and the simulation both drive it.
//!
//! * What it was assigned goes on while the managers are away.
//! * A container is started at most once for a task. That it is about to be started is durable before
//!   it is; a restarted agent finds the container, finds how it ended, or reports the task failed.
//! * It is not started while another task here holds a port of its.
//! * It counts as running once it listens on the ports that its service publishes, and is stopped only
//!   when the connections it has are answered; for neither it is waited for ever.
//! * Observed states only move forward, over restarts too.
//! * Each status is reported until it is acknowledged, and only the newest of a task.
//! * A task that the managers don't name any more is stopped and removed. One that ended is kept, with
//!   its logs, for as long as they name it.

mod held;
mod message;
mod ports;
mod reports;
#[cfg(test)]
mod tests;
mod work;

pub use message::{Action, Assignments, Event, Found, LedgerChange, Now, Outcome, Report};
pub use reports::{REPORT_INTERVAL, REPORT_TASKS_MAX};

use crate::sequence::{Sequence, Verdict};
use held::Held;
use proto::model::{DesiredState, Task, TaskConnection, TaskId, TaskState, TaskStatus};
use reports::Reports;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

/// Holds the tasks of one node and decides what happens to them next.
#[derive(Debug, Default)]
pub struct Agent {
    tasks: BTreeMap<TaskId, Held>,
    /// `None` while there is no session.
    session: Option<Sequence>,
    reports: Reports,
    /// Set once the node leaves; it takes nothing any more.
    leaving: bool,
}

impl Agent {
    /// Makes an agent that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the agent of a node that has run before, from its ledger's tasks and what was found of
    /// their containers. Also gives what is to be done at once.
    pub fn recover(ledger: Vec<Task>, mut found: BTreeMap<TaskId, Found>, now: Now) -> (Self, Vec<Action>) {
        let mut agent = Self::new();
        let mut changes = Changes::default();
        for task in ledger {
            let found = found.remove(&task.id).unwrap_or(Found::Absent);
            agent.reports.add(task.id, task.status.state);
            changes.note(&task);
            agent.tasks.insert(task.id, Held::recover(task, found, now));
        }
        let actions = agent.settle(changes, now);
        (agent, actions)
    }

    /// Takes an event and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut changes = Changes::default();
        let mut resync = false;
        match event {
            Event::SessionUp => {
                self.session = Some(Sequence::default());
                self.reports.resend();
            }
            Event::SessionDown => self.session = None,
            Event::Assigned(assignments) => resync = !self.assigned(assignments, now, &mut changes),
            Event::Acked { sequence } => self.reports.acked(sequence),
            Event::Step { task, outcome } => self.observe(task, outcome, now, &mut changes),
            Event::Tick => {
                let due = |held: &Held| held.deadline().is_some_and(|deadline| deadline <= now.elapsed);
                self.tasks.values().filter(|held| due(held)).for_each(|held| changes.before(held));
            }
            Event::Clear => {
                self.leaving = true;
                let all: Vec<_> = self.tasks.keys().copied().collect();
                all.into_iter().for_each(|id| self.unassign(id, &mut changes));
            }
        }
        let mut actions = self.settle(changes, now);
        if resync {
            actions.push(Action::Resync);
        }
        actions
    }

    /// When [`Event::Tick`] is to be told next, if nothing else happens before; in the past if at once.
    pub fn deadline(&self) -> Option<Duration> {
        let report = self.session.filter(|session| session.is_synced()).and_then(|_| self.reports.deadline());
        self.tasks.values().filter_map(Held::deadline).chain(report).min()
    }

    /// The status observed of each task held, with what is desired of it.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, DesiredState, &TaskStatus)> {
        self.tasks.iter().map(|(id, held)| (*id, held.task().desired, held.status()))
    }

    /// The task as it is held, with the status observed here.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id).map(Held::task)
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.tasks.values().filter(|held| held.state() == TaskState::Running).count()
    }

    /// Whether nothing is held, so that nothing of the cluster is left on the node.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes assignments; `false` if one before them was missed.
    fn assigned(&mut self, assignments: Assignments, now: Now, changes: &mut Changes) -> bool {
        let Some(session) = self.session.as_mut().filter(|_| !self.leaving) else { return true };
        match session.judge(assignments.full, assignments.sequence) {
            Verdict::Apply => {}
            Verdict::Ignore => return true,
            Verdict::Resync => return false,
        }
        if assignments.full {
            let named: BTreeSet<_> = assignments.put.iter().map(|task| task.id).collect();
            let gone: Vec<_> = self.tasks.keys().copied().filter(|id| !named.contains(id)).collect();
            gone.into_iter().for_each(|id| self.unassign(id, changes));
        }
        for task in assignments.put {
            self.put(task, now, changes);
        }
        for id in assignments.remove {
            self.unassign(id, changes);
        }
        true
    }

    fn put(&mut self, told: Task, now: Now, changes: &mut Changes) {
        let id = told.id;
        let known = told.status.state;
        let held = match self.tasks.entry(id) {
            Entry::Occupied(entry) => {
                let held = entry.into_mut();
                changes.before(held);
                held.update(&told);
                held
            }
            Entry::Vacant(entry) => {
                changes.new_task(id);
                entry.insert(Held::accept(told, now))
            }
        };
        // The report may have been lost with the manager that took it.
        if held.state() > known {
            self.reports.add(id, held.state());
        }
    }

    fn unassign(&mut self, id: TaskId, changes: &mut Changes) {
        self.reports.forget(id);
        if let Some(held) = self.tasks.get_mut(&id) {
            changes.before(held);
            held.unassign();
        }
    }

    fn observe(&mut self, id: TaskId, outcome: Outcome, now: Now, changes: &mut Changes) {
        if let Some(held) = self.tasks.get_mut(&id) {
            changes.before(held);
            held.observe(outcome, now);
        }
    }

    /// Lets every task that was touched take its next step, and gathers what is to be kept and told.
    fn settle(&mut self, mut changes: Changes, now: Now) -> Vec<Action> {
        let mut persists = Vec::new();
        let mut actions = Vec::new();
        let released = ports::released(&self.tasks, changes.0.keys());
        released.into_iter().for_each(|held| changes.before(held));
        for (id, before) in changes.0 {
            let has_to_wait = ports::are_taken(&self.tasks, id);
            let Some(held) = self.tasks.get_mut(&id) else { continue };
            if held.is_removed() {
                self.tasks.remove(&id);
                persists.push(Action::Persist(LedgerChange::Remove(id)));
                continue;
            }
            if !has_to_wait {
                held.proceed(now, &mut actions);
            }
            let (status, task) = (held.status(), held.task());
            if before.as_ref().is_none_or(|before| before.status != *status) && held.is_assigned() {
                self.reports.add(id, status.state);
            }
            // What a preparation is just doing is told, but need not survive a restart.
            if !before.is_some_and(|before| before.is_kept_of(task)) {
                persists.push(Action::Persist(LedgerChange::Put(Box::new(task.clone()))));
            }
        }
        persists.append(&mut actions);
        persists.extend(self.report(now).map(Action::Report));
        persists
    }

    fn report(&mut self, now: Now) -> Option<Report> {
        self.session.filter(|session| session.is_synced())?;
        let tasks = &self.tasks;
        self.reports.due(now.elapsed, |id| tasks.get(&id).map(|held| held.status().clone()))
    }
}

/// What of a task may change, as it was before an event.
#[derive(Debug)]
struct Before {
    status: TaskStatus,
    desired: DesiredState,
    connections: Vec<TaskConnection>,
}

impl Before {
    /// Whether what has to survive a restart is as it was.
    fn is_kept_of(&self, task: &Task) -> bool {
        let serial = |status: &TaskStatus| status.health.as_ref().map(|health| health.serial);
        let of = |status: &TaskStatus| (status.state, status.connections_version, serial(status));
        (of(&self.status), self.desired) == (of(&task.status), task.desired)
            && self.connections == task.connections
    }
}

/// The tasks that one event touches, each as it was before; `None` if it was not there.
#[derive(Debug, Default)]
struct Changes(BTreeMap<TaskId, Option<Before>>);

impl Changes {
    fn before(&mut self, held: &Held) {
        self.note(held.task());
    }

    fn note(&mut self, task: &Task) {
        let (status, desired) = (task.status.clone(), task.desired);
        let before = || Some(Before { status, desired, connections: task.connections.clone() });
        self.0.entry(task.id).or_insert_with(before);
    }

    fn new_task(&mut self, id: TaskId) {
        self.0.entry(id).or_insert(None);
    }
}
