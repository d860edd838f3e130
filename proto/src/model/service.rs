//! Services: what the user asked for, and what the managers keep beside it.

use super::{
    Constraint, ContainerSpec, EndpointMode, JobConfig, JobRun, Limits, Name, NetworkAttachment, NetworkId,
    PortMode, PortProtocol, Preference, PublishedPort, Reservations, RestartHistory, Revision, RevisionMark,
    Rollout, RolloutConfig, ServiceId, SlotKey, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc, time::Duration};

/// What the user asked for. Written by people only, never by a loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The service's name, unique in the cluster.
    pub name: Name,
    /// Labels of the service object.
    pub labels: BTreeMap<String, String>,
    /// How many tasks.
    pub mode: ServiceMode,
    /// What each task is.
    pub task: TaskSpec,
    /// Ports; no two publish the same one.
    pub ports: Vec<PublishedPort>,
    /// How updates go.
    pub update: RolloutConfig,
    /// How rollbacks go.
    pub rollback: RolloutConfig,
    /// How its name is answered in its networks.
    #[serde(default)]
    pub endpoint_mode: EndpointMode,
    /// What bounds it, if it is a job.
    #[serde(default)]
    pub job: JobConfig,
}

/// How many tasks a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceMode {
    /// A given number, anywhere.
    Replicated {
        /// The number.
        replicas: u32,
    },
    /// One on every node that fits.
    Global,
    /// So many that complete, anywhere, in slots from 0.
    ReplicatedJob {
        /// How many are to complete.
        total: u32,
        /// How many may be under way at the same time, at least one.
        max_concurrent: u32,
    },
    /// One that completes on every node that fits.
    GlobalJob,
}

impl ServiceMode {
    /// Whether its tasks are to complete.
    pub fn is_job(self) -> bool {
        match self {
            ServiceMode::Replicated { .. } | ServiceMode::Global => false,
            ServiceMode::ReplicatedJob { .. } | ServiceMode::GlobalJob => true,
        }
    }
}

/// What each task of a service is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskSpec {
    /// What runs.
    pub container: ContainerSpec,
    /// What it may use at most.
    pub limits: Limits,
    /// What is set aside for it.
    pub reservations: Reservations,
    /// What happens when it ends.
    pub restart: RestartPolicy,
    /// All of these must hold on its node.
    pub constraints: Vec<Constraint>,
    /// The properties to spread over, the first one most important.
    pub preferences: Vec<Preference>,
    /// At most so many tasks of the service on one node; `None` is no limit.
    pub max_replicas_per_node: Option<u32>,
    /// What its container is connected to.
    pub network: TaskNetwork,
    /// How its output is kept.
    pub log: LogConfig,
    /// Raised by `--force` to replace every task though nothing else changed.
    pub force_update: u64,
    /// The networks its container is connected to besides; no two are the same.
    #[serde(default)]
    pub attachments: Vec<NetworkAttachment>,
}

/// What a container is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TaskNetwork {
    /// A network of the node's own, with a way out.
    #[default]
    Node,
    /// The node's own interfaces.
    Host,
    /// Nothing but loopback.
    None,
}

/// How a container's output is kept on its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// Size in bytes at which a file is rotated.
    pub max_size_bytes: u64,
    /// Number of files kept, the one being written included.
    pub max_files: u32,
}

impl Default for LogConfig {
    /// 10 MiB in each of 3 files. Docker keeps everything, which fills disks.
    fn default() -> Self {
        Self { max_size_bytes: 10 << 20, max_files: 3 }
    }
}

/// What happens when a task ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// When a replacement is made.
    pub condition: RestartCondition,
    /// How long to wait before the first replacement starts; doubled with each further failure in
    /// a row, up to [`RESTART_DELAY_MAX`].
    pub delay: Duration,
    /// How many replacements are made in the window; zero is no limit.
    pub max_attempts: u32,
    /// The window in which attempts are counted; zero counts for ever.
    pub window: Duration,
}

/// The longest wait before a replacement, however often a task has failed.
pub const RESTART_DELAY_MAX: Duration = Duration::from_secs(300);

impl Default for RestartPolicy {
    /// Always, after five seconds, without limit, as docker has it.
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: Duration::from_secs(5),
            max_attempts: 0,
            window: Duration::ZERO,
        }
    }
}

/// When a task that ended is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartCondition {
    /// Never.
    None,
    /// When it failed.
    OnFailure,
    /// Always.
    Any,
}

/// A service as the managers hold it: the spec, and beside it what they observed and decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Version of the state at its last change of any kind.
    pub version: u64,
    /// Version of the state when a person, or a rollback, last changed it. Restarts and the progress
    /// of a rollout leave it alone, so that a user's update is stale only if somebody else's came first.
    pub spec_version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its spec last changed.
    pub updated_at: Timestamp,
    /// What the user asked for.
    pub spec: Arc<ServiceSpec>,
    /// Grows with each spec that needs different tasks: tasks with another number are out of date.
    pub task_version: u64,
    /// The spec to go back to: the last one before the present one that was rolled out.
    pub previous: Option<PreviousSpec>,
    /// The update or rollback in progress, or the last one.
    pub rollout: Option<Rollout>,
    /// Restarts so far, by slot; begun anew when the task version changes.
    pub restarts: BTreeMap<SlotKey, RestartHistory>,
    /// Set when the user removed it: its tasks are being stopped, and it goes when they are gone.
    pub removing: bool,
    /// Its virtual addresses, one in each of its networks.
    #[serde(default)]
    pub vips: BTreeMap<NetworkId, u32>,
    /// The ports that the managers chose for it, by what they lead to.
    #[serde(default)]
    pub chosen_ports: BTreeMap<(PortProtocol, NonZeroU16), NonZeroU16>,
    /// Which of its specs the present one is.
    #[serde(default)]
    pub revision: RevisionMark,
    /// The specs before, oldest first; the last [`REVISIONS_MAX`](super::REVISIONS_MAX) of them.
    #[serde(default)]
    pub revisions: Vec<Revision>,
    /// Its present run, if it is a job. Tasks of another task version belong to an earlier one.
    #[serde(default)]
    pub job: Option<JobRun>,
}

/// The spec before the last update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousSpec {
    /// What was asked for.
    pub spec: Arc<ServiceSpec>,
    /// Its task version: tasks that still have it need no replacement on rollback.
    pub task_version: u64,
}

impl ServiceSpec {
    /// Whether tasks made for `other` would be different from tasks made for this spec. Which port of every node leads
    /// to them is no matter of theirs, only whether any does: they are in the ingress network then.
    pub fn needs_new_tasks(&self, other: &ServiceSpec) -> bool {
        self.task != other.task
            || !self.host_ports().eq(other.host_ports())
            || self.publishes_ingress() != other.publishes_ingress()
    }

    /// The ports of the tasks' own nodes.
    pub fn host_ports(&self) -> impl Iterator<Item = &PublishedPort> {
        self.ports.iter().filter(|port| port.mode == PortMode::Host)
    }

    /// Whether a port is published on every node.
    pub fn publishes_ingress(&self) -> bool {
        self.ports.iter().any(|port| port.mode == PortMode::Ingress)
    }
}
