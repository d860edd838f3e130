//! `shoal service update`.

use super::{TaskArgs, WaitArgs, create::WAITING};
use clap::Args;

/// Options of `service update`. What is not given stays as it is.
#[derive(Debug, Args)]
// A number below zero is a wrong number, not an unknown option.
#[command(after_help = WAITING, allow_negative_numbers = true)]
pub struct UpdateArgs {
    /// New command arguments
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub args: Option<String>,
    /// Add or replace an environment variable (NAME=VALUE)
    #[arg(long, value_name = "VARIABLE")]
    pub env_add: Vec<String>,
    /// Remove an environment variable
    #[arg(long, value_name = "NAME")]
    pub env_rm: Vec<String>,
    /// Add or replace a label of the service (KEY=VALUE)
    #[arg(long, value_name = "LABEL")]
    pub label_add: Vec<String>,
    /// Remove a label of the service
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// Add or replace a label of the containers (KEY=VALUE)
    #[arg(long, value_name = "LABEL")]
    pub container_label_add: Vec<String>,
    /// Remove a label of the containers
    #[arg(long, value_name = "KEY")]
    pub container_label_rm: Vec<String>,
    /// Add a placement constraint (as with `service create --constraint`)
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_add: Vec<String>,
    /// Remove a placement constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_rm: Vec<String>,
    /// Add a placement preference
    #[arg(long, value_name = "PREFERENCE")]
    pub placement_pref_add: Vec<String>,
    /// Remove a placement preference
    #[arg(long, value_name = "PREFERENCE")]
    pub placement_pref_rm: Vec<String>,
    /// Add a further group of the containers' user
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Remove a further group
    #[arg(long, value_name = "GROUP")]
    pub group_rm: Vec<String>,
    /// Add a line to the containers' /etc/hosts (NAME:ADDRESS or NAME:host-gateway)
    #[arg(long, value_name = "HOST")]
    pub host_add: Vec<String>,
    /// Remove a name, or one of its addresses, from the containers' /etc/hosts (NAME or NAME:ADDRESS)
    #[arg(long, value_name = "HOST")]
    pub host_rm: Vec<String>,
    /// Add a name server for names outside of the cluster
    #[arg(long, value_name = "ADDRESS")]
    pub dns_add: Vec<String>,
    /// Remove a name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns_rm: Vec<String>,
    /// Add an option to the containers' resolv.conf
    #[arg(long, value_name = "OPTION")]
    pub dns_option_add: Vec<String>,
    /// Remove an option from the containers' resolv.conf
    #[arg(long, value_name = "OPTION")]
    pub dns_option_rm: Vec<String>,
    /// Add a domain in which the containers look for names
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search_add: Vec<String>,
    /// Remove a domain in which the containers look for names
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search_rm: Vec<String>,
    /// Add or replace a kernel setting of the containers' own (NAME=VALUE)
    #[arg(long, value_name = "SETTING")]
    pub sysctl_add: Vec<String>,
    /// Remove a kernel setting
    #[arg(long, value_name = "NAME")]
    pub sysctl_rm: Vec<String>,
    /// Add or replace a limit on each process (NAME=SOFT[:HARD])
    #[arg(long, value_name = "LIMIT")]
    pub ulimit_add: Vec<String>,
    /// Remove a limit on each process
    #[arg(long, value_name = "NAME")]
    pub ulimit_rm: Vec<String>,
    /// Add a secret, or have the containers find its newest content (NAME, or source=,target=,uid=,gid=,mode=)
    #[arg(long, value_name = "SECRET")]
    pub secret_add: Vec<String>,
    /// Remove a secret
    #[arg(long, value_name = "SECRET")]
    pub secret_rm: Vec<String>,
    /// Add a config, or have the containers find its newest content (NAME, or source=,target=,uid=,gid=,mode=)
    #[arg(long, value_name = "CONFIG")]
    pub config_add: Vec<String>,
    /// Remove a config
    #[arg(long, value_name = "CONFIG")]
    pub config_rm: Vec<String>,
    /// Add a mount, or replace the one with the same target
    #[arg(long, value_name = "MOUNT")]
    pub mount_add: Vec<String>,
    /// Remove the mount with this target
    #[arg(long, value_name = "TARGET")]
    pub mount_rm: Vec<String>,
    /// Connect the containers to a network, or replace their aliases there
    #[arg(long, value_name = "NETWORK")]
    pub network_add: Vec<String>,
    /// Take the containers out of a network
    #[arg(long, value_name = "NETWORK")]
    pub network_rm: Vec<String>,
    /// Publish a port, or replace what is published for its target (as with `service create --publish`)
    #[arg(long, value_name = "PORT")]
    pub publish_add: Vec<String>,
    /// Stop publishing a target port (TARGET[/PROTOCOL])
    #[arg(long, value_name = "TARGET")]
    pub publish_rm: Vec<String>,
    /// New image
    #[arg(long)]
    pub image: Option<String>,
    /// Replace every task, even if nothing else changes
    #[arg(long)]
    pub force: bool,
    /// Bring back the spec before the last update
    #[arg(long)]
    pub rollback: bool,
    /// What the tasks are.
    #[command(flatten)]
    pub task: TaskArgs,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The service by id or name
    pub service: String,
}
