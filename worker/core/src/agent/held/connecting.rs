//! What the container of a held task is connected to while it runs.

use super::{Held, Now, Work};
use proto::model::{Task, TaskState};
use std::time::Duration;

/// How long after a container could not be connected as wanted it is tried again.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

impl Held {
    /// Takes what the managers say of the task's connections.
    pub(super) fn update_connections(&mut self, told: &Task) {
        if told.version >= self.task.version && told.connections != self.task.connections {
            self.task.addresses.clone_from(&told.addresses);
            self.task.connections.clone_from(&told.connections);
            self.connect_at = None;
        }
    }

    /// Whether the container runs and has not all connections as they are wanted.
    pub(super) fn is_behind(&self) -> bool {
        self.state() == TaskState::Running
            && self.task.connections_version() > self.task.status.connections_version
    }

    /// Whether it is time to connect it.
    pub(super) fn is_to_connect(&self, now: Now) -> bool {
        self.is_behind() && self.connect_at.is_none_or(|at| at <= now.elapsed)
    }

    /// Notes that its connections are as they were wanted in a version. That may be told late.
    pub(super) fn connected(&mut self, version: u64) {
        let status = &mut self.task.status;
        status.connections_version = status.connections_version.max(version);
        if self.work == Work::Connecting {
            self.work = Work::Nothing;
            // What it said before was that it failed.
            if self.connect_at.take().is_some() {
                self.task.status.message = TaskState::Running.as_str().to_owned();
            }
        }
    }

    /// Notes that it could not be connected, to be tried again in a moment.
    pub(super) fn not_connected(&mut self, error: String, now: Now) {
        if self.work == Work::Connecting {
            self.connect_at = Some(now.elapsed.saturating_add(CONNECT_AGAIN));
            self.work = Work::Nothing;
            self.task.status.message = error;
        }
    }
}
