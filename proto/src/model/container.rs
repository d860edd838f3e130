//! What runs in a task's container.

use super::{
    DnsConfig, ExtraHost, HostTarget, Mount, PayloadKind, PayloadUse, Probe, Signal, Sysctl, Ulimit,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

/// How long a container may take to end after its stop signal, if nothing else is asked for.
pub const STOP_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// What the kernel can be told of when to end a process for want of memory (proc_pid_oom_score_adj(5)).
pub const OOM_SCORES: RangeInclusive<i32> = -1000..=1000;

/// What runs in a task's container. Everything not given here comes from the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The image, as the user named it; resolved on the node.
    pub image: String,
    /// Replaces the image's entrypoint, and its command with it, if not empty.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command if not empty.
    pub args: Vec<String>,
    /// `NAME=value`; replaces the image's variable of the same name.
    pub env: Vec<String>,
    /// Labels of the container.
    pub labels: BTreeMap<String, String>,
    /// Working directory; an absolute path.
    pub workdir: Option<String>,
    /// `USER[:GROUP]` by name or number.
    pub user: Option<String>,
    /// Further groups by name or number.
    pub groups: Vec<String>,
    /// The container's host name; the task's id, shortened, if not given.
    pub hostname: Option<String>,
    /// Whether the image's files can't be written.
    pub read_only: bool,
    /// Mounts; no two have the same target.
    pub mounts: Vec<Mount>,
    /// Capabilities added to the default set, without `CAP_`, or `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities taken from the default set, without `CAP_`, or `ALL`.
    pub cap_drop: Vec<String>,
    /// What asks the container to end; else the image's, else SIGTERM.
    pub stop_signal: Option<Signal>,
    /// How long it may take to end before it is killed; else [`STOP_GRACE_PERIOD`].
    pub stop_grace_period: Option<Duration>,
    /// Further lines of its `/etc/hosts`.
    #[serde(default)]
    pub hosts: Vec<ExtraHost>,
    /// How it looks names up.
    #[serde(default)]
    pub dns: DnsConfig,
    /// Limits on each of its processes; no two have the same name.
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
    /// Kernel settings of its own; no two have the same name.
    #[serde(default)]
    pub sysctls: Vec<Sysctl>,
    /// How soon the kernel ends its processes when memory runs out, of [`OOM_SCORES`]: more is sooner, 0 as any other's.
    #[serde(default)]
    pub oom_score_adj: i32,
    /// Whether it works; a container that does not is replaced. Until the first success it does not count as running.
    #[serde(default)]
    pub health: Probe,
    /// Whether it has come up; the other probes wait for that.
    #[serde(default)]
    pub startup: Option<Probe>,
    /// Whether it may get connections.
    #[serde(default)]
    pub readiness: Option<Probe>,
    /// Secrets that it finds as files; no two files of it have the same path.
    #[serde(default)]
    pub secrets: Vec<PayloadUse>,
    /// Configs that it finds as files.
    #[serde(default)]
    pub configs: Vec<PayloadUse>,
}

impl ContainerSpec {
    /// Whether it is to reach the node that it runs on.
    pub fn wants_host(&self) -> bool {
        self.hosts.iter().any(|host| host.target == HostTarget::Gateway)
    }

    /// Everything that it finds as files, in an order that stays.
    pub fn payloads(&self) -> impl Iterator<Item = (PayloadKind, &PayloadUse)> {
        let secrets = self.secrets.iter().map(|used| (PayloadKind::Secret, used));
        secrets.chain(self.configs.iter().map(|used| (PayloadKind::Config, used)))
    }

    /// The same, to be changed.
    pub fn payloads_mut(&mut self) -> impl Iterator<Item = &mut PayloadUse> {
        self.secrets.iter_mut().chain(&mut self.configs)
    }
}
