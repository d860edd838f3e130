//! What a held task's probes lead to.

use super::{Action, Held, Now, Work};
use crate::health::Finding;
use proto::model::{DesiredState, HealthStatus, TaskState};

/// How a held task's probes stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Probing {
    /// Whether its container has any.
    pub has_probes: bool,
    /// Whether they were asked for since this agent began.
    asked: bool,
    /// Why it has to be replaced, if it has to.
    pub unhealthy: Option<String>,
}

impl Held {
    /// Has the container probed; it counts as running once it is ready.
    pub(super) fn await_ready(&mut self, pid: u32) -> Action {
        self.work = Work::Probing { pid };
        self.task.status.message = "the container was started and is being probed".to_owned();
        self.probe()
    }

    /// Whether its container runs, as it did before this agent began, and is not probed yet.
    pub(super) fn is_to_probe(&self) -> bool {
        self.state() == TaskState::Running && self.probing.has_probes && !self.probing.asked
    }

    pub(super) fn probe(&mut self) -> Action {
        self.probing.asked = true;
        Action::Probe(Box::new(self.task.clone()))
    }

    /// Whether it is to be stopped because its probes say so.
    pub(super) fn is_unhealthy(&self) -> bool {
        self.may_run() && self.probing.unhealthy.is_some()
    }

    /// Takes what its probes say.
    pub(super) fn found(&mut self, found: Finding, now: Now) {
        if !self.may_run() {
            return;
        }
        self.probing.unhealthy = self.probing.unhealthy.take().or(found.unhealthy);
        let ready = found.ready && self.probing.unhealthy.is_none();
        let serial = self.task.status.health.as_ref().map_or(1, |health| health.serial + 1);
        self.task.status.health = Some(HealthStatus { serial, ready, message: found.message.clone() });
        match self.work {
            Work::Probing { pid } if ready => self.runs(pid, "started", now),
            Work::Probing { .. } if !found.message.is_empty() => self.task.status.message = found.message,
            _ => {}
        }
    }

    /// Why it failed, if it was stopped because of its probes and not because that was wanted.
    pub(super) fn failed_probe(&mut self) -> Option<String> {
        let is_wanted = self.task.desired <= DesiredState::Running;
        self.probing.unhealthy.take().filter(|_| is_wanted).map(|why| format!("unhealthy: {why}"))
    }
}
