//! What is awaited of a held task's connections: the first before it counts as running, the last before it is stopped.

use super::{Action, Held, Now, Work};
use crate::listeners;
use proto::model::TaskState;

impl Held {
    /// Whether connections may lead to it that are to end before it does. One that the managers do not
    /// name any more is in no balancing.
    pub(super) fn is_to_drain(&self) -> bool {
        let is_balanced = self.state() == TaskState::Running && !self.task.addresses.is_empty();
        is_balanced && self.assigned && !self.drained && !self.is_unhealthy()
    }

    pub(super) fn drain(&mut self, now: Now) -> Action {
        self.work = Work::Draining { until: now.elapsed.saturating_add(self.grace()) };
        Action::Drain(Box::new(self.task.clone()))
    }

    pub(super) fn await_listening(&mut self, pid: u32, now: Now) -> Action {
        let patience = listeners::longest_patience(&self.task.spec.ports);
        self.work = Work::Awaiting { pid, until: now.elapsed.saturating_add(patience) };
        self.task.status.message = self.unheard();
        Action::AwaitListening(Box::new(self.task.clone()))
    }

    /// Says what a container that was started is waited for to do.
    pub(super) fn unheard(&self) -> String {
        let ports = &self.task.spec.ports;
        let ports: Vec<_> = ports.iter().map(|port| format!("{}/{}", port.target, port.protocol)).collect();
        format!("the container does not listen on {} yet", ports.join(" and "))
    }
}
