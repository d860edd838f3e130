//! One task that the agent holds: how events and wishes move it on.

mod connecting;
mod probing;
mod serving;

use super::{Action, Found, Now, Outcome, work::Work};
use crate::task::{Step, after_exit, after_failure, next_step};
use probing::Probing;
use proto::model::{
    DesiredState, ExitStatus, Task, TaskId, TaskState, TaskStatus, container::STOP_GRACE_PERIOD,
};
use std::time::Duration;

/// How long after a kill without effect the next one is sent. A process that is stuck in the kernel
/// can't end before it comes out.
const KILL_AGAIN: Duration = Duration::from_secs(10);

/// A task of this node. The status within it is the one observed here.
#[derive(Debug, Clone)]
pub(super) struct Held {
    task: Task,
    work: Work,
    /// Whether it was prepared by this agent. After a restart it has to be done again.
    prepared: bool,
    /// Whether its connections were waited for, so that it can be stopped.
    drained: bool,
    /// Whether the managers still count it as this node's.
    assigned: bool,
    /// When its container is to be connected again as wanted, after that has failed.
    connect_at: Option<Duration>,
    probing: Probing,
}

impl Held {
    fn new(task: Task) -> Self {
        let (work, connect_at, probing) = (Work::Nothing, None, Probing::default());
        Self { task, work, prepared: false, drained: false, assigned: true, connect_at, probing }
    }

    /// Takes a task from the managers.
    ///
    /// One that they saw start, though nothing is known of it here, is not started a second time.
    pub(super) fn accept(task: Task, now: Now) -> Self {
        let started = (TaskState::Starting..=TaskState::Running).contains(&task.status.state);
        let mut held = Self::new(task);
        if started {
            held.fail(
                "the node has no record of this task, which was started before; its data was lost",
                now,
            );
        }
        held
    }

    /// Takes a task from the ledger, given what was found of its container.
    pub(super) fn recover(task: Task, found: Found, now: Now) -> Self {
        let mut held = Self::new(task);
        if held.state().is_terminal() {
            return held;
        }
        match found {
            Found::Running { pid, has_probes } => {
                held.probing.has_probes = has_probes;
                match held.state() {
                    TaskState::Running => held.runs(pid, "started", now),
                    _ => held.work = Work::Started { pid },
                }
            }
            Found::Exited(exit) => held.exited(exit, now),
            Found::Lost { reason } => held.fail(&reason, now),
            Found::Absent if held.state() >= TaskState::Starting => {
                held.fail(
                    "the node's daemon ended while it started the container, and none is there now",
                    now,
                );
            }
            Found::Absent => {}
        }
        held
    }

    pub(super) fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn status(&self) -> &TaskStatus {
        &self.task.status
    }

    pub(super) fn state(&self) -> TaskState {
        self.task.status.state
    }

    /// Whether it is over.
    pub(super) fn has_ended(&self) -> bool {
        self.state().is_terminal()
    }

    /// Whether a container of it may run.
    pub(super) fn may_run(&self) -> bool {
        (TaskState::Starting..=TaskState::Running).contains(&self.state())
    }

    /// Whether its next step is to be started.
    pub(super) fn is_about_to_start(&self) -> bool {
        let next = next_step(self.task.desired, self.state());
        self.prepared && self.work == Work::Nothing && next == Step::Advance(TaskState::Starting)
    }

    /// Whether the managers still count it as this node's.
    pub(super) fn is_assigned(&self) -> bool {
        self.assigned
    }

    /// Whether nothing of it is left on the node and it can be forgotten.
    pub(super) fn is_removed(&self) -> bool {
        self.work == Work::Removed
    }

    /// Takes what the managers say of a task that is already held. Only their wish can change, which only
    /// grows, and what it is connected to.
    pub(super) fn update(&mut self, told: &Task) {
        self.assigned = true;
        self.update_connections(told);
        self.task.version = self.task.version.max(told.version);
        self.task.desired = self.task.desired.max(told.desired);
        // What an orphaned task held belongs to others by now, so it must not run.
        if told.status.state == TaskState::Orphaned {
            self.task.desired = self.task.desired.max(DesiredState::Shutdown);
        }
    }

    /// Notes that the task is not this node's any more.
    pub(super) fn unassign(&mut self) {
        self.assigned = false;
        self.task.desired = DesiredState::Remove;
    }

    /// Takes what came of an action. Outcomes that are late or repeated change nothing.
    pub(super) fn observe(&mut self, outcome: Outcome, now: Now) {
        match outcome {
            Outcome::Removed if self.work == Work::Removing => {
                // It may have been assigned again meanwhile; then its record is kept.
                self.work = if self.assigned { Work::Nothing } else { Work::Removed };
            }
            Outcome::Removed => {}
            _ if self.state().is_terminal() => {}
            Outcome::Connected { version } => self.connected(version),
            Outcome::NotConnected { error } => self.not_connected(error, now),
            Outcome::Progress { message } if self.work == Work::Preparing => {
                self.task.status.message = message
            }
            Outcome::Prepared if self.work == Work::Preparing => {
                self.work = Work::Nothing;
                self.prepared = true;
                self.advance(TaskState::Ready, "prepared", now);
            }
            Outcome::Started { pid, has_probes } if self.work == Work::Starting => {
                self.work = Work::Started { pid };
                self.probing.has_probes = has_probes;
            }
            Outcome::Probed(found) => self.found(found, now),
            Outcome::Drained if matches!(self.work, Work::Draining { .. }) => {
                (self.work, self.drained) = (Work::Nothing, true);
            }
            Outcome::Listening => {
                if let Work::Awaiting { pid, .. } = self.work {
                    self.runs(pid, "started", now);
                }
            }
            Outcome::Progress { .. } | Outcome::Prepared | Outcome::Started { .. } | Outcome::Drained => {}
            Outcome::Exited(exit) => self.exited(exit, now),
            Outcome::Failed { error } => self.fail(&error, now),
            Outcome::Stopped => {
                self.work = Work::Nothing;
                self.advance(TaskState::Shutdown, "stopped before it was started", now);
            }
        }
    }

    /// Takes every step that can be taken now, and asks for at most one thing to be done.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Vec<Action>) {
        loop {
            let step = match next_step(self.task.desired, self.state()) {
                Step::Start | Step::Await if self.is_unhealthy() => Step::Stop,
                step => step,
            };
            let action = match (step, self.work) {
                (Step::Advance(to), Work::Nothing) if to != TaskState::Starting || self.prepared => {
                    self.advance(to, to.as_str(), now);
                    continue;
                }
                (Step::Prepare, Work::Nothing) => self.prepare(),
                // It was prepared before a restart, which gave all of that back.
                (Step::Advance(_), Work::Nothing) => self.prepare(),
                (Step::Rest, Work::Nothing) if self.state() == TaskState::Ready && !self.prepared => {
                    self.prepare()
                }
                (Step::Start, Work::Nothing) => self.begin(Work::Starting, Action::Start),
                (Step::Start, Work::Started { pid }) if self.probing.has_probes => self.await_ready(pid),
                (Step::Start, Work::Started { pid }) if self.task.spec.ports.is_empty() => {
                    self.runs(pid, "started", now);
                    continue;
                }
                (Step::Start, Work::Started { pid }) => self.await_listening(pid, now),
                (Step::Start, Work::Awaiting { pid, until }) if now.elapsed >= until => {
                    self.runs(pid, &format!("started, though {}", self.unheard()), now);
                    continue;
                }
                (Step::Stop, Work::Nothing | Work::Connecting) if self.is_to_drain() => self.drain(now),
                (Step::Stop, Work::Draining { until }) if now.elapsed < until => return,
                (
                    Step::Stop,
                    Work::Nothing
                    | Work::Preparing
                    | Work::Connecting
                    | Work::Started { .. }
                    | Work::Awaiting { .. }
                    | Work::Probing { .. }
                    | Work::Draining { .. },
                ) => self.stop(now),
                (Step::Await, Work::Nothing) if self.is_to_probe() => self.probe(),
                (Step::Await, Work::Nothing) if self.is_to_connect(now) => {
                    let task = Box::new(self.task.clone());
                    self.begin(Work::Connecting, |_| Action::Connect(task))
                }
                (Step::Stop, Work::Stopping { kill_at }) if now.elapsed >= kill_at => {
                    let kill_at = now.elapsed.saturating_add(KILL_AGAIN);
                    self.begin(Work::Stopping { kill_at }, Action::Kill)
                }
                (Step::Rest, Work::Nothing) if self.state().is_terminal() && !self.assigned => {
                    self.begin(Work::Removing, Action::Remove)
                }
                _ => return,
            };
            return actions.push(action);
        }
    }

    /// When the task wants to be looked at again, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.work {
            Work::Nothing if self.is_behind() => self.connect_at,
            work => work.deadline(),
        }
    }

    fn begin(&mut self, work: Work, action: impl FnOnce(TaskId) -> Action) -> Action {
        self.work = work;
        action(self.task.id)
    }

    fn prepare(&mut self) -> Action {
        self.work = Work::Preparing;
        Action::Prepare(Box::new(self.task.clone()))
    }

    fn stop(&mut self, now: Now) -> Action {
        self.begin(Work::Stopping { kill_at: now.elapsed.saturating_add(self.grace()) }, Action::Stop)
    }

    fn grace(&self) -> Duration {
        self.task.spec.task.container.stop_grace_period.unwrap_or(STOP_GRACE_PERIOD)
    }

    fn runs(&mut self, pid: u32, message: &str, now: Now) {
        self.work = Work::Nothing;
        self.advance(TaskState::Running, message, now);
        self.task.status.pid = Some(pid);
    }

    fn exited(&mut self, exit: ExitStatus, now: Now) {
        self.work = Work::Nothing;
        let (to, error) = match self.failed_probe() {
            Some(why) => (TaskState::Failed, Some(why)),
            None => after_exit(self.task.desired, exit),
        };
        self.advance(to, if to == TaskState::Complete { "finished" } else { to.as_str() }, now);
        self.task.status.exit = Some(exit);
        self.task.status.error = error;
    }

    fn fail(&mut self, error: &str, now: Now) {
        self.work = Work::Nothing;
        let to = after_failure(self.state());
        self.advance(to, to.as_str(), now);
        self.task.status.error = Some(error.to_owned());
    }

    /// Moves the state forward; it never goes back.
    fn advance(&mut self, to: TaskState, message: &str, now: Now) {
        let status = &mut self.task.status;
        if to > status.state {
            (status.state, status.at, status.message) = (to, now.wall, message.to_owned());
        }
        if to.is_terminal() {
            status.pid = None;
        }
    }
}
