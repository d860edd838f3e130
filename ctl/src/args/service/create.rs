//! `shoal service create`.

use super::{TaskArgs, WaitArgs};
use clap::Args;

/// How the wait for a service ends; shown in the help of each command that waits.
pub(super) const WAITING: &str = "\
Waits until every task runs (and, for an update, until the rollout is complete), then for a second at
most to see that new tasks stay up. Exits with 1 if the rollout is paused or rolled back, if a task is
rejected 3 times or fails 5 times, or if the restart policy allows no further try. While no node fits,
it waits and says why. Ctrl-C stops waiting; the cluster goes on.";

/// Options of `service create`.
#[derive(Debug, Args)]
#[command(override_usage = "shoal service create [OPTIONS] IMAGE [COMMAND] [ARG...]", after_help = WAITING)]
// A number below zero is a wrong number, not an unknown option.
#[command(allow_negative_numbers = true)]
pub struct CreateArgs {
    /// Name of the service [default: a random one]
    #[arg(long)]
    pub name: Option<String>,
    /// Labels of the service (KEY=VALUE)
    #[arg(short, long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Labels of the containers (KEY=VALUE)
    #[arg(long = "container-label", value_name = "LABEL")]
    pub container_labels: Vec<String>,
    /// How tasks are counted: replicated, global, or replicated-job and global-job for tasks that are to complete
    #[arg(long, default_value = "replicated")]
    pub mode: String,
    /// Environment variables (NAME=VALUE, or NAME for the value it has here)
    ///
    /// In variables, --hostname and --mount, {{.Service.ID}}, {{.Service.Name}}, {{.Service.Labels.NAME}}, {{.Node.ID}},
    /// {{.Node.Hostname}}, {{.Node.Platform.OS}}, {{.Node.Platform.Architecture}}, {{.Task.ID}}, {{.Task.Name}} and
    /// {{.Task.Slot}} stand for each task's own.
    #[arg(short, long, value_name = "VARIABLE")]
    pub env: Vec<String>,
    /// Files of environment variables
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<String>,
    /// Further groups of the containers' user
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Lines of the containers' /etc/hosts (NAME:ADDRESS; NAME:host-gateway for the task's node, which lets them in)
    #[arg(long = "host", visible_alias = "add-host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Name servers that are asked for names outside of the cluster (the nodes' own)
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Options of the containers' resolv.conf (ndots:2)
    #[arg(long = "dns-option", value_name = "OPTION")]
    pub dns_options: Vec<String>,
    /// Domains in which the containers look for names ('.' is none)
    #[arg(long = "dns-search", value_name = "DOMAIN")]
    pub dns_searches: Vec<String>,
    /// Kernel settings of the containers' own (net.core.somaxconn=1024)
    #[arg(long = "sysctl", value_name = "SETTING")]
    pub sysctls: Vec<String>,
    /// Limits on each process (NAME=SOFT[:HARD], such as nofile=1024:4096; -1 is no limit)
    #[arg(long = "ulimit", value_name = "LIMIT")]
    pub ulimits: Vec<String>,
    /// Secrets that the containers find below /run/secrets (NAME, or source=,target=,uid=,gid=,mode=)
    ///
    /// TARGET is a name below /run/secrets or an absolute path. Without other options the file has the secret's name, is
    /// root's and may be read by everybody (0444); MODE is octal.
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<String>,
    /// Configs that the containers find in / (NAME, or source=,target=,uid=,gid=,mode=)
    #[arg(long = "config", value_name = "CONFIG")]
    pub configs: Vec<String>,
    /// Mounts (type=bind|volume|tmpfs,source=...,target=...[,readonly])
    #[arg(long = "mount", value_name = "MOUNT")]
    pub mounts: Vec<String>,
    /// Placement constraints (node.labels.disk==ssd; also !=, in, notin, =~, < and >)
    ///
    /// KEY==VALUE, KEY!=VALUE, 'KEY in (VALUE,...)', 'KEY notin (VALUE,...)', 'KEY=~PATTERN' (a regular expression, which
    /// may match anywhere), 'KEY<NUMBER' or 'KEY>NUMBER' (labels only). KEY is node.id, node.hostname, node.ip (an address
    /// or a network), node.role, node.platform.os, node.platform.arch, node.labels.NAME or engine.labels.NAME. Letters may
    /// be small or capital; a label that a node does not have is empty. All constraints must hold.
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    pub constraints: Vec<String>,
    /// Placement preferences (spread=node.labels.zone)
    #[arg(long = "placement-pref", value_name = "PREFERENCE")]
    pub preferences: Vec<String>,
    /// Ports to publish: [HOST-IP:][PUBLISHED:]TARGET[/PROTOCOL], or published=,target=,protocol=,mode=,host-ip=,traffic=
    ///
    /// A port is published on every node, or with mode=host on the tasks' own nodes. Without a published port the cluster
    /// chooses one from 30000 to 32767. PROTOCOL is tcp, udp or sctp. With host-ip, an address or a subnet such as
    /// 10.0.0.0/24, only nodes that have such an address answer, and only there. With traffic=local-first a node sends to
    /// its own tasks while any of them serves, else to all, as with traffic=cluster.
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Networks of the service (NETWORK, or name=NETWORK,alias=NAME; host or none stand alone)
    #[arg(long = "network", value_name = "NETWORK")]
    pub networks: Vec<String>,
    /// What the tasks are.
    #[command(flatten)]
    pub task: TaskArgs,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The image, and the command to run instead of the image's
    #[arg(required = true, trailing_var_arg = true, value_name = "IMAGE")]
    pub image_and_command: Vec<String>,
}
