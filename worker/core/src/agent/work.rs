//! What is being done for a task, and until when.

use std::time::Duration;

/// What is being done for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    Preparing,
    Starting,
    /// Its container runs.
    Started {
        /// The container's main process.
        pid: u32,
    },
    /// Its container runs, and is waited for to listen on its ports.
    Awaiting {
        pid: u32,
        /// When it counts as running anyway.
        until: Duration,
    },
    /// Its container runs, and its probes have not all succeeded yet.
    Probing {
        pid: u32,
    },
    /// Its container runs, and is being connected as it is wanted.
    Connecting,
    /// Its container runs, gets no new connections, and is to be stopped when the last has ended.
    Draining {
        /// When it is stopped anyway.
        until: Duration,
    },
    Stopping {
        /// When its container is killed, if it has not ended.
        kill_at: Duration,
    },
    Removing,
    Removed,
}

impl Work {
    /// When it is to be looked at again, if nothing comes of it before.
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Awaiting { until: at, .. }
            | Self::Draining { until: at }
            | Self::Stopping { kill_at: at } => Some(at),
            Self::Nothing
            | Self::Preparing
            | Self::Starting
            | Self::Started { .. }
            | Self::Probing { .. }
            | Self::Connecting
            | Self::Removing
            | Self::Removed => None,
        }
    }
}
