//! What the agent is told, and what it wants done.

use crate::health::Finding;
use proto::model::{ExitStatus, Task, TaskId, TaskStatus, Timestamp};
use std::time::Duration;

/// The time, as whoever calls the agent reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For people and for statuses; it may be set back.
    pub wall: Timestamp,
    /// Since some fixed moment; it only grows, so waits are counted in it.
    pub elapsed: Duration,
}

/// What the managers want of this node: all of it, or what changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assignments {
    /// Whether this is all of it: a task not named is not this node's any more.
    pub full: bool,
    /// One more than that of the message before, in a session.
    pub sequence: u64,
    /// Tasks that are new or changed.
    pub put: Vec<Task>,
    /// Tasks that are not this node's any more.
    pub remove: Vec<TaskId>,
}

/// Something the agent is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A manager took the node's registration. The next assignments are full.
    SessionUp,
    /// The session is over; nothing of it arrives any more.
    SessionDown,
    /// A manager says what it wants.
    Assigned(Assignments),
    /// A manager has recorded a report.
    Acked {
        /// The report's sequence.
        sequence: u64,
    },
    /// Something came of an action, or a container ended.
    Step {
        /// The task.
        task: TaskId,
        /// What came of it.
        outcome: Outcome,
    },
    /// The time given by [`Agent::deadline`](super::Agent::deadline) has come.
    Tick,
    /// The node leaves the cluster: everything ends and is removed.
    Clear,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A preparation is at work at something.
    Progress {
        /// What it is doing, for people.
        message: String,
    },
    /// The task can be started.
    Prepared,
    /// Its container runs.
    Started {
        /// The container's main process.
        pid: u32,
        /// Whether it has probes.
        has_probes: bool,
    },
    /// Its container's probes say something new.
    Probed(Finding),
    /// Its container listens on the ports that its service publishes.
    Listening,
    /// Its container has no connections any more that others have to wait for.
    Drained,
    /// Its container has ended, and what it held on the node is given back.
    Exited(ExitStatus),
    /// A step failed for good; nothing of the task runs and what it held is given back.
    Failed {
        /// Why, for people.
        error: String,
    },
    /// Its container's connections are as they are wanted in this version.
    Connected {
        /// The version.
        version: u64,
    },
    /// Its container could not be connected as wanted; it runs on.
    NotConnected {
        /// Why, for people.
        error: String,
    },
    /// The task was stopped before it was started, and what was prepared is given back.
    Stopped,
    /// Nothing of it is left on the node.
    Removed,
}

/// Something the agent wants done.
///
/// Of the actions that one call returns, every [`Persist`](Action::Persist) is to be durable before
/// any other is begun. The steps of one task are to be done one after the other; a
/// [`Stop`](Action::Stop) or [`Kill`](Action::Kill) cuts a preparation short.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Keep this over a restart.
    Persist(LedgerChange),
    /// Make the task's image, volumes and network ready, removing what an earlier try left behind.
    /// Leads to `Prepared` or `Failed`.
    Prepare(Box<Task>),
    /// Start its container. Leads to `Started`, then `Exited`; or to `Failed`.
    Start(TaskId),
    /// Wait until its container listens on the ports that its service publishes, which leads to
    /// `Listening`; another order may come before that.
    AwaitListening(Box<Task>),
    /// Begin to make its container's probes and go on until it ends; it ran before if the task's state says so. Leads to
    /// `Probed`, again and again.
    Probe(Box<Task>),
    /// Wait until its container has answered all its connections, if other tasks get the new ones. Leads
    /// to `Drained`; another order may come before that.
    Drain(Box<Task>),
    /// Connect its container, which runs, to the networks it is wanted in by now, and disconnect it from
    /// others. Leads to `Connected` or `NotConnected`; a [`Stop`](Action::Stop) may overtake that.
    Connect(Box<Task>),
    /// Ask its container to end with its stop signal, which leads to `Exited`; if it was not started,
    /// give back what was prepared, which leads to `Stopped`.
    Stop(TaskId),
    /// End its container without asking. Leads to `Exited`.
    Kill(TaskId),
    /// Remove everything of the task. Leads to `Removed`.
    Remove(TaskId),
    /// Tell the managers what was observed.
    Report(Report),
    /// End the session and open another, because an assignment was missed.
    Resync,
}

/// A change to what survives a restart.
#[derive(Debug, Clone, PartialEq)]
pub enum LedgerChange {
    /// Adds or replaces a task; its status is what was observed here.
    Put(Box<Task>),
    /// Forgets a task.
    Remove(TaskId),
}

/// Statuses to tell the managers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Echoed in the acknowledgement.
    pub sequence: u64,
    /// The newest status of each task.
    pub tasks: Vec<(TaskId, TaskStatus)>,
}

/// What a restarted agent finds of a task's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It runs.
    Running {
        /// Its main process.
        pid: u32,
        /// Whether it has probes.
        has_probes: bool,
    },
    /// It ran and ended, and what it held on the node is given back.
    Exited(ExitStatus),
    /// It is gone and nobody knows how it ended; what it held on the node is given back.
    Lost {
        /// What is known, for people.
        reason: String,
    },
    /// There is no container that ever ran.
    Absent,
}
